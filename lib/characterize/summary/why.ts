import { bytes, percent } from '../../units.js';
import type { VariantSummary } from '../summary.js';
import { knownTop1 } from './accuracy-summary.js';
import type { Criterion } from './choose.js';
import { frameworkName } from './label.js';
import { baselineOf } from './measured.js';
import { speedAtOne } from './speed.js';

/** `densenet169, INT8, entropy of 128` */
export const nameOf = ({ variant, label }: VariantSummary): string => `${variant.model}, ${label}`;

const latency = ({ speeds }: VariantSummary): number => speedAtOne(speeds)?.p50.value ?? Number.NaN;
const milliseconds = (value: number): string => `${value.toPrecision(3)} ms`;

/** Why the first of the candidates and not another, in sentences with figures. */
export function whyOf(
  best: VariantSummary,
  candidates: readonly VariantSummary[],
  keeping: readonly VariantSummary[],
  variants: readonly VariantSummary[],
  asked: readonly { readonly criterion: Criterion; readonly limit: number }[],
): string[] {
  return [
    placeOf(best, candidates, keeping),
    ...asked.flatMap(({ criterion, limit }) => keepsOf(best, criterion, limit)),
    ...accuracyOf(best, candidates),
    ...gainOf(best, variants),
  ];
}

function placeOf(
  best: VariantSummary,
  candidates: readonly VariantSummary[],
  keeping: readonly VariantSummary[],
): string {
  const size = best.size ? `, ${bytes(best.size.engine)}` : '';
  const fastest = Math.min(...candidates.map(latency));
  const among = keeping.length === 1 ? 'the only variant that keeps the limits' : undefined;
  const rank =
    latency(best) === fastest
      ? `the fastest of the ${keeping.length} variants that keep the limits`
      : `as fast as the fastest of the ${keeping.length} variants that keep the limits, within 2 %, and ${betterBy(best)}`;
  return `${nameOf(best)} is ${among ?? rank}: ${milliseconds(latency(best))} at batch 1${size}.`;
}

const betterBy = (best: VariantSummary): string =>
  knownTop1(best) === undefined
    ? 'it takes less energy or is smaller'
    : 'the most accurate, most economical or smallest of these';

/** Where the limit lies within the interval, the reader must know. */
function keepsOf(best: VariantSummary, criterion: Criterion, limit: number): string[] {
  const value = criterion.of(best);
  const worst = criterion.worst(best);
  if (value === undefined) return [];
  const bound = `the limit is ${criterion.show(limit)}`;
  const beyond = worst !== undefined && (criterion.least ? worst < limit : worst > limit);
  const doubt = beyond ? `; its 95 % interval reaches ${criterion.show(worst)}, beyond it` : '';
  return [`Its ${criterion.what} is ${criterion.show(value)}, ${bound}${doubt}.`];
}

function accuracyOf(best: VariantSummary, candidates: readonly VariantSummary[]): string[] {
  const own = knownTop1(best);
  if (own === undefined) {
    const several = new Set(candidates.map(({ variant }) => variant.model)).size > 1;
    const across = several ? ', and networks of different size were compared by it: name the model' : '';
    return [`Its accuracy is not known, so speed and size alone decided${across}.`];
  }
  const [finest] = [...candidates].sort((a, b) => (knownTop1(b) ?? 0) - (knownTop1(a) ?? 0));
  const top1 = finest && knownTop1(finest);
  if (finest === undefined || top1 === undefined || top1 <= own) return [];
  return [
    `More accurate within the limits: ${nameOf(finest)}, ${percent(top1)} in place of ${percent(own)}, at ${milliseconds(latency(finest))}.`,
  ];
}

/** What it gains over the framework; where it gains nothing, that is said, too. */
function gainOf(best: VariantSummary, variants: readonly VariantSummary[]): string[] {
  const baseline = baselineOf(best.variant, variants);
  const ratio = speedAtOne(best.speeds)?.againstBaseline;
  if (baseline === undefined || ratio === undefined) return [];
  const framework = frameworkName(baseline.variant.framework);
  if (ratio.beyondNoise === false) return [`Its latency can't be told from ${framework}'s by more than noise.`];
  if (ratio.value >= 1) {
    const how =
      ratio.value === 1 ? `no faster than ${framework}` : `slower than ${framework}, by ${percent(ratio.value - 1)}`;
    return [`It is ${how}: compressing gains no time here.`];
  }
  return [`Its latency is ${percent(1 - ratio.value)} lower than ${framework}'s.`];
}
