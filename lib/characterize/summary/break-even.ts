import { joules, seconds } from '../../units.js';
import type { Results } from '../results.js';
import type { BreakEven } from '../summary.js';
import { compressionEnergy, type Energies, type EnergyMeter, noEnergy, sampleEnergy } from './energy.js';
import { estimate, ratio } from './estimate.js';
import { labelOf } from './label.js';
import type { Measured, Timed } from './measured.js';
import { phaseSeconds, totalSeconds } from './overhead.js';

type Repaid = NonNullable<BreakEven['time']>;

/**
 * After how many inferences at batch 1 what compressing cost is repaid.
 *
 * Against a baseline both phases are charged: who stays with the framework needs neither. Against the FP32 engine, which
 * there is where no baseline was measured, phase 2 alone: its ONNX file is there already, and so is the FP32 engine.
 * What an inference saves is a difference of means, not of medians, since it is sums of inferences that must repay; each
 * side runs with the number of threads it is fastest with. A saving that can't be told from noise repays nothing.
 */
export function breakEvenOf(
  measured: Measured,
  baseline: Measured | undefined,
  exact: Measured | undefined,
  meter: EnergyMeter | undefined,
  results: Results,
): BreakEven | undefined {
  const other = baseline ?? exact;
  if (measured.variant.framework !== 'presisi' || other === undefined) return undefined;
  const phases = baseline ? ['phase 1', 'phase 2'] : ['phase 2'];
  const own = { name: labelOf(measured.variant), trials: atOne(measured) };
  const its = { name: other === baseline ? labelOf(other.variant) : 'FP32', trials: atOne(other) };
  const time = timeRepaid(measured, own, its, baseline !== undefined);
  const energy = energyRepaid(measured, own, its, phases, meter, results);
  return {
    against: other.variant.id,
    ...(typeof time !== 'string' && { time }),
    ...(typeof energy !== 'string' && { energy }),
    reasons: {
      ...(typeof time === 'string' && { time }),
      ...(typeof energy === 'string' && { energy }),
    },
  };
}

interface Side {
  readonly name: string;
  readonly trials: readonly Timed[];
}

const meanMs = ({ latency }: Timed): number => latency.run.mean;

/** The trials at batch 1 with the number of threads that is fastest on the mean. */
function atOne({ latency }: Measured): readonly Timed[] {
  const settings = latency.filter(([first]) => first?.batch === 1);
  const speed = (trials: readonly Timed[]): number => estimate(trials.map(meanMs))?.value ?? Number.POSITIVE_INFINITY;
  return settings.reduce<readonly Timed[]>(
    (best, trials) => (best.length > 0 && speed(best) <= speed(trials) ? best : trials),
    [],
  );
}

/** What it takes, or why it never does. */
function timeRepaid(measured: Measured, own: Side, its: Side, both: boolean): Repaid | string {
  const missing = [own, its].find(({ trials }) => trials.length === 0);
  if (missing) return `the latency of ${missing.name} at batch 1 was not measured`;
  const cost = estimate(
    measured.compress.map((trial) => (both ? totalSeconds(trial) : phaseSeconds(trial, 'phase 2'))),
  );
  if (cost === undefined) return 'what compressing costs was not measured';
  const values = [own, its].map(({ trials }) => trials.map(meanMs)) as [number[], number[]];
  return repaid(cost.value, values, [own.name, its.name], 'faster', (value) => seconds(value / 1000), 1000);
}

function energyRepaid(
  { compress }: Measured,
  own: Side,
  its: Side,
  phases: readonly string[],
  meter: EnergyMeter | undefined,
  results: Results,
): Repaid | string {
  if (meter === undefined) return noEnergy(results);
  const [mine, theirs] = [sampleEnergy(own.trials, meter), sampleEnergy(its.trials, meter)];
  if (mine === undefined) return `the energy of ${own.name} at batch 1 could not be read`;
  if (theirs === undefined) return `the energy of ${its.name} at batch 1 could not be read`;
  const spent = compressionEnergy(compress, meter, phases);
  if (spent === undefined) return 'the energy of compressing could not be read';
  // Like with like: all three above idle, or all three with everything.
  const above = [spent, mine, theirs].every(({ aboveIdle }) => aboveIdle !== undefined);
  const pick = ({ total, aboveIdle = total }: Energies): readonly number[] => (above ? aboveIdle : total);
  const cost = estimate(pick(spent));
  if (cost === undefined || cost.value <= 0) {
    return "the energy of compressing can't be told from what the device draws idle";
  }
  return repaid(cost.value, [pick(mine), pick(theirs)], [own.name, its.name], 'more economical', joules, 1);
}

/** `scale` is how many units of the values make one of the cost. */
function repaid(
  cost: number,
  [mine, theirs]: readonly [readonly number[], readonly number[]],
  [own, other]: readonly [string, string],
  better: string,
  unit: (value: number) => string,
  scale: number,
): Repaid | string {
  const [a, b] = [estimate(mine)?.value ?? Number.NaN, estimate(theirs)?.value ?? Number.NaN];
  const figures = `${unit(a)} against ${unit(b)} an inference`;
  if (!(b - a > 0)) return `${own} is not ${better} than ${other} here: ${figures}`;
  if (ratio(mine, theirs)?.beyondNoise === false) {
    return `whether ${own} is ${better} than ${other} can't be told from noise: ${figures}`;
  }
  const saving = (b - a) / scale;
  // Twelve digits: 250.0000000001 inferences are 250.
  return { inferences: Math.ceil(Number((cost / saving).toPrecision(12))), cost, savingPerInference: saving };
}
