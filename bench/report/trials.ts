import type { LatencyCase, Variant } from '../parts/latency.js';
import { median } from '../workers/measure.js';

/** The trials of a column, milliseconds each. */
export const times = ({ trials }: LatencyCase, variant: Variant): number[] =>
  (trials[variant] ?? []).map(({ medianMs }) => medianMs);

/** Median over the trials, milliseconds; infinite where there are none. */
export function latency(entry: LatencyCase, variant: Variant): number {
  const all = times(entry, variant);
  return all.length > 0 ? median(all) : Number.POSITIVE_INFINITY;
}
