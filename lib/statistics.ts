/** 97.5 % of a normal distribution lie below it: the two-sided 95 %. */
const Z95 = 1.959963984540054;

/**
 * The 95 % score interval of a share (Wilson 1927): honest near 0 and 1, where the textbook interval p ± z·√(p(1−p)/n)
 * is not. Nothing tried leaves everything open: [0, 1].
 */
export function wilson(successes: number, trials: number): readonly [number, number] {
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
  readonly interval: readonly [number, number];
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
