import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../lib/datasets/dataset.js';
import { openDataset } from '../../lib/datasets/open.js';
import { evaluate } from '../../lib/evaluate.js';
import { type Engine, infer, loadEngine, quantize } from '../../lib/index.js';
import { wilson } from '../../lib/statistics.js';
import { cifarFile } from './datasets-support.js';
import { fixture, pictureFolder, presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const labels = ['alpha', 'beta', 'gamma', 'delta'];
const pictures = await pictureFolder(folder, 11);

async function engineOf(model: string, options: object = {}): Promise<Engine> {
  const output = join(folder, `${Math.random()}.engine`);
  await quantize(model, { precision: 'fp32', output, ...options });
  const engine = await loadEngine(output);
  afterAll(() => engine.dispose());
  return engine;
}

const reference = { backend: 'reference' };
let engine: Engine;
let dataset: Dataset;
beforeAll(async () => {
  engine = await engineOf(fixture('classifier'), { ...reference, labels });
  dataset = await openDataset(pictures, { labels });
});

/** A data set of pixels whose reading is noticed. */
function watched(count: number, read: (index: number) => void): Dataset {
  const samples = Array.from({ length: count }, (_, index) => ({
    image: {
      name: `#${index}`,
      source: {
        width: 16,
        height: 16,
        channels: 1 as const,
        get data() {
          read(index);
          return new Uint8Array(256).fill(index);
        },
      },
    },
    label: index % 4,
  }));
  return { name: 'watched', format: 'folder', samples, skipped: [], warnings: [] };
}

describe('the trained network', () => {
  let blossom: Engine;
  let flowers: Dataset;
  beforeAll(async () => {
    blossom = await engineOf(join(ROOT, 'models', 'blossom', 'model.onnx'));
    const manifest = join(ROOT, 'calibration-data', 'manifest.json');
    flowers = await openDataset({ manifest, split: 'test' }, { limit: 96 });
  });

  test('counts are those of infer’s predictions', async () => {
    const files = flowers.samples.map(({ image }) => image.name);
    const predicted = (await infer(blossom, files)).map(({ top }) => top.map(({ index }) => index));
    const truth = flowers.samples.map(({ label }) => label);
    const top1 = predicted.filter((top, i) => top[0] === truth[i]).length;
    const top5 = predicted.filter((top, i) => top.includes(truth[i] as number)).length;
    expect(top1).toBeGreaterThan(72);
    expect(top1).toBeLessThan(96);

    const found = await evaluate(blossom, flowers, { predictions: true });
    expect(found).toMatchObject({
      dataset: { name: 'manifest.json#test', format: 'manifest' },
      engine: { model: 'model.onnx', precision: 'fp32', backend: blossom.backend },
      classes: 24,
      top1: { correct: top1, total: 96, share: top1 / 96, interval: wilson(top1, 96) },
      top5: { k: 5, correct: top5, total: 96 },
      skipped: [],
      warnings: [],
    });
    expect(found.predictions?.map(({ image, top }) => [image, top.map(({ index }) => index)])).toEqual(
      files.map((file, i) => [file, predicted[i]]),
    );
    for (const seconds of Object.values(found.seconds)) expect(seconds).toBeGreaterThan(0);

    expect(found.perClass).toHaveLength(24);
    for (const { index, label, correct, total, taken } of found.perClass) {
      const own = truth.flatMap((each, i) => (each === index ? [predicted[i]?.[0]] : []));
      expect({ label, total }).toEqual({ label: flowers.classes?.[index], total: own.length });
      expect(correct).toBe(own.filter((best) => best === index).length);
      for (const other of taken) expect(other.count).toBe(own.filter((best) => best === other.index).length);
      expect(taken.reduce((all, { count }) => all + count, 0)).toBe(total);
    }
  });

  test('agreement with another engine: of INT8 with FP32 nearly always', async () => {
    const float = await evaluate(blossom, flowers, { predictions: true });
    expect((await evaluate(blossom, flowers, { reference: float })).agreement).toMatchObject({
      correct: 96,
      total: 96,
    });
    const calibration = { images: join(ROOT, 'calibration-data', 'images', 'calibration'), samples: 64 };
    const int8 = await engineOf(join(ROOT, 'models', 'blossom', 'model.onnx'), { precision: 'int8', calibration });
    const found = await evaluate(int8, flowers, { reference: float, predictions: true });
    const same = found.predictions?.filter(({ top }, i) => top[0]?.index === float.predictions?.[i]?.top[0]?.index);
    expect(found.agreement).toMatchObject({ correct: same?.length, total: 96 });
    expect(found.agreement?.share).toBeGreaterThan(0.9);
  }, 60_000);
});

describe('any network', () => {
  test('the batch does not matter; with four classes the best four are all', async () => {
    const one = await evaluate(engine, dataset, { batchSize: 1 });
    const { seconds: _, ...four } = await evaluate(engine, dataset, { batchSize: 4 });
    expect(one).toMatchObject(four);
    const { seconds, ...inTurn } = await evaluate(engine, dataset, { overlap: false });
    expect(inTurn).toEqual(four);
    const { total = Number.NaN, ...parts } = seconds;
    const sum = Object.values(parts).reduce((all, part) => all + part, 0);
    expect(sum).toBeLessThanOrEqual(total + 1e-6);
    expect(sum).toBeGreaterThan(0.98 * total - 5e-3);
    expect(one.seconds).not.toHaveProperty('total');
    expect(one.top5).toMatchObject({ k: 4, correct: 11, total: 11 });
    expect(one.perClass.map(({ label, total }) => [label, total])).toEqual([
      ['alpha', 6],
      ['beta', 5],
    ]);
    expect(one.warnings).toEqual(dataset.warnings);
    expect(one).not.toHaveProperty('predictions');
    expect(one).not.toHaveProperty('agreement');
    const fixed = await evaluate(await engineOf(fixture('classifier-fixed'), reference), dataset);
    expect(fixed.top1).toEqual(one.top1);
  });

  test('pixels in memory', async () => {
    const file = join(folder, 'batch.bin');
    await writeFile(file, cifarFile(Array.from({ length: 9 }, (_, i) => [i % 4])));
    const cifar = await openDataset({ cifar10: file });
    const found = await evaluate(engine, cifar, { predictions: true });
    const expected = await infer(
      engine,
      cifar.samples.map(({ image }) => image.source),
    );
    expect(found.predictions?.map(({ top }) => top.map(({ index }) => index))).toEqual(
      expected.map(({ top }) => top.map(({ index }) => index)),
    );
    expect(found.predictions?.[3]?.image).toBe(`${file}#3`);
  });

  test('progress is told, and pictures are read as they are needed', async () => {
    const reads = new Array<number>(200).fill(0);
    const set = watched(200, (index) => {
      reads[index] = (reads[index] ?? 0) + 1;
    });
    const seen: number[] = [];
    let ahead = 0;
    await evaluate(engine, set, {
      batchSize: 4,
      onProgress: ({ phase, completed, total }) => {
        expect([phase, total]).toEqual(['evaluate', 200]);
        seen.push(completed);
        // Checking the data set looks at each picture once.
        ahead = Math.max(ahead, reads.filter((count) => count > 1).length - completed);
      },
    });
    expect(seen).toEqual(Array.from({ length: 50 }, (_, i) => 4 * (i + 1)));
    // Two batches run or wait to, one is being gathered, one waits for that, and eight pictures are being decoded.
    expect(ahead).toBeLessThanOrEqual(4 * 4 + 8);
    expect(reads.every((count) => count > 1)).toBe(true);
  });

  test('an output that is no number is a wrong answer', async () => {
    const found = await evaluate(engine, dataset, { preprocess: { scale: 3e38 } });
    expect(found.top1).toMatchObject({ correct: 0, total: 11 });
    expect(found.top5.correct).toBe(0);
    expect(found.perClass[0]?.taken).toEqual([{ index: -1, count: 6 }]);
    expect(found.warnings.at(-1)).toContain('for 11 of 11 pictures');
  });
});

describe('what goes wrong', () => {
  test('broken pictures: refused, or left out and reported', async () => {
    const broken = join(folder, 'broken');
    await cp(pictures, broken, { recursive: true });
    await writeFile(join(broken, 'beta', '001.png'), 'not a picture');
    const set = await openDataset(broken, { labels });
    const error = await presisiRejection(evaluate(engine, set), 'ERR_PRESISI_INVALID_IMAGE');
    expect(error.message).toContain('001.png');
    expect(error.stack).toContain('evaluate.test.ts');
    const found = await evaluate(engine, set, { onBadImage: 'skip' });
    expect(found.top1.total).toBe(10);
    expect(found.skipped).toHaveLength(1);
    expect(found.skipped[0]).toMatchObject({ name: join(broken, 'beta', '001.png') });
    expect(found.skipped[0]?.reason).toContain('cannot decode');
  });

  test('nothing but broken pictures', async () => {
    const broken = join(folder, 'all-broken');
    await mkdir(join(broken, 'alpha'), { recursive: true });
    await writeFile(join(broken, 'alpha', '1.png'), 'x');
    const set = await openDataset(broken);
    await presisiRejection(evaluate(engine, set, { onBadImage: 'skip' }), 'ERR_PRESISI_INVALID_IMAGE');
  });

  test('what the data set left out is in the report', async () => {
    const skipped = [{ name: 'gone.jpg', reason: 'no such file' }];
    expect((await evaluate(engine, { ...dataset, skipped })).skipped).toEqual(skipped);
  });

  test('a label that is none of the network’s classes names its picture', async () => {
    const { classes: _, ...set } = dataset;
    const [first, second, ...rest] = dataset.samples as [Dataset['samples'][0], Dataset['samples'][0]];
    for (const label of [4, -1]) {
      const wrong = { ...set, samples: [first, { ...second, label }, ...rest] };
      const error = await presisiRejection(evaluate(engine, wrong), 'ERR_PRESISI_INVALID_DATASET');
      expect(error.message).toBe(`${second.image.name} has label ${label}, but the network tells 4 classes apart`);
    }
  });

  test('classes in another order than the network’s', async () => {
    const set = await openDataset(pictures, { labels: ['beta', 'alpha'] });
    const error = await presisiRejection(evaluate(engine, set), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/^class "beta" has index 0 in .* and 1 in the network$/);
    expect(error.hint).toContain('engine.metadata.labels');
  });

  test('wrong arguments', async () => {
    for (const [set, options] of [
      [pictures, {}],
      [{ samples: 3 }, {}],
      [{ samples: [null] }, {}],
      [{ samples: [{ image: { name: 'x', source: 3 }, label: 0 }] }, {}],
      [{ samples: [{ image: { name: 'x', source: 'x' }, label: 0.5 }] }, {}],
      [{ samples: [{ image: { name: 'x', source: { data: new Uint8Array(1) } }, label: 0 }] }, {}],
      [dataset, { topK: 1 }],
      [dataset, { predictions: 1 }],
      [dataset, { reference: await evaluate(engine, dataset) }],
      [dataset, { reference: { predictions: [{ image: 'other', top: [] }] } }],
    ]) {
      await presisiRejection(evaluate(engine, set as never, options as never), 'ERR_PRESISI_INVALID_ARGUMENT');
    }
    await presisiRejection(evaluate({} as never, dataset), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(evaluate(engine, { ...dataset, samples: [] }), 'ERR_PRESISI_INVALID_DATASET');
  });

  test('an aborted signal, and a progress listener that throws', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const abort = (): void => controller.abort(reason);
    const options = { batchSize: 1, signal: controller.signal, onProgress: abort };
    expect(await rejection(evaluate(engine, dataset, options))).toBe(reason);
    const onProgress = (): void => {
      throw reason;
    };
    expect(await rejection(evaluate(engine, dataset, { batchSize: 1, onProgress }))).toBe(reason);
  });
});
