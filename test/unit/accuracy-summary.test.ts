import { describe, expect, test } from 'vitest';
import type { Results } from '../../lib/characterize/results.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import { shareOf, wilson } from '../../lib/statistics.js';
import { syntheticResults } from './results-support.js';
import { answersOf, latencies, MODEL, one, variantOf } from './summary-support.js';

describe('accuracy', () => {
  /** 20 pictures of two classes. FP32 gets the first 18; INT8 loses 0 and 1 and wins 19; three answers are no number. */
  function small(): Results {
    const results = one({ repeats: 1, pictures: 20, classes: 2 });
    const truth = Array.from({ length: 20 }, (_, index) => (index < 10 ? 0 : 1));
    const fp32 = truth.map((answer, index) => (index < 18 ? answer : index === 18 ? -1 : 1 - answer));
    const int8 = fp32.map((answer, index) => (index === 0 ? 1 : index === 1 ? -1 : index === 19 ? 1 : answer));
    for (const [ending, predicted] of [
      ['cpu-fp32', fp32],
      ['int8-entropy-128', int8],
    ] as const) {
      const right = predicted.filter((answer, index) => answer === truth[index]).length;
      const top1 = { ...shareOf(right, 20), interval: [...wilson(right, 20)] };
      Object.assign(answersOf(results, ending), { truth, predicted, top1 });
    }
    return results;
  }

  test('the drop is paired by picture', () => {
    const { accuracy } = variantOf(summarize(small()), 'int8-entropy-128');
    expect(accuracy?.top1.correct).toBe(17);
    expect(accuracy?.drop?.value).toBeCloseTo(1 / 20, 12);
    expect(accuracy?.drop?.beyondNoise).toBe(false);
    expect(accuracy?.drop?.interval[0]).toBeLessThan(0);
    // All but pictures 0, 1 and 19; and 18, since an answer that is no number agrees with nothing.
    expect(accuracy?.agreement).toEqual(shareOf(16, 20));
  });

  test('classes are listed worst first', () => {
    const { accuracy } = variantOf(summarize(small()), 'int8-entropy-128');
    expect(accuracy?.perClass).toEqual([
      { index: 0, label: 'class 0', total: 10, before: 10, now: 8 },
      { index: 1, label: 'class 1', total: 10, before: 8, now: 9 },
    ]);
  });

  test('is not compared where other pictures were asked', () => {
    const results = small();
    answersOf(results, 'cpu-fp32').dataset = 'another';
    const { accuracy } = variantOf(summarize(results), 'int8-entropy-128');
    expect(accuracy?.top1.correct).toBe(17);
    expect(accuracy).not.toHaveProperty('drop');
    expect(accuracy).not.toHaveProperty('agreement');
  });

  test('the FP32 engine has nothing to be compared with', () => {
    expect(variantOf(summarize(small()), 'cpu-fp32').accuracy).not.toHaveProperty('drop');
  });

  test('of random weights is absent, and said so', () => {
    const summary = summarize(one({ seeded: true }));
    expect(summary.variants.every(({ accuracy }) => accuracy === undefined)).toBe(true);
    expect(summary.warnings.join()).toContain('random weights');
    expect(summary.recommendation.best?.variant.precision).toBe('int8');
    expect(summary.recommendation.why.join()).toContain('accuracy is not known');
  });
});

describe('Pareto', () => {
  const best = (results: Results): string[] =>
    summarize(results).variants.flatMap((each) => (each.paretoBest ? [each.variant.id] : []));

  test('a variant that another beats in everything is not best', () => {
    const results = one({ int8Loss: 0, latencies: { fp32: 1, fp16: 1.5, int8: 0.4 } });
    Object.assign(answersOf(results, 'fp16'), structuredClone(answersOf(results, 'cpu-fp32')));
    Object.assign(answersOf(results, 'int8-entropy-128'), structuredClone(answersOf(results, 'cpu-fp32')));
    expect(best(results)).toEqual([`${MODEL}/cpu-int8-entropy-128`]);
    // One picture more keeps FP32 in.
    const { top1 } = answersOf(results, 'cpu-fp32');
    Object.assign(top1, shareOf(top1.correct + 1, top1.total), { interval: [0, 1] });
    expect(best(results)).toEqual([`${MODEL}/cpu-fp32`, `${MODEL}/cpu-int8-entropy-128`]);
  });

  test('networks of unknown accuracy are only weighed against themselves', () => {
    const results = syntheticResults({ models: ['mobilenet_v3_small', MODEL], seeded: true });
    expect(best(results)).toEqual(['mobilenet_v3_small/cpu-int8-entropy-128', `${MODEL}/cpu-int8-entropy-128`]);
  });

  test('energy counts where all have it', () => {
    const results = one({ energy: 'board', int8Loss: 0, latencies: { fp32: 1, fp16: 1.5, int8: 0.4 } });
    for (const ending of ['fp16', 'int8-entropy-128']) {
      Object.assign(answersOf(results, ending), structuredClone(answersOf(results, 'cpu-fp32')));
    }
    for (const trial of latencies(results, 'cpu-fp32')) {
      if (trial.latency) trial.latency.energyPerSample = [{ scope: 'board', joules: 1e-6, aboveIdle: 1e-6 }];
    }
    expect(best(results)).toEqual([`${MODEL}/cpu-fp32`, `${MODEL}/cpu-int8-entropy-128`]);
    for (const trial of latencies(results, 'fp16')) delete trial.latency?.energyPerSample;
    expect(best(results)).toEqual([`${MODEL}/cpu-int8-entropy-128`]);
  });
});
