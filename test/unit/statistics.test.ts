import { describe, expect, test } from 'vitest';
import {
  type Interval,
  mean,
  median,
  medianInterval,
  pairedInterval,
  rankCorrelation,
  ratioInterval,
  shareOf,
  standardDeviation,
  thin,
  wilson,
} from '../../lib/statistics.js';
import { random } from './results-parts.js';

/** How often a 95 % interval holds the truth, over simulated experiments. */
function coverage(experiments: number, truth: number, once: () => Interval | undefined): number {
  let held = 0;
  for (let i = 0; i < experiments; i += 1) {
    const interval = once();
    if (interval && interval[0] <= truth && truth <= interval[1]) held += 1;
  }
  return held / experiments;
}

const expectInterval = (found: Interval | undefined, low: number, high: number, digits = 6): void => {
  expect(found?.[0]).toBeCloseTo(low, digits);
  expect(found?.[1]).toBeCloseTo(high, digits);
};

describe('Wilson’s interval', () => {
  // Newcombe 1998, Statistics in Medicine 17, table I, method 3; to seven places by scipy's proportion_ci.
  test.each([
    [0, 20, 0.0, 0.1611252],
    [1, 29, 0.0061132, 0.1717552],
    [15, 148, 0.0623864, 0.1604872],
    [81, 263, 0.2552885, 0.3662096],
    [5, 10, 0.2365931, 0.7634069],
    [10, 10, 0.7224672, 1.0],
  ])('%i of %i', (successes, trials, low, high) => {
    const interval = wilson(successes, trials);
    expect(interval[0]).toBeCloseTo(low, 7);
    expect(interval[1]).toBeCloseTo(high, 7);
  });

  test('stays between 0 and 1, and says nothing of nothing', () => {
    for (const trials of [1, 3, 1000, 50_000]) {
      expect(wilson(0, trials)[0]).toBe(0);
      expect(wilson(trials, trials)[1]).toBe(1);
    }
    expect(wilson(0, 0)).toEqual([0, 1]);
    expect(shareOf(0, 0)).toEqual({ correct: 0, total: 0, share: 0, interval: [0, 1] });
    expect(shareOf(3, 4).share).toBe(0.75);
  });
});

test('median, mean and standard deviation', () => {
  expect(median([9, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(mean([1, 2, 6])).toBe(3);
  expect(standardDeviation([2, 4, 4, 4, 5, 5, 7, 9])).toBeCloseTo(2.13809, 5);
  expect(standardDeviation([3])).toBeNaN();
});

describe('the interval of a median', () => {
  // By scipy: exp(t.interval(0.95, n - 1, mean(log x), sem(log x))).
  test.each([
    [[1, 2, 3], 0.45712176, 7.22329923],
    [[4.1, 4.4, 4.2, 4.9, 4.3], 4.01248614, 4.76262731],
  ])('of few values is Student’s t of the logarithms: %j', (values, low, high) => {
    expectInterval(medianInterval(values), low, high);
  });

  test('of values that may be negative is Student’s t of themselves', () => {
    expectInterval(medianInterval([-1, 0.5, 2]), -3.226206567, 4.226206567);
    expect(medianInterval([0, 0, 0])).toEqual([0, 0]);
  });

  // Ranks by the binomial distribution: 2·P(X < k) ≤ 5 %; tables of the sign test have the same.
  test.each([
    [6, 1, 6],
    [8, 1, 8],
    [9, 2, 8],
    [12, 3, 10],
    [20, 6, 15],
  ])('of %i values lies between those of rank %i and %i', (count, low, high) => {
    const values = Array.from({ length: count }, (_, index) => 10 * (count - index));
    expect(medianInterval(values)).toEqual([10 * low, 10 * high]);
  });

  test('needs three values, and holds the median even where they are skewed', () => {
    expect(medianInterval([])).toBeUndefined();
    expect(medianInterval([1, 2])).toBeUndefined();
    expect(medianInterval([5, 5, 5])).toEqual([5, 5]);
    const skewed = [1, 1, 1, 1, 1e6];
    expect(medianInterval(skewed)?.[0]).toBeLessThanOrEqual(1);
  });

  test.each([3, 4, 5, 6, 7])('holds the truth as often as it says, with %i repeats', (repeats) => {
    const { normal } = random(repeats);
    const once = () => medianInterval(Array.from({ length: repeats }, () => 7 * Math.exp(0.05 * normal())));
    const share = coverage(4000, 7, once);
    expect(share).toBeGreaterThan(0.94);
    expect(share).toBeLessThan(repeats < 6 ? 0.97 : 0.99);
  });

  test('from six repeats on holds it whatever the distribution', () => {
    const { uniform } = random(5);
    // Exponential, far from log-normal: its median is ln 2.
    const once = () => medianInterval(Array.from({ length: 7 }, () => -Math.log(1 - uniform())));
    expect(coverage(4000, Math.LN2, once)).toBeGreaterThan(0.94);
  });
});

describe('the interval of a ratio', () => {
  test('is Welch’s, of the logarithms', () => {
    // By scipy: exp(ttest_ind(log a, log b, equal_var=False).confidence_interval()).
    expectInterval(ratioInterval([1, 1.1, 1.2], [2, 2.1, 2.5, 2.2]), 0.41458827, 0.60389249);
  });

  test('needs three values of either, more than 0', () => {
    expect(ratioInterval([1, 2], [1, 2, 3])).toBeUndefined();
    expect(ratioInterval([1, 2, 0], [1, 2, 3])).toBeUndefined();
    expectInterval(ratioInterval([1, 1, 1], [2, 2, 2]), 0.5, 0.5, 12);
  });

  test('holds the truth in 95 % of the experiments, though spreads differ', () => {
    const { normal } = random(11);
    const values = (count: number, centre: number, spread: number): number[] =>
      Array.from({ length: count }, () => centre * Math.exp(spread * normal()));
    const share = coverage(4000, 2, () => ratioInterval(values(3, 6, 0.02), values(5, 3, 0.1)));
    expect(share).toBeGreaterThan(0.935);
    expect(share).toBeLessThan(0.98);
  });
});

describe('Tango’s interval of paired shares', () => {
  test.each([
    // Fagerland, Lydersen and Laake (Statistics in Medicine 33, 2014), airway hyper-responsiveness: -0.517 to -0.026.
    [1, 7, 21, -0.51723, -0.026],
    // Inverting the score test, its likelihood maximised numerically by scipy.
    [40, 20, 160, 0.0308645, 0.2180642],
    [5, 0, 10_000, 0.0001158, 0.001170026],
    // Nothing differs: ±z²/(n + z²).
    [0, 0, 54, -0.0664136, 0.0664136],
  ])('%i only before, %i only now, of %i', (before, now, total, low, high) => {
    expectInterval(pairedInterval(before, now, total), low, high, 5);
    expectInterval(pairedInterval(now, before, total), -high, -low, 5);
  });

  test('ends at -1 and 1, and says nothing of nothing', () => {
    expect(pairedInterval(54, 0, 54)[1]).toBe(1);
    expect(pairedInterval(0, 54, 54)[0]).toBe(-1);
    expect(pairedInterval(0, 0, 0)).toEqual([-1, 1]);
  });

  test('leaves out 0 exactly where McNemar’s test rejects', () => {
    for (const total of [30, 200, 5000]) {
      for (let before = 0; before <= 15; before += 1) {
        for (let now = 0; now <= 15; now += 1) {
          const [low, high] = pairedInterval(before, now, total);
          const rejects = (before - now) ** 2 > 1.959963984540054 ** 2 * (before + now);
          expect(low > 0 || high < 0, `${before} and ${now} of ${total}`).toBe(rejects);
        }
      }
    }
  });

  test('holds the truth in 95 % of the experiments', () => {
    const { uniform } = random(3);
    const share = coverage(1500, 0.02, () => {
      let [before, now] = [0, 0];
      for (let picture = 0; picture < 300; picture += 1) {
        const fate = uniform();
        if (fate < 0.05) before += 1;
        else if (fate < 0.08) now += 1;
      }
      return pairedInterval(before, now, 300);
    });
    expect(share).toBeGreaterThan(0.93);
    expect(share).toBeLessThan(0.98);
  });
});

test('Spearman’s rank correlation', () => {
  const pairs = (x: readonly number[], y: readonly number[]) => x.map((value, i) => [value, y[i] as number] as const);
  expect(rankCorrelation(pairs([1, 20, 300], [2, 4, 5]))).toBeCloseTo(1, 12);
  expect(rankCorrelation(pairs([1, 20, 300], [9, 4, 1]))).toBeCloseTo(-1, 12);
  // With ties, by scipy.
  expect(rankCorrelation(pairs([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 7, 7]))).toBeCloseTo(0.8696565534786727, 12);
  expect(rankCorrelation(pairs([1, 2, 3], [5, 5, 5]))).toBeUndefined();
});

test('thinning keeps the order and spreads evenly', () => {
  expect(thin([1, 2, 3], 3)).toEqual([1, 2, 3]);
  expect(thin([0, 1, 2, 3, 4, 5, 6, 7], 4)).toEqual([0, 2, 4, 6]);
  expect(thin([], 4)).toEqual([]);
});
