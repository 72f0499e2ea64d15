import { describe, expect, test } from 'vitest';
import { shareOf, wilson } from '../../lib/statistics.js';

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
