import { median } from '../../statistics.js';
import type { Results } from '../results.js';
import { type Compressed, idleOf, type Measured, type Timed } from './measured.js';

/** What energies are told by, one choice for all variants, so that they can be compared. */
export interface EnergyMeter {
  /** `board`, `package`, `gpu`, or `package + gpu`. */
  readonly scope: string;
  readonly parts: readonly string[];
  /** What the device draws doing nothing; absent where that wasn't watched. */
  readonly idleWatts?: number;
}

/** From what covers most to what covers least. A board has processor and GPU in it; those two are apart from each other. */
const CHOICES = [['board'], ['package', 'gpu'], ['package'], ['gpu']];

/** The scope that covers most among those that were read while inferring; undefined where no energy was. */
export function meterOf(results: Results, measured: readonly Measured[]): EnergyMeter | undefined {
  const timed = measured.flatMap(({ latency }) => latency.flat());
  const parts = CHOICES.find((choice) => timed.some((trial) => perSample(trial, choice, 'joules') !== undefined));
  if (parts === undefined) return undefined;
  const watts = idleOf(results).flatMap(
    ({ resources }) =>
      sum(parts.map((part) => resources?.energy?.find(({ scope }) => scope === part)?.meanWatts)) ?? [],
  );
  return { scope: parts.join(' + '), parts, ...(watts.length > 0 && { idleWatts: median(watts) }) };
}

/** Undefined where one is. */
const sum = (values: readonly (number | undefined)[]): number | undefined =>
  values.reduce<number | undefined>(
    (total, value) => (total === undefined || value === undefined ? undefined : total + value),
    0,
  );

const perSample = ({ latency }: Timed, parts: readonly string[], what: 'joules' | 'aboveIdle'): number | undefined =>
  sum(parts.map((part) => latency.energyPerSample?.find(({ scope }) => scope === part)?.[what]));

/** By trial: everything the device drew, and what of it was above idle, where that is known of every trial. */
export interface Energies {
  readonly total: readonly number[];
  readonly aboveIdle?: readonly number[];
}

/** Joules of one sample; undefined where none could be read. */
export function sampleEnergy(trials: readonly Timed[], meter: EnergyMeter | undefined): Energies | undefined {
  if (meter === undefined) return undefined;
  const known = (what: 'joules' | 'aboveIdle'): number[] =>
    trials.map((trial) => perSample(trial, meter.parts, what)).filter((value) => value !== undefined);
  const [total, aboveIdle] = [known('joules'), known('aboveIdle')];
  if (total.length === 0) return undefined;
  return { total, ...(aboveIdle.length === total.length && { aboveIdle }) };
}

/** Joules of compressing once; undefined where a phase was not metered. */
export function compressionEnergy(
  trials: readonly Compressed[],
  meter: EnergyMeter | undefined,
  phases: readonly string[] = ['phase 1', 'phase 2'],
): Energies | undefined {
  if (meter === undefined) return undefined;
  const rows = trials.flatMap(({ compress }) => {
    const roots = phases.flatMap((phase) => compress.resources[phase] ?? []);
    const energies = roots.flatMap(({ energy = [] }) => energy).filter(({ scope }) => meter.parts.includes(scope));
    // A phase that was not metered would make the sum too small.
    if (roots.length === 0 || energies.length !== roots.length * meter.parts.length) return [];
    const total = energies.reduce((joules, energy) => joules + energy.joules, 0);
    const seconds = roots.reduce((all, root) => all + root.seconds, 0);
    return [{ total, seconds }];
  });
  if (rows.length === 0) return undefined;
  const { idleWatts } = meter;
  return {
    total: rows.map(({ total }) => total),
    ...(idleWatts !== undefined && { aboveIdle: rows.map(({ total, seconds }) => total - idleWatts * seconds) }),
  };
}

/** Why none of some sources told it: what each says. */
function silence({ sources }: Pick<Results, 'sources'>, names: readonly string[], what: string): string {
  const reasons = sources
    .filter(({ name, available }) => !available && names.includes(name))
    .map(({ name, reason }) => `${name}: ${reason ?? 'not available'}`);
  return reasons.length === 0 ? `no ${what} could be read` : `no ${what} could be read: ${reasons.join('; ')}`;
}

export const noEnergy = (results: Pick<Results, 'sources'>): string =>
  silence(results, ['rapl', 'hwmon-power', 'ina3221', 'tegrastats', 'nvml'], 'energy');

export const noGpu = (results: Pick<Results, 'sources'>): string =>
  silence(results, ['jetson-gpu', 'tegrastats', 'nvml'], 'GPU load');
