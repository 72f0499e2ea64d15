import { describe, expect, test } from 'vitest';
import type { Results } from '../../lib/characterize/results.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import type { Claim } from '../../lib/characterize/summary.js';
import { type SyntheticOptions, syntheticResults } from './results-support.js';
import { answersOf, builds, latencies } from './summary-support.js';

const claimOf = (results: Results, id: string): Claim => {
  const found = summarize(results).claims.find((claim) => claim.id === id);
  if (!found) throw new Error(`no claim ${id}`);
  return found;
};
const claim = (id: string, options: SyntheticOptions = {}): Claim => claimOf(syntheticResults(options), id);

/** Every compress trial's engine and phases in round figures. */
function build(results: Results, ending: string, engineBytes: number, phase2: number): void {
  for (const trial of builds(results, ending)) {
    const spans = [
      { name: 'phase 1', start: 0, seconds: 1, spans: [] },
      { name: 'phase 2', start: 1, seconds: phase2 * (1 + trial.repeat / 1000), spans: [] },
    ];
    Object.assign(trial.compress ?? {}, { spans, checkpointBytes: 1000, engineBytes });
  }
}

test('every claim has the study’s figure, this device’s, a verdict and its rule', () => {
  const { claims } = summarize(syntheticResults());
  expect(claims.map(({ id }) => id)).toEqual([
    'size-fp16',
    'size-int8',
    'accuracy-fp16',
    'accuracy-int8',
    'latency',
    'overhead-int8',
    'overhead-size',
    'overhead-gpu-cores',
    'memory',
    'cpu',
    'gpu',
  ]);
  for (const { statement, study, here, verdict, detail } of claims) {
    for (const text of [statement, study, here, detail]) expect(text).not.toBe('');
    if (verdict !== 'not measured') expect(detail).toMatch(/^Holds where /);
  }
});

test('with nothing measured nothing is claimed', () => {
  const results = syntheticResults();
  results.trials = [];
  expect(new Set(summarize(results).claims.map(({ verdict }) => verdict))).toEqual(new Set(['not measured']));
});

describe('size', () => {
  test.each([
    [424, 'holds', '57.6 %'],
    [426, 'does not hold', '57.4 %'],
  ])('FP16 with an engine of %i bytes of 1000', (bytes, verdict, here) => {
    const results = syntheticResults({ models: ['densenet201', 'efficientnet_b1'] });
    build(results, 'densenet201/cpu-fp16', bytes, 1);
    expect(claimOf(results, 'size-fp16')).toMatchObject({ verdict, here: `${here} (densenet201)` });
  });

  test('INT8, and what was not built', () => {
    const results = syntheticResults({ models: ['densenet201'] });
    build(results, 'int8-entropy-128', 230, 1);
    expect(claimOf(results, 'size-int8').verdict).toBe('holds');
    expect(claim('size-int8', { precisions: ['fp32', 'fp16'] })).toMatchObject({
      verdict: 'not measured',
      detail: 'no INT8 engine was built',
    });
  });
});

describe('accuracy', () => {
  test('holds while the worst loss stays below the study’s, and names the network', () => {
    const results = syntheticResults({ models: ['densenet201', 'efficientnet_b1'], pictures: 1000, int8Loss: 0 });
    const lose = (count: number): void => {
      const { predicted, truth } = answersOf(results, 'efficientnet_b1/cpu-int8-entropy-128');
      const before = answersOf(results, 'efficientnet_b1/cpu-fp32').predicted;
      let left = count;
      for (const [index, answer] of truth.entries()) {
        predicted[index] = before[index] === answer && left-- > 0 ? -1 : (before[index] as number);
      }
    };
    lose(139);
    const found = claimOf(results, 'accuracy-int8');
    expect(found.verdict).toBe('holds');
    expect(found.here).toMatch(/^13\.90 points \(efficientnet_b1; 95 % interval 11\.\d\d to 16\.\d\d\)$/);
    lose(140);
    expect(claimOf(results, 'accuracy-int8').verdict).toBe('does not hold');
  });

  test('is about entropy where that was tried, as in the study', () => {
    const calibrations = ['minmax', 'entropy'].map((method) => ({ method, samples: 128 }));
    const results = syntheticResults({ models: ['densenet201'], calibrations });
    answersOf(results, 'minmax-128').predicted.fill(-1);
    expect(claimOf(results, 'accuracy-int8').verdict).toBe('holds');
    const other = syntheticResults({ models: ['densenet201'], calibrations: [{ method: 'minmax', samples: 128 }] });
    answersOf(other, 'minmax-128').predicted.fill(-1);
    expect(claimOf(other, 'accuracy-int8')).toMatchObject({ verdict: 'does not hold', detail: /however calibrated/ });
  });

  test('of random weights, or without an FP32 engine, is not measured', () => {
    expect(claim('accuracy-int8', { seeded: true })).toMatchObject({ verdict: 'not measured', detail: /random/ });
    expect(claim('accuracy-fp16', { precisions: ['fp16'] })).toMatchObject({ verdict: 'not measured', detail: /FP32/ });
  });
});

describe('latency', () => {
  test.each([
    [0.44, 'holds'],
    [0.47, 'does not hold'],
  ])('with the fastest engine at %d of the framework’s', (int8, verdict) => {
    const found = claim('latency', { latencies: { fp32: 1, fp16: 0.9, int8, baseline: 1 }, noise: 0.001 });
    expect(found.verdict).toBe(verdict);
    expect(found.here).toMatch(/^5\d\.\d %( to 5\d\.\d %)? lower$/);
  });

  test('every model must keep it', () => {
    const results = syntheticResults({ latencies: { int8: 0.3, baseline: 1 } });
    for (const trial of latencies(results, 'densenet201/cpu-int8-entropy-128')) {
      if (trial.latency) trial.latency.run.p50 *= 3;
    }
    for (const trial of latencies(results, 'densenet201/cpu-fp16')) if (trial.latency) trial.latency.run.p50 *= 3;
    expect(claimOf(results, 'latency')).toMatchObject({ verdict: 'does not hold', detail: /for 2 of 3 models/ });
  });

  test('without a baseline it is not measured', () => {
    expect(claim('latency', { baseline: 'none' })).toMatchObject({ verdict: 'not measured', detail: /no framework/ });
  });
});

describe('overhead', () => {
  test('of INT8 must exceed FP16’s for every model, by more than noise', () => {
    const results = syntheticResults({ models: ['densenet201', 'efficientnet_b1'] });
    build(results, 'fp16', 500, 2);
    build(results, 'int8-entropy-128', 250, 3);
    expect(claimOf(results, 'overhead-int8')).toMatchObject({ verdict: 'holds', here: '1.50 times as long' });
    build(results, 'densenet201/cpu-int8-entropy-128', 250, 2.0001);
    expect(claimOf(results, 'overhead-int8')).toMatchObject({ verdict: 'does not hold', detail: /1 of 2 pairs/ });
  });

  test('growing with the size takes three models', () => {
    expect(claim('overhead-size')).toMatchObject({ verdict: 'holds', here: /1\.00 \(FP32\).*1\.00 \(INT8/ });
    expect(claim('overhead-size', { models: ['densenet201', 'efficientnet_b1'] }).verdict).toBe('not measured');
    const results = syntheticResults();
    build(results, 'mobilenet_v3_small/cpu-fp16', 500, 100);
    expect(claimOf(results, 'overhead-size').verdict).toBe('does not hold');
  });

  test('one device can not show what GPU cores do', () => {
    expect(claim('overhead-gpu-cores')).toMatchObject({ verdict: 'not measured', detail: /presisi compare/ });
  });
});

describe('resources beside the framework', () => {
  test('less memory', () => {
    expect(claim('memory', { models: ['densenet201'] })).toMatchObject({
      verdict: 'holds',
      here: /^-\d.* peak resident memory$/,
    });
    const results = syntheticResults({ models: ['densenet201'] });
    for (const trial of latencies(results, 'fp16')) if (trial.resources?.memory) trial.resources.memory.peakRss = 9e9;
    expect(claimOf(results, 'memory')).toMatchObject({ verdict: 'does not hold', detail: /1 of 2 have/ });
  });

  test('more CPU, and what may be noise is not more', () => {
    expect(claim('cpu', { device: { gpu: { name: 'a GPU' } } }).verdict).toBe('holds');
    expect(claim('cpu').verdict).toBe('does not hold');
  });

  test('less GPU, where there is one', () => {
    const results = syntheticResults({ device: { gpu: { name: 'a GPU' } } });
    expect(claimOf(results, 'gpu').verdict).toBe('does not hold');
    for (const ending of ['fp16', 'int8-entropy-128']) {
      for (const trial of latencies(results, ending)) if (trial.resources?.gpu) trial.resources.gpu.meanLoad = 0.35;
    }
    expect(claimOf(results, 'gpu')).toMatchObject({ verdict: 'holds', here: '-50.0 % GPU load' });
    const without = syntheticResults();
    without.sources.push({ name: 'nvml', available: false, reason: 'no such library' });
    expect(claimOf(without, 'gpu')).toMatchObject({ verdict: 'not measured', detail: /nvml: no such library/ });
  });
});
