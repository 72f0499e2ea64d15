import { join } from 'node:path';
import { expect, test } from 'vitest';
import { benchmark, loadEngine, quantize } from '../../lib/index.js';
import { cli, fixture, presisiRejection, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const path = join(folder, 'model.engine');
await quantize(fixture('classifier'), { precision: 'fp32', output: path, backend: 'reference', maxBatch: 2 });

test('measures until both a duration and a number of runs are reached', async () => {
  await using engine = await loadEngine(path, { threads: 1 });
  const short = await benchmark(engine, { warmUp: 0, duration: 0, iterations: 7 });
  expect(short).toMatchObject({ backend: 'reference', precision: 'fp32', batch: 1, runs: 7, stages: {} });
  expect(short.conditions).toMatchObject({ 'warm-up, ms': 0, 'least runs': 7, threads: 1 });
  const { endToEnd, run } = short;
  expect(endToEnd.median).toBeGreaterThan(run.median);
  for (const latency of [endToEnd, run]) {
    const { min, median, p90, p95, p99, max } = latency;
    expect([...[min, median, p90, p95, p99, max]].sort((a, b) => a - b)).toEqual([min, median, p90, p95, p99, max]);
  }
  expect(short.throughput).toBeCloseTo(7 / short.seconds, 6);
  const long = await benchmark(engine, { batch: 2, warmUp: 0, duration: 0.2, iterations: 1 });
  expect(long.seconds).toBeGreaterThanOrEqual(0.2);
  expect(long.throughput).toBeCloseTo((2 * long.runs) / long.seconds, 6);
});

test('keeps every run only when asked to; tells when measuring began', async () => {
  await using engine = await loadEngine(path, { threads: 1 });
  const before = Number(process.hrtime.bigint()) / 1e9;
  const kept = await benchmark(engine, { warmUp: 0, duration: 0, iterations: 7, samples: true });
  expect(kept.samples).toHaveLength(7);
  expect(Math.max(...(kept.samples ?? []))).toBe(kept.endToEnd.max);
  expect(kept.start).toBeGreaterThan(before);
  expect(kept.start + kept.seconds).toBeLessThan(Number(process.hrtime.bigint()) / 1e9);
  expect(await benchmark(engine, { warmUp: 0, duration: 0 })).not.toHaveProperty('samples');
});

test('says when the numbers are not steady', async () => {
  await using engine = await loadEngine(path);
  const { endToEnd, run, warnings } = await benchmark(engine, { warmUp: 0, duration: 0.1 });
  expect(endToEnd.variation).toBeGreaterThan(0);
  expect(warnings.length).toBe(run.variation > 0.025 ? 1 : 0);
});

test('refuses what the engine can not do, and stops when told to', async () => {
  const engine = await loadEngine(path);
  await presisiRejection(benchmark(engine, { batch: 3 }), 'ERR_PRESISI_SHAPE_MISMATCH');
  await presisiRejection(benchmark(engine, { duration: -1 }), 'ERR_PRESISI_INVALID_ARGUMENT');
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 50);
  expect((await rejection(benchmark(engine, { duration: 60, signal: controller.signal }))).message).toBe('enough');
  await engine.dispose();
  await presisiRejection(benchmark(engine), 'ERR_PRESISI_DISPOSED');
});

test('on the command line', async () => {
  const { code, stdout } = await cli('benchmark', path, '--duration', '0.05', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ batch: 1, endToEnd: { median: expect.any(Number) } });
});
