import { LEAST_FOR_INTERVAL } from '../../statistics.js';
import { counted, percent } from '../../units.js';
import type { Results, Trial } from '../results.js';
import type { VariantSummary } from '../summary.js';
import { idleOf, type Measured, trialsOf } from './measured.js';

/** A smaller share of samples lost moves no mean. */
const MOST_LOST = 0.01;
/** What the sampler may take of a core. */
const MOST_SAMPLING = 0.005;

/** What a reader must know before believing anything, what weighs most first. */
export function warningsOf(
  results: Results,
  variants: readonly VariantSummary[],
  measured: readonly Measured[],
): string[] {
  const trials = measured.flatMap(trialsOf);
  return [
    ...incomplete(results, variants),
    ...randomWeights(results),
    ...disturbed(trials),
    ...fewRepeats(measured),
    ...unknownClocks(results, trials),
    ...unmatched(variants),
    ...sampling(trials),
    ...energies(results, trials, variants),
  ];
}

function incomplete({ partial, planned }: Results, variants: readonly VariantSummary[]): string[] {
  const failures = variants.flatMap((summary) => summary.failures.map((why) => `${summary.variant.id}: ${why}`));
  const [first] = failures;
  const rest = failures.length > 1 ? `, and ${failures.length - 1} more` : '';
  return [
    ...(partial ? [`Not all of the ${planned} trials were carried out: what is missing is left out.`] : []),
    ...(first === undefined ? [] : [`${counted(failures.length, 'trial')} failed: ${first}${rest}.`]),
  ];
}

function randomWeights({ models }: Results): string[] {
  const seeded = models.filter((model) => model.seeded).map(({ id }) => id);
  if (seeded.length === 0) return [];
  const which = seeded.length === models.length ? 'The networks have' : `${seeded.join(', ')}:`;
  return [`${which} random weights: sizes, times and energies are real, accuracy would mean nothing.`];
}

function disturbed(trials: readonly Trial[]): string[] {
  const flagged = trials.filter(({ flags }) => flags.length > 0);
  if (flagged.length === 0) return [];
  const kinds = new Map<string, number>();
  for (const { flags } of flagged) {
    for (const kind of new Set(flags.map((flag) => flag.kind))) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const list = [...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ');
  const undisturbed = 'there was no undisturbed attempt';
  return [
    `${flagged.length} of ${counted(trials.length, 'trial')} were disturbed and count nevertheless, ${undisturbed}: ${list}.`,
  ];
}

function fewRepeats(measured: readonly Measured[]): string[] {
  const groups = measured.flatMap(({ compress, latency }) => [compress, ...latency]).filter(({ length }) => length > 0);
  const few = groups.filter(({ length }) => length < LEAST_FOR_INTERVAL).length;
  if (few === 0) return [];
  const which = few === groups.length ? 'Nothing was' : `${few} of ${groups.length} measurements were not`;
  return [`${which} repeated ${LEAST_FOR_INTERVAL} times: there are no intervals, and differences may be noise.`];
}

function unknownClocks({ device }: Results, trials: readonly Trial[]): string[] {
  if (trials.length === 0) return [];
  const known = trials.filter(
    ({ conditions: { before } }) => (before.clocks ?? []).length > 0 || before.gpuClock !== undefined,
  );
  if (known.length === 0) return ['The clocks can not be read here: a trial that they changed in went unnoticed.'];
  if (device.powerMode === undefined)
    return ['Whether the clocks are fixed is not known: the power mode can not be read here.'];
  return [];
}

/** What a comparison was made with is missing. */
function unmatched(variants: readonly VariantSummary[]): string[] {
  const own = variants.filter(({ variant }) => variant.framework === 'presisi');
  if (own.length === 0) return [];
  const baselines = variants.filter(({ variant, speeds }) => variant.framework !== 'presisi' && speeds.length > 0);
  const exact = own.filter(({ variant }) => variant.precision === 'fp32');
  return [
    ...(baselines.length === 0 ? ['No framework ran the original models: nothing is compared with them.'] : []),
    ...(exact.length === 0 ? ['No FP32 engine was built: losses of accuracy are not known.'] : []),
  ];
}

function sampling(trials: readonly Trial[]): string[] {
  const samplers = trials.flatMap(({ sampler }) => sampler ?? []);
  const sum = (of: (sampler: (typeof samplers)[number]) => number): number =>
    samplers.reduce((total, sampler) => total + of(sampler), 0);
  const [taken, gone] = [sum(({ samples }) => samples), sum(({ lost, missed }) => lost + missed)];
  const [cpu, seconds] = [sum(({ cpuSeconds }) => cpuSeconds), sum((sampler) => sampler.seconds)];
  const share = gone / (taken + gone);
  return [
    ...(share > MOST_LOST ? [`${percent(share)} of the samples were lost: peaks may be higher than reported.`] : []),
    ...(cpu / seconds > MOST_SAMPLING
      ? [`Sampling took ${percent(cpu / seconds)} of a core, more than it should: lower its rate.`]
      : []),
  ];
}

function energies(results: Results, trials: readonly Trial[], variants: readonly VariantSummary[]): string[] {
  const read = variants.flatMap(({ speeds }) => speeds.flatMap(({ energy }) => energy ?? []));
  if (read.length === 0) return [];
  const estimated = trials.some(({ resources }) => resources?.energy?.some((energy) => energy.estimated));
  const idle = idleOf(results).length > 0 && read.every(({ aboveIdle }) => aboveIdle);
  return [
    ...(estimated ? ['Energy is what the device computes from a model, not what a sensor measured.'] : []),
    ...(idle ? [] : ['What the device draws idle is not known: energies include it.']),
  ];
}
