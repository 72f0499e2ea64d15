import type { Results } from '../results.js';
import type { Limits, Summary, VariantSummary } from '../summary.js';
import { accuracyOf } from './accuracy-summary.js';
import { breakEvenOf } from './break-even.js';
import { choose } from './choose.js';
import { claimsOf } from './claims.js';
import { type EnergyMeter, meterOf } from './energy.js';
import { backendsOf, labelOf } from './label.js';
import { baselineOf, exactOf, type Measured, measuredOf, trialsOf } from './measured.js';
import { overheadOf, sizeOf } from './overhead.js';
import { paretoBest } from './pareto.js';
import { saturationsOf, speedsOf } from './speed.js';
import { warningsOf } from './warnings.js';

/**
 * Everything that follows from results: estimates with their 95 % intervals, ratios, break-even, what is worth deploying, the
 * study's claims, and what to keep in mind. The same results always give the same summary.
 */
export function summarize(results: Results): Summary {
  const measured = measuredOf(results);
  const meter = meterOf(results, measured);
  const several = backendsOf(results).length > 1;
  const summaries = measured.map((each) => variantOf(each, measured, meter, results, several));
  const best = paretoBest(summaries);
  const variants = inOrder(results, summaries).map((each) => ({ ...each, paretoBest: best.has(each) }));
  return {
    results,
    variants,
    claims: claimsOf(results, variants, measured),
    recommendation: choose(variants, defaultLimits(variants)),
    warnings: warningsOf(results, variants, measured),
  };
}

/** A point of accuracy may be lost, where it is known what is. */
const defaultLimits = (variants: readonly VariantSummary[]): Limits =>
  variants.some(({ accuracy }) => accuracy?.drop && !accuracy.seeded) ? { accuracyDrop: 1 } : {};

/** By model, baselines first. */
function inOrder<T extends Pick<VariantSummary, 'variant'>>({ models }: Results, variants: readonly T[]): T[] {
  const place = ({ variant }: T): number => models.findIndex(({ id }) => id === variant.model);
  const own = ({ variant }: T): number => (variant.framework === 'presisi' ? 1 : 0);
  return [...variants].sort((a, b) => place(a) - place(b) || own(a) - own(b));
}

function variantOf(
  measured: Measured,
  all: readonly Measured[],
  meter: EnergyMeter | undefined,
  results: Results,
  severalBackends: boolean,
): Omit<VariantSummary, 'paretoBest'> {
  const { variant, compress, failures } = measured;
  const own = variant.framework === 'presisi';
  const baseline = own ? baselineOf(variant, all) : undefined;
  const exact = exactOf(variant, all);
  const other = exact === measured ? undefined : exact;
  const seeded = results.models.find(({ id }) => id === variant.model)?.seeded ?? false;
  const size = sizeOf(compress, other?.compress ?? []);
  const overhead = overheadOf(compress, meter);
  const accuracy = accuracyOf(measured, other, seeded);
  const speeds = speedsOf(measured, baseline, other, meter);
  const breakEven = breakEvenOf(measured, baseline, other, meter, results);
  const verdict = compress.find((trial) => trial.compress.verdict !== undefined)?.compress.verdict;
  const layers = compress.find((trial) => trial.compress.layers !== undefined)?.compress.layers;
  return {
    variant,
    label: labelOf(variant, severalBackends),
    ...(size && { size }),
    ...(overhead && { overhead }),
    ...(accuracy && { accuracy }),
    speeds,
    saturations: saturationsOf(speeds),
    ...(breakEven && { breakEven }),
    ...(verdict !== undefined && { verdict }),
    ...(layers && { layers }),
    flags: trialsOf(measured).flatMap(({ flags }) => flags),
    failures,
  };
}
