import { median, medianInterval, ratioInterval, standardDeviation } from '../../statistics.js';
import type { Estimate, Ratio } from '../summary.js';

const known = (values: readonly (number | undefined)[]): number[] =>
  values.filter((value): value is number => value !== undefined && Number.isFinite(value));

/**
 * What some trials measured, in one figure; undefined where none could. A trial, which is a process of its own, is the
 * unit: runs within one share the process's luck with memory and clocks, and counting them would feign precision.
 */
export function estimate(values: readonly (number | undefined)[]): Estimate | undefined {
  const measured = known(values);
  if (measured.length === 0) return undefined;
  const interval = medianInterval(measured);
  return { value: median(measured), ...(interval && { interval }), trials: measured.length };
}

/** The same of values of which there is at least one. */
export function estimateOf(values: readonly number[]): Estimate {
  const found = estimate(values);
  if (found === undefined) throw new RangeError('estimateOf() needs a finite value');
  return found;
}

/** What some trials measured over what others did, by their medians; undefined where it has no meaning. */
export function ratio(
  above: readonly (number | undefined)[],
  below: readonly (number | undefined)[],
): Ratio | undefined {
  const [a, b] = [known(above), known(below)];
  const value = median(a) / median(b);
  if (!(value > 0) || !Number.isFinite(value)) return undefined;
  const interval = ratioInterval(a, b);
  return { value, ...(interval && { interval, beyondNoise: interval[0] > 1 || interval[1] < 1 }) };
}

/** Standard deviation over median; undefined of fewer than two. */
export function variation(values: readonly number[]): number | undefined {
  const share = standardDeviation(values) / median(values);
  return Number.isFinite(share) ? share : undefined;
}
