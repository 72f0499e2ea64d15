/// <reference path="./jstat.d.ts" />
import jstat from 'jstat';

/** 97.5 % of a normal distribution lie below it: the two-sided 95 %. */
const Z95 = 1.959963984540054;

export type Interval = readonly [low: number, high: number];

/**
 * The 95 % score interval of a share (Wilson 1927): honest near 0 and 1, where the textbook interval p ± z·√(p(1−p)/n)
 * is not. Nothing tried leaves everything open: [0, 1].
 */
export function wilson(successes: number, trials: number): Interval {
  if (trials === 0) return [0, 1];
  const share = successes / trials;
  const z2 = Z95 * Z95;
  const denominator = 1 + z2 / trials;
  const centre = (share + z2 / (2 * trials)) / denominator;
  const half = (Z95 / denominator) * Math.sqrt((share * (1 - share)) / trials + z2 / (4 * trials * trials));
  // At 0 and 1 the interval ends there exactly; rounding must not carry it a hair beyond.
  return [successes === 0 ? 0 : centre - half, successes === trials ? 1 : centre + half];
}

/** A share of something, counted, with the 95 % interval of {@link wilson}. */
export interface Share {
  readonly correct: number;
  readonly total: number;
  /** `correct / total`; 0 where there is nothing to share. */
  readonly share: number;
  readonly interval: Interval;
}

export const shareOf = (correct: number, total: number): Share => ({
  correct,
  total,
  share: total === 0 ? 0 : correct / total,
  interval: wilson(correct, total),
});

/** The `q` quantile (0 to 1) of sorted numbers, by linear interpolation; NaN of none. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)] ?? Number.NaN;
  const high = sorted[Math.ceil(at)] ?? Number.NaN;
  return low + (high - low) * (at - Math.floor(at));
}

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

/** NaN of none. */
export const median = (values: readonly number[]): number => quantile(ascending(values), 0.5);

/** NaN of none. */
export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Unbiased variance (n − 1); NaN of fewer than two. */
function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

/** Of the sample (n − 1); NaN of fewer than two. */
export const standardDeviation = (values: readonly number[]): number => Math.sqrt(variance(values));

/** Two-sided 95 % point of Student's t. */
const student = (freedom: number): number => jstat.studentt.inv(0.975, freedom);

/** With fewer repeats no interval is given: two say next to nothing about how much a third would differ. */
export const LEAST_FOR_INTERVAL = 3;

/**
 * The 95 % interval of the median of a few repeats; undefined of fewer than three.
 *
 * From six repeats on, by order statistics: the k-th smallest and the k-th largest enclose the median with probability
 * 1 − 2·P(Binomial(n, ½) < k), whatever the distribution (Conover, Practical Nonparametric Statistics, 3.2). Fewer can't
 * do that (five: at most 93.75 %), so there a distribution must be assumed: times, sizes and energies vary by factors
 * rather than by amounts, so it is Student's t of the logarithms, whose centre is the median where they are symmetric.
 * Where a value is 0 or less, which differences can be, the values stand in for their logarithms.
 */
export function medianInterval(values: readonly number[]): Interval | undefined {
  const count = values.length;
  if (count < LEAST_FOR_INTERVAL) return undefined;
  const sorted = ascending(values);
  let rank = 0;
  while (2 * jstat.binomial.cdf(rank, count, 0.5) <= 0.05) rank += 1;
  if (rank > 0) return [sorted[rank - 1] as number, sorted[count - rank] as number];
  const logarithmic = (sorted[0] as number) > 0;
  const scaled = logarithmic ? values.map(Math.log) : values;
  const centre = mean(scaled);
  const half = student(count - 1) * Math.sqrt(variance(scaled) / count);
  const ends: Interval = [centre - half, centre + half];
  return including(logarithmic ? [Math.exp(ends[0]), Math.exp(ends[1])] : ends, median(values));
}

/** What is reported lies in its own interval, also where values are skewed, or rounding says otherwise. */
const including = ([low, high]: Interval, value: number): Interval => [Math.min(low, value), Math.max(high, value)];

/**
 * The 95 % interval of the ratio of two quantities measured a few times each, all more than 0: Welch's t interval
 * (Welch 1947; degrees of freedom by Satterthwaite 1946) of the difference of the logarithms, which supposes no equal
 * spread. Undefined where one was measured fewer than three times. It includes the ratio of the medians.
 */
export function ratioInterval(above: readonly number[], below: readonly number[]): Interval | undefined {
  if (Math.min(above.length, below.length) < LEAST_FOR_INTERVAL) return undefined;
  if ([...above, ...below].some((value) => !(value > 0))) return undefined;
  const [a, b] = [above.map(Math.log), below.map(Math.log)];
  const [errorA, errorB] = [variance(a) / a.length, variance(b) / b.length];
  const error = errorA + errorB;
  const freedom = error ** 2 / (errorA ** 2 / (a.length - 1) + errorB ** 2 / (b.length - 1));
  // No spread at all: as many degrees of freedom as one likes.
  const half = error > 0 ? student(freedom) * Math.sqrt(error) : 0;
  const centre = mean(a) - mean(b);
  return including([Math.exp(centre - half), Math.exp(centre + half)], median(above) / median(below));
}

/**
 * The 95 % interval of the difference of two shares of the same `total` things, `p₁ − p₂`: `onlyFirst` of them succeed
 * only in the first, `onlySecond` only in the second. Tango's score interval (Statistics in Medicine 17, 1998, 891–908):
 * it leaves out 0 exactly where McNemar's test (without continuity correction) rejects at 5 %, so that the interval and
 * the verdict can't contradict each other, and stays honest where hardly anything differs.
 */
export function pairedInterval(onlyFirst: number, onlySecond: number, total: number): Interval {
  if (total === 0) return [-1, 1];
  const difference = (onlyFirst - onlySecond) / total;
  /** The score statistic of "the difference is `delta`"; falls as `delta` grows. */
  const score = (delta: number): number => {
    // The likeliest share of `onlySecond` under that difference solves a·q² + b·q + c = 0.
    const a = 2 * total;
    const b = (2 * total - onlyFirst + onlySecond) * delta - onlyFirst - onlySecond;
    const c = -onlySecond * delta * (1 - delta);
    const share = (Math.sqrt(Math.max(0, b * b - 4 * a * c)) - b) / (2 * a);
    const spread = total * (2 * share + delta * (1 - delta));
    const distance = total * (difference - delta);
    return spread > 0 ? distance / Math.sqrt(spread) : Math.sign(distance) * Number.POSITIVE_INFINITY;
  };
  const solve = (outside: number, target: number): number => {
    let [far, near] = [outside, difference];
    for (let step = 0; step < 60; step += 1) {
      const middle = (far + near) / 2;
      if (Math.abs(score(middle)) > target) far = middle;
      else near = middle;
    }
    return near;
  };
  return [difference <= -1 ? -1 : solve(-1, Z95), difference >= 1 ? 1 : solve(1, Z95)];
}

/** Spearman's rank correlation, equal values sharing their ranks; undefined where one side doesn't vary. */
export function rankCorrelation(pairs: readonly (readonly [number, number])[]): number | undefined {
  const [x, y] = [ranks(pairs.map(([first]) => first)), ranks(pairs.map(([, second]) => second))];
  const [centreX, centreY] = [mean(x), mean(y)];
  const product = (u: readonly number[], cu: number, v: readonly number[], cv: number): number =>
    u.reduce((sum, value, index) => sum + (value - cu) * ((v[index] as number) - cv), 0);
  const spread = product(x, centreX, x, centreX) * product(y, centreY, y, centreY);
  return spread > 0 ? product(x, centreX, y, centreY) / Math.sqrt(spread) : undefined;
}

function ranks(values: readonly number[]): number[] {
  const sorted = ascending(values);
  return values.map((value) => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 + 1);
}

/** At most `most` of the values, evenly spread, the order kept. */
export function thin<T>(values: readonly T[], most: number): readonly T[] {
  if (values.length <= most) return values;
  return Array.from({ length: most }, (_, index) => values[Math.floor((index * values.length) / most)] as T);
}
