import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, test } from 'vitest';
import { infer, loadEngine, quantize } from '../../lib/index.js';
import { fixture, picture, pictureFolder, presisiRejection, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const pictures = await pictureFolder(folder, 11);
const labels = ['alpha', 'beta', 'gamma', 'delta'];

async function engineOf(name: string, options: object = {}) {
  const output = join(folder, `${name}.engine`);
  await quantize(fixture(name), { precision: 'fp32', output, backend: 'reference', ...options });
  const engine = await loadEngine(output);
  afterAll(() => engine.dispose());
  return engine;
}

const engine = await engineOf('classifier', { labels });

/** The same by hand: a grey picture needs no interpolation. */
async function grey(level: number): Promise<Buffer> {
  return sharp({ create: { width: 40, height: 30, channels: 3, background: { r: level, g: level, b: level } } })
    .png()
    .toBuffer();
}

describe('predictions', () => {
  test('are the network’s, on pixels normalised as the engine says', async () => {
    const [prediction] = await infer(engine, await grey(128));
    const mean = [0.485, 0.456, 0.406];
    const std = [0.229, 0.224, 0.225];
    const data = Float32Array.from({ length: 768 }, (_, i) => {
      const channel = Math.floor(i / 256);
      return (128 / 255 - (mean[channel] as number)) / (std[channel] as number);
    });
    const { logits } = await engine.run({ input: { data, dims: [1, 3, 16, 16] } });
    const expected = Array.from(logits?.data as Float32Array);
    const top = prediction?.top ?? [];
    expect(top).toHaveLength(4);
    for (const { index, label, logit } of top) {
      expect(logit).toBeCloseTo(expected[index] as number, 6);
      expect(label).toBe(labels[index]);
    }
    expect(top.reduce((sum, { score }) => sum + score, 0)).toBeCloseTo(1, 9);
    expect(top.map(({ logit }) => logit)).toEqual([...expected].sort((a, b) => b - a));
    const exponentials = expected.map(Math.exp);
    const share = (exponentials[top[0]?.index ?? 0] as number) / exponentials.reduce((a, b) => a + b, 0);
    expect(top[0]?.score).toBeCloseTo(share, 6);
  });

  test('come in order whatever the batch, for folders, paths and bytes', async () => {
    const one = await infer(engine, pictures, { batchSize: 1 });
    const four = await infer(engine, pictures, { batchSize: 4 });
    expect(one).toHaveLength(11);
    expect(four.map(({ image }) => image)).toEqual(one.map(({ image }) => image));
    expect(one.map(({ image }) => image)).toEqual(one.map(({ image }) => image).sort());
    for (const [i, { top }] of four.entries())
      expect(top.map(({ index }) => index)).toEqual(one[i]?.top.map(({ index }) => index));
    const names = one.map(({ image }) => image);
    const again = await infer(engine, names);
    expect(again.map(({ top }) => top[0]?.index)).toEqual(one.map(({ top }) => top[0]?.index));
    const bytes = await infer(engine, [await picture(3), await picture(4)]);
    expect(bytes.map(({ image }) => image)).toEqual(['#0', '#1']);
    for (const { timings } of one) {
      for (const seconds of Object.values(timings)) expect(seconds).toBeGreaterThanOrEqual(0);
      expect(timings.decode).toBeGreaterThan(0);
      expect(timings.compute).toBeGreaterThan(0);
      // The CPU has its data where it computes; and what overlaps has no total.
      expect(Object.keys(timings)).toEqual(['decode', 'preprocess', 'compute', 'postprocess', 'dispatch']);
    }
  });

  test('one after the other, their parts add up to what a caller waits', async () => {
    const together = await infer(engine, pictures);
    const start = performance.now();
    const predictions = await infer(engine, pictures, { overlap: false });
    const waited = (performance.now() - start) / 1000;
    expect(predictions.map(({ top }) => top[0]?.index)).toEqual(together.map(({ top }) => top[0]?.index));
    const totals = predictions.map(({ timings: { total = Number.NaN } }) => total);
    expect(totals.reduce((sum, total) => sum + total, 0)).toBeLessThanOrEqual(waited);
    const missing = predictions.map(({ timings: { total = Number.NaN, ...parts } }) => {
      const sum = Object.values(parts).reduce((all, seconds) => all + seconds, 0);
      expect(sum).toBeLessThanOrEqual(total + 1e-6);
      return total - sum - 0.02 * total;
    });
    // The middle one: a busy machine may hold up some of them.
    expect(missing.sort((a, b) => a - b)[5]).toBeLessThan(0.5e-3);
    await presisiRejection(infer(engine, pictures, { overlap: false, batchSize: 4 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    const [bad] = await infer(engine, ['absent.png'], { overlap: false, onBadImage: 'skip' });
    expect(bad?.timings).toMatchObject({ preprocess: 0, compute: 0 });
    expect(bad?.timings.total).toBeGreaterThan(0);
    await presisiRejection(infer(engine, ['absent.png'], { overlap: false }), 'ERR_PRESISI_FILE_SYSTEM');
  });

  test('a network with a fixed batch takes any number of pictures', async () => {
    const fixed = await engineOf('classifier-fixed');
    const predictions = await infer(fixed, pictures);
    const expected = await infer(engine, pictures);
    expect(predictions).toHaveLength(11);
    for (const [i, { top }] of predictions.entries()) {
      expect(top[0]?.logit).toBeCloseTo(expected[i]?.top[0]?.logit as number, 5);
      expect(top[0]).not.toHaveProperty('label');
    }
  });

  test('topK and labels', async () => {
    const [prediction] = await infer(engine, await picture(1), { topK: 2, labels: ['w', 'x', 'y', 'z'] });
    expect(prediction?.top).toHaveLength(2);
    expect('wxyz').toContain(prediction?.top[0]?.label);
  });

  test('preprocessing can be changed', async () => {
    const bytes = await picture(5);
    const [own] = await infer(engine, bytes);
    const [same] = await infer(engine, bytes, { preprocess: { crop: 16 } });
    const [other] = await infer(engine, bytes, { preprocess: { channels: 'BGR' } });
    expect(same?.top).toEqual(own?.top);
    expect(other?.top).not.toEqual(own?.top);
    await presisiRejection(infer(engine, bytes, { preprocess: { crop: 20 } }), 'ERR_PRESISI_SHAPE_MISMATCH');
  });

  test('nothing in, nothing out', async () => {
    expect(await infer(engine, [])).toEqual([]);
  });
});

describe('pictures of all kinds', () => {
  const source = sharp({
    create: { width: 32, height: 32, channels: 4, background: { r: 200, g: 90, b: 30, alpha: 1 } },
  });
  test.each([
    ['grey', () => source.clone().toColourspace('b-w').png()],
    ['alpha', () => source.clone().png()],
    ['palette', () => source.clone().png({ palette: true })],
    ['16 bits', () => source.clone().toColourspace('rgb16').png()],
    ['CMYK', () => source.clone().toColourspace('cmyk').jpeg()],
    ['WebP', () => source.clone().webp()],
    ['TIFF', () => source.clone().tiff()],
    ['one pixel', () => source.clone().resize(1, 1).png()],
    ['long and thin', () => source.clone().resize(400, 2, { fit: 'fill' }).png()],
  ])('%s', async (_, make) => {
    const [prediction] = await infer(engine, await make().toBuffer());
    expect(prediction?.top).toHaveLength(4);
  });

  test('turned by EXIF is turned upright', async () => {
    const stripes = Buffer.from(Array.from({ length: 32 * 32 * 3 }, (_, i) => (Math.floor(i / 96) * 8) & 255));
    const upright = sharp(stripes, { raw: { width: 32, height: 32, channels: 3 } });
    const plain = await upright.clone().png().toBuffer();
    const turned = await upright
      .clone()
      .rotate(-90)
      .withMetadata({ orientation: 6 })
      .tiff({ compression: 'lzw' })
      .toBuffer();
    const [expected] = await infer(engine, plain);
    const [found] = await infer(engine, turned);
    for (const [i, { logit }] of (found?.top ?? []).entries())
      expect(logit).toBeCloseTo(expected?.top[i]?.logit as number, 4);
  });
});

describe('what goes wrong', () => {
  test('a broken picture among good ones', async () => {
    const broken = join(folder, 'broken.jpg');
    await writeFile(broken, 'not a picture');
    const images = [await picture(1), broken, join(folder, 'absent.jpg'), await picture(2)];
    const error = await presisiRejection(infer(engine, images), 'ERR_PRESISI_INVALID_IMAGE');
    expect(error.message).toContain('broken.jpg');
    expect(error.stack).toContain('infer.test.ts');
    const predictions = await infer(engine, images, { onBadImage: 'skip' });
    expect(predictions.map(({ top }) => top.length)).toEqual([4, 0, 0, 4]);
    expect(predictions.map((prediction) => prediction.error?.code)).toEqual([
      undefined,
      'ERR_PRESISI_INVALID_IMAGE',
      'ERR_PRESISI_FILE_SYSTEM',
      undefined,
    ]);
  });

  test('wrong arguments', async () => {
    await presisiRejection(infer({} as never, 'a.jpg'), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(infer(engine, 3 as never), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(infer(engine, [null] as never), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(infer(engine, 'a.jpg', { topK: 0 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(infer(engine, 'a.jpg', { top: 1 } as never), 'ERR_PRESISI_INVALID_ARGUMENT');
  });

  test('a network that does not take pictures, or does not classify', async () => {
    const sums = await engineOf('two-inputs');
    await presisiRejection(infer(sums, await picture(1)), 'ERR_PRESISI_INVALID_ARGUMENT');
  });

  test('an aborted signal', async () => {
    const controller = new AbortController();
    const reason = new Error('stop');
    const running = rejection(
      infer(engine, [pictures, pictures, pictures], { signal: controller.signal, batchSize: 1 }),
    );
    controller.abort(reason);
    expect(await running).toBe(reason);
  });

  test('a disposed engine', async () => {
    const gone = await loadEngine(join(folder, 'classifier.engine'));
    await gone.dispose();
    await presisiRejection(infer(gone, await picture(1)), 'ERR_PRESISI_DISPOSED');
  });
});
