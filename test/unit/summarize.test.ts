import { describe, expect, test } from 'vitest';
import type { LatencyTrial, Results, Trial } from '../../lib/characterize/results.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import { syntheticResults } from './results-support.js';
import { builds, latencies, MODEL, one, setRun, speedOf, variantOf } from './summary-support.js';

const flag = { kind: 'clock' as const, detail: 'core 0 went from 1.5 to 1.2 GHz', value: 0.2, limit: 0.05 };
/** Another attempt of a trial. */
const again = (trial: LatencyTrial, attempt: number, p50: number, flagged: boolean): LatencyTrial => {
  const copy = structuredClone(trial);
  setRun(copy, p50);
  return Object.assign(copy, { attempt, flags: flagged ? [flag] : [] });
};

/** Every number in a summary that is not finite, by path. */
function unsound(value: unknown, path = ''): string[] {
  if (typeof value === 'number') return Number.isFinite(value) ? [] : [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => unsound(part, `${path}.${key}`));
}

describe('which trials count', () => {
  test('the last attempt that nothing disturbed', () => {
    const results = one({ repeats: 1 });
    const [first] = latencies(results, 'fp16') as [LatencyTrial];
    Object.assign(first, { flags: [flag] });
    results.trials.push(again(first, 3, 30, true), again(first, 2, 20, false));
    const fp16 = variantOf(summarize(results), 'fp16');
    expect(speedOf(fp16).p50).toEqual({ value: 20, trials: 1 });
    expect(fp16.flags).toEqual([]);
  });

  test('the last attempt where all were disturbed; its flags are reported', () => {
    const results = one({ repeats: 1 });
    const [first] = latencies(results, 'fp16') as [LatencyTrial];
    Object.assign(first, { flags: [flag] });
    results.trials.push(again(first, 2, 20, true));
    const summary = summarize(results);
    expect(speedOf(variantOf(summary, 'fp16')).p50.value).toBe(20);
    expect(variantOf(summary, 'fp16').flags).toEqual([flag]);
    expect(summary.warnings.join()).toMatch(/1 of \d+ trials were disturbed .*: clock 1/);
  });

  test('trials that failed are left out and listed', () => {
    const results = one({ repeats: 3 });
    const [failed, , last] = latencies(results, 'fp16') as [LatencyTrial, LatencyTrial, LatencyTrial];
    delete failed.latency;
    failed.error = { code: 'ERR_PRESISI_OUT_OF_MEMORY', message: 'no memory' };
    setRun(last, 1000);
    const summary = summarize(results);
    const fp16 = variantOf(summary, 'fp16');
    expect(fp16.failures).toEqual(['latency at batch 1, repeat 1: no memory (ERR_PRESISI_OUT_OF_MEMORY)']);
    expect(speedOf(fp16).p50.trials).toBe(2);
    expect(speedOf(fp16).p50.interval).toBeUndefined();
    expect(summary.warnings.join()).toContain('1 trial failed');
  });
});

describe('speed', () => {
  test('is the median of the trials, with an interval from three trials on', () => {
    const results = one({ repeats: 3 });
    for (const [index, value] of [1, 9, 2].entries())
      setRun(latencies(results, 'int8-entropy-128')[index] as LatencyTrial, value);
    const { p50 } = speedOf(variantOf(summarize(results), 'int8-entropy-128'));
    expect(p50.value).toBe(2);
    expect(p50.interval?.[0]).toBeLessThan(1);
    expect(p50.interval?.[1]).toBeGreaterThan(9);
    expect(speedOf(variantOf(summarize(one({ repeats: 2 })), 'fp16')).p50.interval).toBeUndefined();
  });

  test('against the baseline and FP32, with whether it is more than noise', () => {
    const summary = summarize(one({ latencies: { fp32: 1, fp16: 0.5, baseline: 2 } }));
    const fp16 = speedOf(variantOf(summary, 'fp16'));
    expect(fp16.againstFp32?.value).toBeCloseTo(0.5, 1);
    expect(fp16.againstBaseline?.value).toBeCloseTo(0.25, 1);
    expect(fp16.againstBaseline?.beyondNoise).toBe(true);
    const fp32 = speedOf(variantOf(summary, 'cpu-fp32'));
    expect(fp32.againstFp32).toBeUndefined();
    expect(fp32.againstBaseline?.value).toBeCloseTo(0.5, 1);
    expect(speedOf(variantOf(summary, 'onnxruntime-fp32')).againstBaseline).toBeUndefined();
    const same = speedOf(variantOf(summarize(one({ latencies: { fp16: 1 }, noise: 0.05 })), 'fp16'));
    expect(same.againstFp32?.beyondNoise).toBe(false);
  });

  test('only like is compared with like: the same batch and threads', () => {
    const results = one({ threads: [0, 1] });
    results.trials = results.trials.filter(
      (trial) => !(trial.kind === 'latency' && trial.variant.includes('onnxruntime') && trial.threads === 1),
    );
    const int8 = variantOf(summarize(results), 'int8-entropy-128');
    const alone = int8.speeds.find(({ batch, threads }) => batch === 1 && threads === 1);
    expect(alone?.againstBaseline).toBeUndefined();
    expect(speedOf(int8).againstBaseline?.value).toBeLessThan(1);
  });

  test('FP32 is that of the same backend', () => {
    const results = one({ latencies: { fp32: 1, fp16: 0.5 } });
    const other = one({ backend: 'reference', baseline: 'none', latencies: { fp32: 10, fp16: 2 } });
    results.variants.unshift(...other.variants);
    results.trials.push(...other.trials.filter(({ kind }) => kind !== 'idle'));
    const summary = summarize(results);
    expect(speedOf(variantOf(summary, 'cpu-fp16')).againstFp32?.value).toBeCloseTo(0.5, 1);
    expect(speedOf(variantOf(summary, 'reference-fp16')).againstFp32?.value).toBeCloseTo(0.2, 1);
  });

  test('throughput saturates at the smallest batch within 2 % of the best', () => {
    const results = one({ batchSizes: [1, 4, 8, 16], repeats: 1 });
    for (const [batch, throughput] of [
      [1, 50],
      [4, 98.5],
      [8, 100],
      [16, 99],
    ] as const) {
      const [trial] = latencies(results, 'fp16', batch);
      Object.assign(trial?.latency ?? {}, { throughput });
    }
    const [saturation] = variantOf(summarize(results), 'fp16').saturations;
    expect(saturation).toEqual({ threads: 0, batch: 4, throughput: 98.5, reached: true });
    const [other] = variantOf(summarize(results), 'int8-entropy-128').saturations;
    expect(other).toMatchObject({ batch: 16, reached: false });
    expect(variantOf(summarize(one({ batchSizes: [1] })), 'fp16').saturations).toEqual([]);
  });

  test('single runs are thinned to 2000', () => {
    const results = one({ repeats: 3 });
    for (const trial of latencies(results, 'fp16')) if (trial.latency) trial.latency.samples = Array(900).fill(1);
    expect(speedOf(variantOf(summarize(results), 'fp16')).samples).toHaveLength(2000);
  });
});

describe('energy', () => {
  test('of a sample is above idle; the scope that covers most is taken', () => {
    const results = one({ energy: 'package', repeats: 1 });
    const trial = latencies(results, 'fp16')[0] as LatencyTrial;
    const plain = speedOf(variantOf(summarize(results), 'fp16')).energy;
    // 9.6 W while running, 4.2 W idle: see the support file.
    const mean = trial.latency?.run.mean ?? 0;
    expect(plain).toMatchObject({ scope: 'package', aboveIdle: true });
    expect(plain?.value).toBeCloseTo(((9.6 - 4.2) * mean) / 1000, 3);
    for (const each of results.trials) {
      if (each.kind === 'latency') each.latency?.energyPerSample?.push({ scope: 'gpu', joules: 1, aboveIdle: 0.5 });
    }
    const both = speedOf(variantOf(summarize(results), 'fp16')).energy;
    expect(both?.scope).toBe('package + gpu');
    expect(both?.value).toBeCloseTo((plain?.value ?? 0) + 0.5, 9);
  });

  test('without an idle trial is everything, and said so', () => {
    const results = one({ energy: 'board', repeats: 1 });
    results.trials = results.trials.filter(({ kind }) => kind !== 'idle');
    for (const each of results.trials) {
      if (each.kind === 'latency') for (const energy of each.latency?.energyPerSample ?? []) delete energy.aboveIdle;
    }
    const summary = summarize(results);
    const mean = latencies(results, 'fp16')[0]?.latency?.run.mean ?? 0;
    const { energy } = speedOf(variantOf(summary, 'fp16'));
    expect(energy?.aboveIdle).toBe(false);
    expect(energy?.value).toBeCloseTo((9.6 * mean) / 1000, 3);
    expect(summary.warnings.join()).toContain('draws idle is not known');
  });

  test('that no sensor read is absent, never 0', () => {
    const summary = summarize(one());
    expect(summary.variants.flatMap(({ speeds }) => speeds).every(({ energy }) => energy === undefined)).toBe(true);
    expect(variantOf(summary, 'fp16').overhead?.joules).toBeUndefined();
  });
});

describe('overhead and size', () => {
  test('spans are merged by name and level; a step that some trials lack is estimated from the others', () => {
    const results = one({ repeats: 3 });
    const trials = builds(results, 'fp16');
    for (const [index, trial] of trials.entries()) {
      const step = (name: string, seconds: number, spans: never[] | object[] = []) => ({
        name,
        start: 0,
        seconds,
        spans,
      });
      const calibrate = step('calibrate', 6, [
        step('run', 2 + index),
        step('run', 1),
        ...(index === 0 ? [step('decode', 1)] : []),
      ]);
      Object.assign(trial.compress ?? {}, {
        spans: [step('phase 1', 1, [step('read', 1)]), step('phase 2', 6 + index, [calibrate])],
      });
    }
    const { overhead } = variantOf(summarize(results), 'fp16');
    expect(overhead?.phase1.value).toBe(1);
    expect(overhead?.phase2.value).toBe(7);
    expect(overhead?.seconds.value).toBe(8);
    expect(overhead?.phases.map(({ phase, name }) => `${phase}: ${name}`)).toEqual([
      'phase 1: read',
      'phase 2: calibrate',
    ]);
    const [run, decode] = overhead?.phases[1]?.steps ?? [];
    expect(run).toMatchObject({ name: 'run', phase: 'phase 2', seconds: { value: 4, trials: 3 } });
    expect(run?.cpuSeconds).toBeUndefined();
    expect(decode).toMatchObject({ name: 'decode', seconds: { value: 1, trials: 1 } });
  });

  test('resources of both phases: mean by time, peak, sum of the joules', () => {
    const results = one({ energy: 'board', repeats: 1 });
    const [trial] = builds(results, 'fp16');
    const part = (seconds: number, cores: number, peakRss: number, joules: number) => ({
      seconds,
      cpu: { userSeconds: 0, systemSeconds: 0, cores },
      memory: { meanRss: 1, peakRss },
      energy: [{ scope: 'board', rails: [], estimated: false, joules, meanWatts: 1, seconds }],
    });
    Object.assign(trial?.compress ?? {}, {
      resources: { 'phase 1': part(1, 1, 5e8, 3), 'phase 2': part(3, 5, 2e8, 10) },
    });
    const { overhead } = variantOf(summarize(results), 'fp16');
    expect(overhead).toMatchObject({
      cores: { value: 4 },
      peakRss: { value: 5e8 },
      joules: { value: 13, scope: 'board' },
    });
    // One phase without energy: the sum would be too small.
    delete trial?.compress?.resources['phase 1']?.energy;
    expect(variantOf(summarize(results), 'fp16').overhead?.joules).toBeUndefined();
  });

  test('whether builds are identical, and how much their times vary', () => {
    const results = one({ repeats: 3 });
    expect(variantOf(summarize(results), 'fp16').overhead?.builds).toMatchObject({ count: 3, identical: true });
    Object.assign(builds(results, 'fp16')[1]?.compress ?? {}, { engineSha256: 'other' });
    const { builds: found } = variantOf(summarize(results), 'fp16').overhead ?? {};
    expect(found?.identical).toBe(false);
    expect(found?.variation).toBeGreaterThan(0);
    expect(found?.variation).toBeLessThan(0.05);
    expect(variantOf(summarize(one({ repeats: 1 })), 'fp16').overhead?.builds.variation).toBeUndefined();
  });

  test('size is compared with the checkpoint and the FP32 engine', () => {
    const summary = summarize(one());
    expect(variantOf(summary, 'fp16').size?.againstCheckpoint).toBeCloseTo(37.11 / 74.4302, 4);
    expect(variantOf(summary, 'fp16').size?.againstFp32).toBeCloseTo(37.11 / 74.13, 4);
    expect(variantOf(summary, 'cpu-fp32').size?.againstFp32).toBeUndefined();
    expect(variantOf(summary, 'onnxruntime-fp32').size).toBeUndefined();
  });
});

describe('the summary', () => {
  test('lists variants by model, baselines first, with labels for people', () => {
    const results = syntheticResults({ models: ['mobilenet_v3_small', MODEL], repeats: 1 });
    results.variants.reverse();
    results.models.reverse();
    const { variants } = summarize(results);
    expect(variants.map(({ variant, label }) => `${variant.model}: ${label}`).slice(0, 2)).toEqual([
      `${MODEL}: ONNX Runtime`,
      `${MODEL}: INT8, entropy of 128`,
    ]);
    expect(variants[4]?.label).toBe('ONNX Runtime');
  });

  test('says which backend where there are several', () => {
    const results = one({ repeats: 1 });
    const other = one({ repeats: 1, backend: 'reference', baseline: 'none' });
    results.variants.push(...other.variants);
    expect(summarize(results).variants.map(({ label }) => label)).toContain('INT8 on reference, entropy of 128');
  });

  test('warns of what was not certain', () => {
    const results = one({ repeats: 2, baseline: 'none', precisions: ['fp16'] });
    results.partial = true;
    delete results.device.powerMode;
    for (const trial of results.trials) {
      if (trial.sampler)
        Object.assign(trial.sampler, { lost: trial.sampler.samples, cpuSeconds: trial.sampler.seconds * 0.01 });
    }
    const warnings = summarize(results).warnings.join('\n');
    for (const part of [
      /Not all of the \d+ trials/,
      /repeated 3 times/,
      /Whether the clocks are fixed is not known/,
      /No framework ran/,
      /No FP32 engine/,
      /50.0 % of the samples were lost/,
      /Sampling took 1.0 % of a core/,
    ]) {
      expect(warnings).toMatch(part);
    }
    for (const trial of results.trials) trial.conditions.before.clocks = [];
    expect(summarize(results).warnings.join()).toContain('clocks can not be read');
    expect(summarize(one()).warnings).toEqual([]);
  });

  test('is the same for the same results, and has no number that is none', () => {
    const results = one({ energy: 'board' });
    expect(summarize(results)).toEqual(summarize(structuredClone(results)));
    const cases: [string, (results: Results) => void][] = [
      ['nothing measured', (each) => void each.trials.splice(0)],
      ['no variants', (each) => void each.variants.splice(0)],
      [
        'no pictures',
        (each) => {
          for (const trial of each.trials) {
            if (trial.kind === 'accuracy' && trial.accuracy)
              Object.assign(trial.accuracy, { truth: [], predicted: [] });
          }
        },
      ],
      [
        'no throughput, no time, no bytes',
        (each) => {
          for (const trial of each.trials) zero(trial);
        },
      ],
      [
        'only baselines',
        (each) => Object.assign(each, { trials: each.trials.filter(({ variant }) => variant.includes('onnxruntime')) }),
      ],
    ];
    for (const [name, change] of cases) {
      const changed = one({ energy: 'board', repeats: 3 });
      change(changed);
      expect(unsound({ ...summarize(changed), results: undefined }), name).toEqual([]);
    }
  });
});

function zero(trial: Trial): void {
  if (trial.kind === 'latency' && trial.latency) {
    trial.latency.throughput = 0;
    for (const key of Object.keys(trial.latency.run)) Object.assign(trial.latency.run, { [key]: 0 });
    trial.latency.energyPerSample = [{ scope: 'board', joules: 0, aboveIdle: 0 }];
  }
  if (trial.kind === 'compress' && trial.compress) {
    Object.assign(trial.compress, { spans: [], resources: {}, engineBytes: 0, checkpointBytes: 0, onnxBytes: 0 });
  }
}
