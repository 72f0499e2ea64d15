import { describe, expect, test } from 'vitest';
import type { Results } from '../../lib/characterize/results.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import type { BreakEven } from '../../lib/characterize/summary.js';
import { builds, latencies, MODEL, one, setRun, variantOf } from './summary-support.js';

/** Round figures: phase 1 takes 1 s and 4 J, phase 2 9 s and 66 J, at 2 W idle; means in milliseconds. */
function round(means: Readonly<Record<string, number>>, options: Parameters<typeof one>[0] = {}): Results {
  const results = one({ energy: 'board', repeats: 3, ...options });
  const phase = (seconds: number, joules: number) => ({
    seconds,
    energy: [{ scope: 'board', rails: [], estimated: false, joules, meanWatts: joules / seconds, seconds }],
  });
  for (const trial of builds(results, '')) {
    const spans = [
      { name: 'phase 1', start: 0, seconds: 1, spans: [] },
      { name: 'phase 2', start: 1, seconds: 9, spans: [] },
    ];
    Object.assign(trial.compress ?? {}, { spans, resources: { 'phase 1': phase(1, 4), 'phase 2': phase(9, 66) } });
  }
  for (const [ending, mean] of Object.entries(means)) {
    // A spread of 1 % keeps differences beyond noise.
    for (const [index, trial] of latencies(results, ending).entries()) {
      setRun(trial, mean * (0.99 + 0.01 * (index % 3)));
      const joules = mean / 10;
      if (trial.latency) trial.latency.energyPerSample = [{ scope: 'board', joules, aboveIdle: joules / 2 }];
    }
  }
  for (const trial of results.trials) {
    if (trial.kind === 'idle') for (const energy of trial.resources?.energy ?? []) energy.meanWatts = 2;
  }
  return results;
}

const breakEven = (results: Results): BreakEven => {
  const found = variantOf(summarize(results), 'int8-entropy-128').breakEven;
  if (!found) throw new Error('nothing to break even with');
  return found;
};
const MEANS = { 'onnxruntime-fp32': 6, 'cpu-fp32': 5, fp16: 4, 'int8-entropy-128': 2 };

describe('against the baseline', () => {
  test('both phases are repaid by the difference of the means', () => {
    const { against, time } = breakEven(round(MEANS));
    expect(against).toBe(`${MODEL}/onnxruntime-fp32`);
    // 10 s at 4 ms each.
    expect(time?.inferences).toBe(2500);
    expect(time?.cost).toBe(10);
    expect(time?.savingPerInference).toBeCloseTo(0.004, 12);
  });

  test('energy is above idle on both sides', () => {
    const { energy, reasons } = breakEven(round(MEANS));
    // 70 J in 10 s less 2 W idle: 50 J; 0.3 J less 0.1 J an inference.
    expect(energy?.cost).toBeCloseTo(50, 9);
    expect(energy?.savingPerInference).toBeCloseTo(0.2, 9);
    expect(energy?.inferences).toBe(250);
    expect(reasons).toEqual({});
  });

  test('where idle is not known, everything is counted on both sides', () => {
    const results = round(MEANS);
    results.trials = results.trials.filter(({ kind }) => kind !== 'idle');
    for (const trial of results.trials) {
      if (trial.kind === 'latency') for (const energy of trial.latency?.energyPerSample ?? []) delete energy.aboveIdle;
    }
    const { energy } = breakEven(results);
    expect(energy?.cost).toBe(70);
    expect(energy?.savingPerInference).toBeCloseTo(0.4, 9);
  });
});

test('against the FP32 engine, phase 2 alone is repaid', () => {
  const { against, time, energy } = breakEven(round(MEANS, { baseline: 'none' }));
  expect(against).toBe(`${MODEL}/cpu-fp32`);
  // 9 s at 3 ms each; 66 J less 18 J idle, at 0.15 J each.
  expect(time).toMatchObject({ inferences: 3000, cost: 9 });
  expect(energy?.inferences).toBe(320);
});

test('each side runs with the threads it is fastest with', () => {
  const results = round(MEANS, { threads: [1, 2] });
  for (const trial of latencies(results, 'onnxruntime-fp32')) setRun(trial, trial.threads === 1 ? 3 : 100);
  for (const trial of latencies(results, 'int8-entropy-128')) setRun(trial, trial.threads === 2 ? 1 : 100);
  expect(breakEven(results).time).toMatchObject({ inferences: 5000, cost: 10 });
});

describe('is absent, with a reason,', () => {
  test('where INT8 is not faster', () => {
    const { time, reasons } = breakEven(round({ ...MEANS, 'int8-entropy-128': 8 }));
    expect(time).toBeUndefined();
    expect(reasons.time).toBe(
      'INT8, entropy of 128 is not faster than ONNX Runtime here: 8.00 ms against 6.00 ms an inference',
    );
    expect(reasons.energy).toContain('is not more economical');
  });

  test('where the difference may be noise', () => {
    const { time, reasons } = breakEven(round({ ...MEANS, 'int8-entropy-128': 5.99 }));
    expect(time).toBeUndefined();
    expect(reasons.time).toContain("can't be told from noise");
  });

  test('where no energy could be read: what the sources say', () => {
    const results = one();
    results.sources.push({ name: 'nvml', available: false, reason: 'libnvidia-ml.so.1 is not installed' });
    expect(breakEven(results).reasons.energy).toBe(
      'no energy could be read: rapl: /sys/class/powercap has no intel-rapl; nvml: libnvidia-ml.so.1 is not installed',
    );
  });

  test('where a side was not measured', () => {
    const results = round(MEANS);
    results.trials = results.trials.filter(
      ({ kind, variant }) => kind !== 'latency' || !variant.includes('onnxruntime'),
    );
    expect(breakEven(results).reasons.time).toBe('the latency of ONNX Runtime at batch 1 was not measured');
    const unbuilt = round(MEANS);
    unbuilt.trials = unbuilt.trials.filter(({ kind }) => kind !== 'compress');
    expect(breakEven(unbuilt).reasons.time).toBe('what compressing costs was not measured');
  });

  test('there is nothing to compare with: no break-even at all', () => {
    const summary = summarize(one({ baseline: 'none' }));
    expect(variantOf(summary, 'cpu-fp32').breakEven).toBeUndefined();
    expect(variantOf(summarize(one()), 'onnxruntime-fp32').breakEven).toBeUndefined();
  });
});
