import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CalibrationTable, type Engine, infer, loadEngine, quantize, readCalibration } from '../../lib/index.js';
import { fixture, ROOT, temporaryFolder } from './support.js';

const data = join(ROOT, 'calibration-data');
const model = join(ROOT, 'models', 'blossom', 'model.onnx');
const pictures = join(data, 'images', 'calibration');

let folder: string;
const engines: Engine[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(async () => {
  for (const engine of engines) await engine.dispose();
});

async function engineOf(options: Parameters<typeof quantize>[1], path = model): Promise<Engine> {
  const output = join(folder, `${engines.length}.engine`);
  await quantize(path, { ...options, output });
  const engine = await loadEngine(output);
  engines.push(engine);
  return engine;
}

/** Numbers in [-2, 2] that follow from the index. */
const waves = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => 2 * Math.sin(i * 12.9898));

/** Every output of ours beside onnxruntime's: the largest difference, relative to the largest value. */
async function largestDifference(engine: Engine, path: string, batch: number, optimized: boolean): Promise<number> {
  const peer = await ort.InferenceSession.create(path, { graphOptimizationLevel: optimized ? 'all' : 'disabled' });
  const feeds = Object.fromEntries(
    engine.inputs.map(({ name, dims }) => {
      const shape = dims.map((dim) => (dim < 0 ? batch : dim));
      return [name, { data: waves(shape.reduce((a, b) => a * b, 1)), dims: shape }];
    }),
  );
  const ours = await engine.run(feeds);
  const theirs = await peer.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, { data: values, dims }]) => [name, new ort.Tensor('float32', values, dims)]),
    ),
  );
  let largest = 0;
  for (const { name } of engine.outputs) {
    const a = ours[name]?.data as Float32Array;
    const b = theirs[name]?.data as Float32Array;
    expect(a.length).toBe(b.length);
    const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
    a.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(value - (b[i] as number)) / scale);
    });
  }
  await peer.release();
  return largest;
}

describe('FP32 answers are those of onnxruntime', () => {
  const models = [model, fixture('classifier'), fixture('classifier-fixed'), fixture('two-inputs'), fixture('wide')];
  for (const backend of ['auto', 'reference']) {
    test.each(models.map((path) => [relative(ROOT, path), path]))(`${backend}: %s`, async (_, path) => {
      const engine = await engineOf({ precision: 'fp32', backend }, path);
      for (const batch of path === model && backend === 'auto' ? [1, 5, 8] : [1]) {
        expect(await largestDifference(engine, path, batch, true)).toBeLessThan(1e-4);
      }
    });
  }
});

test('the exported Q/DQ network means the same to onnxruntime', async () => {
  const onnxOutput = join(folder, 'qdq.onnx');
  const engine = await engineOf({ precision: 'int8', calibration: { images: pictures, samples: 64 }, onnxOutput });
  // Unoptimised, so that every Q and DQ is executed as it stands. What remains are ties in rounding.
  expect(await largestDifference(engine, onnxOutput, 2, false)).toBeLessThan(0.03);
});

test('INT8 keeps the accuracy: within one point of FP32 on unseen pictures', async () => {
  const manifest = JSON.parse(await readFile(join(data, 'manifest.json'), 'utf8')) as {
    splits: { test: { file: string; label: number }[] };
  };
  const truth = manifest.splits.test;
  expect(truth.length).toBeGreaterThanOrEqual(500);
  const correct = async (engine: Engine): Promise<number> => {
    const files = truth.map(({ file }) => join(data, file));
    const predictions = await infer(engine, files, { topK: 1 });
    return predictions.filter(({ top }, i) => top[0]?.index === truth[i]?.label).length / truth.length;
  };
  const fp32 = await correct(await engineOf({ precision: 'fp32' }));
  const fp16 = await correct(await engineOf({ precision: 'fp16' }));
  const int8 = await correct(await engineOf({ precision: 'int8', calibration: { images: pictures } }));
  expect(fp32).toBeGreaterThan(0.85);
  expect(fp32).toBeLessThan(0.97);
  expect(Math.abs(fp16 - fp32)).toBeLessThanOrEqual(0.005);
  expect(fp32 - int8).toBeLessThanOrEqual(0.01);
}, 120_000);

test('thresholds hardly depend on the batch size, and the same batches give the same file', async () => {
  const tables: CalibrationTable[] = [];
  const files: string[] = [];
  for (const [index, batchSize] of [1, 7, 32, 32].entries()) {
    const saveCache = join(folder, `cache-${index}.json`);
    const calibration = { images: pictures, samples: 64, batchSize, saveCache };
    await quantize(model, { precision: 'int8', calibration, onnxOutput: join(folder, 'unused.onnx') });
    tables.push(await readCalibration(saveCache));
    files.push(await readFile(saveCache, 'utf8'));
  }
  expect(files[3]).toBe(files[2]);
  const [first, ...others] = tables as [CalibrationTable, ...CalibrationTable[]];
  expect(Object.keys(first.thresholds).length).toBeGreaterThan(10);
  for (const other of others) {
    for (const [tensor, { amax }] of Object.entries(first.thresholds)) {
      expect(Math.abs((other.thresholds[tensor]?.amax ?? Number.NaN) / amax - 1)).toBeLessThan(0.01);
    }
  }
}, 60_000);

test('the same samples, cut into batches of 1, 7 and 32 and in another order, give the same cache byte for byte', async () => {
  const size = 3 * 224 * 224;
  const samples = Array.from({ length: 32 }, (_, s) => waves(size).map((value, i) => value * Math.cos(i * 0.001 + s)));
  // Only the network's input is calibrated: other activations depend, in their last bits, on how a kernel cuts its work.
  const probe = { images: pictures, samples: 1 };
  const { decisions } = await quantize(model, {
    precision: 'int8',
    calibration: probe,
    onnxOutput: join(folder, 'probe.onnx'),
  });
  const keepFloat = decisions.slice(1).map(({ node }) => node);
  const caches: string[] = [];
  for (const [batchSize, order] of [
    [1, samples],
    [7, samples],
    [32, samples],
    [7, [...samples].reverse()],
  ] as const) {
    const batches = [];
    for (let first = 0; first < order.length; first += batchSize) {
      const cut = order.slice(first, first + batchSize);
      const data = new Float32Array(cut.length * size);
      for (const [i, sample] of cut.entries()) data.set(sample, i * size);
      batches.push({ input: { data, dims: [cut.length, 3, 224, 224] } });
    }
    const saveCache = join(folder, `cut-${caches.length}.json`);
    const calibration = { batches, saveCache };
    await quantize(model, { precision: 'int8', calibration, keepFloat, onnxOutput: join(folder, 'cut.onnx') });
    caches.push(await readFile(saveCache, 'utf8'));
  }
  const { thresholds } = await readCalibration(join(folder, 'cut-0.json'));
  expect(Object.keys(thresholds)).toEqual(['input']);
  for (const cache of caches) expect(cache).toBe(caches[0]);
}, 60_000);
