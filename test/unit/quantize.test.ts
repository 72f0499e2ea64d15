import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadEngine, type Progress, quantize, readCalibration } from '../../lib/index.js';
import { fixture, picture, pictureFolder, presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const pictures = await pictureFolder(folder, 12);
const model = fixture('classifier');
const path = (name: string): string => join(folder, name);

const input = Float32Array.from({ length: 3 * 256 }, (_, i) => Math.sin(i / 5));

async function logits(engineFile: string): Promise<number[]> {
  const engine = await loadEngine(engineFile);
  try {
    const { logits } = await engine.run({ input: { data: input, dims: [1, 3, 16, 16] } });
    return Array.from(logits?.data as Float32Array);
  } finally {
    await engine.dispose();
  }
}

describe('engines', () => {
  test.each(['densenet169', 'mobilenet_v3_small'])(
    '%s in FP16 takes about half of FP32, wide layers or narrow',
    async (name) => {
      const network = join(ROOT, 'models', 'zoo', `${name}.pth`);
      const made = async (precision: 'fp32' | 'fp16') =>
        (await quantize(network, { precision, output: path(`${name}.${precision}.engine`), backend: 'cpu' })).bytes;
      expect((await made('fp16')) / (await made('fp32'))).toBeLessThan(0.62);
    },
  );

  test.each(['fp32', 'fp16', 'int8'] as const)(
    '%s: what is written runs, near what FP32 computes',
    async (precision) => {
      const output = path(`${precision}.engine`);
      const result = await quantize(model, {
        precision,
        output,
        backend: 'reference',
        ...(precision === 'int8' && { calibration: { images: pictures } }),
      });
      expect(result).toMatchObject({
        output,
        precision,
        backend: 'reference',
        modelBytes: (await readFile(model)).length,
      });
      expect(result.bytes).toBe((await readFile(output)).length);
      expect(result.layers.length).toBeGreaterThan(0);
      await quantize(model, { precision: 'fp32', output: path('oracle.engine'), backend: 'reference' });
      const expected = await logits(path('oracle.engine'));
      const tolerance = { fp32: 1e-6, fp16: 5e-3, int8: 0.1 }[precision];
      for (const [i, value] of (await logits(output)).entries()) {
        expect(Math.abs(value - (expected[i] as number))).toBeLessThanOrEqual(tolerance);
      }
    },
  );

  test('the same input gives the same bytes', async () => {
    const options = { precision: 'int8', backend: 'reference', calibration: { images: pictures } } as const;
    await quantize(model, { ...options, output: path('once.engine') });
    await quantize(model, { ...options, output: path('twice.engine') });
    expect(await readFile(path('once.engine'))).toEqual(await readFile(path('twice.engine')));
  });

  test('metadata says where the engine comes from', async () => {
    const labels = ['a', 'b', 'c', 'd'];
    const output = path('described.engine');
    const result = await quantize(model, {
      precision: 'int8',
      output,
      labels,
      backend: 'reference',
      maxBatch: 3,
      calibration: { images: pictures, method: 'minmax', samples: 5 },
    });
    const engine = await loadEngine(output);
    const sha256 = createHash('sha256')
      .update(await readFile(model))
      .digest('hex');
    expect(engine.metadata).toMatchObject({
      labels,
      backend: 'reference',
      precision: 'int8',
      maxBatch: 3,
      model: { name: 'classifier.onnx', sha256 },
      preprocessing: { crop: 16, resize: 18, layout: 'NCHW', channels: 'RGB' },
      calibration: { model: sha256, method: 'minmax', samples: 5 },
    });
    expect(engine.metadata.decisions).toEqual(result.decisions);
    expect(result.decisions.some((decision) => decision.quantized)).toBe(true);
    await engine.dispose();
  });

  test('a model with a fixed batch', async () => {
    const output = path('fixed.engine');
    const { warnings } = await quantize(fixture('classifier-fixed'), {
      precision: 'int8',
      output,
      backend: 'reference',
      maxBatch: 16,
      calibration: { images: pictures, samples: 5 },
    });
    expect(warnings).toEqual([
      "1 pictures did not fill the network's batch of 2",
      'the model fixes its batch at 2; maxBatch 16 has no effect',
    ]);
    const engine = await loadEngine(output);
    expect(engine.maxBatch).toBe(2);
    await engine.dispose();
  });

  test('weights beyond the range of FP16 are reported', async () => {
    const { warnings } = await quantize(fixture('wide'), {
      precision: 'fp16',
      output: path('wide.engine'),
      backend: 'reference',
    });
    expect(warnings).toEqual([expect.stringContaining('65504')]);
  });

  test('progress goes through the phases', async () => {
    const seen: Progress[] = [];
    await quantize(model, {
      precision: 'int8',
      output: path('progress.engine'),
      backend: 'reference',
      calibration: { images: pictures },
      onProgress: (progress) => seen.push(progress),
    });
    const phases = new Set(seen.map(({ phase }) => phase));
    for (const phase of ['calibrate', 'quantize', 'write']) expect(phases).toContain(phase);
    const calibrating = seen.filter(({ phase }) => phase === 'calibrate').map(({ completed }) => completed);
    expect(calibrating.at(-1)).toBe(12);
  });

  test('what a progress listener throws stops the work', async () => {
    const reason = new Error('enough');
    const onProgress = (): never => {
      throw reason;
    };
    const output = path('thrown.engine');
    expect(await rejection(quantize(fixture('slow'), { precision: 'fp32', output, onProgress }))).toBe(reason);
  });
});

describe('ONNX export', () => {
  test('int8 has Q and DQ of ONNX, and can be read back', async () => {
    const onnxOutput = path('export.onnx');
    // By default the two backends would not agree on this everywhere.
    const reduceRange = false;
    const result = await quantize(model, {
      precision: 'int8',
      onnxOutput,
      calibration: { images: pictures },
      reduceRange,
    });
    expect(result).toMatchObject({ bytes: 0, onnxOutput });
    expect(result.onnxBytes).toBe((await readFile(onnxOutput)).length);
    const text = await readFile(onnxOutput, 'latin1');
    expect(text).toContain('QuantizeLinear');
    expect(text).toContain('DequantizeLinear');
    await quantize(onnxOutput, { precision: 'fp32', output: path('read-back.engine'), backend: 'reference' });
    await quantize(model, {
      precision: 'int8',
      output: path('direct.engine'),
      backend: 'reference',
      calibration: { images: pictures },
      reduceRange,
    });
    const direct = await logits(path('direct.engine'));
    for (const [i, value] of (await logits(path('read-back.engine'))).entries())
      expect(value).toBeCloseTo(direct[i] as number, 5);
  });
});

describe('calibration', () => {
  const build = (calibration: object, name = 'calibrated.engine') =>
    quantize(model, { precision: 'int8', output: path(name), backend: 'reference', calibration: calibration as never });

  test('does not depend on the batch size', async () => {
    await build({ images: pictures, batchSize: 1, saveCache: path('one.json') });
    await build({ images: pictures, batchSize: 5, saveCache: path('five.json') });
    expect(await readFile(path('one.json'), 'utf8')).toBe(await readFile(path('five.json'), 'utf8'));
  });

  test('a folder, its files and their bytes are the same data', async () => {
    const files = (await readdir(pictures, { recursive: true })).filter((name) => name.endsWith('.png')).sort();
    const paths = files.map((name) => join(pictures, name));
    const buffers = await Promise.all(paths.map((name) => readFile(name)));
    const prints = [];
    for (const images of [pictures, paths, buffers]) prints.push((await build({ images })).calibration?.fingerprint);
    expect(prints[1]).toEqual(prints[0]);
    expect(prints[2]).toEqual(prints[0]);
  });

  test('a cache gives the engine that the pictures gave', async () => {
    await build({ images: pictures, method: 'mse', saveCache: path('cache.json') }, 'from-pictures.engine');
    const result = await build({ cache: path('cache.json') }, 'from-cache.engine');
    expect(result.calibration).toMatchObject({ method: 'mse', samples: 12 });
    expect(await readFile(path('from-cache.engine'))).toEqual(await readFile(path('from-pictures.engine')));
    const table = await readCalibration(path('cache.json'));
    expect(table.fingerprint.method).toBe('mse');
    for (const { amax, min, max } of Object.values(table.thresholds)) {
      expect(amax).toBeGreaterThan(0);
      expect(amax).toBeLessThanOrEqual(Math.max(-min, max));
    }
  });

  test('a cache of another model is refused', async () => {
    await build({ images: pictures, saveCache: path('other.json') });
    const refused = quantize(fixture('classifier-fixed'), {
      precision: 'int8',
      output: path('refused.engine'),
      calibration: { cache: path('other.json') },
    });
    expect((await presisiRejection(refused, 'ERR_PRESISI_INVALID_CALIBRATION')).message).toContain('model');
  });

  test('a damaged cache is refused', async () => {
    await writeFile(path('damaged.json'), '{"fingerprint":');
    await presisiRejection(build({ cache: path('damaged.json') }), 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(build({ cache: path('absent.json') }), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(readCalibration(path('damaged.json')), 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(readCalibration(path('absent.json')), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(readCalibration(7 as never), 'ERR_PRESISI_INVALID_ARGUMENT');
  });

  test.each(['entropy', 'percentile', 'mse', 'minmax'] as const)('method %s', async (method) => {
    const { calibration } = await build({ images: pictures, method });
    expect(calibration?.method).toContain(method);
  });

  test('tensors, from a generator', async () => {
    const four = Float32Array.from({ length: 4 * 768 }, (_, i) => Math.sin(i));
    async function* batches() {
      for (let i = 0; i < 4; i += 1) {
        yield { input: { data: four.slice(i * 768, (i + 1) * 768), dims: [1, 3, 16, 16] } };
      }
    }
    const { calibration } = await build({ batches: batches(), saveCache: path('singly.json') });
    expect(calibration).toMatchObject({ samples: 4, fingerprint: { preprocessing: 'none' } });
    await build({ batches: [{ input: { data: four, dims: [4, 3, 16, 16] } }], saveCache: path('at-once.json') });
    const [singly, atOnce] = await Promise.all(
      ['singly.json', 'at-once.json'].map((name) => readCalibration(path(name))),
    );
    expect(singly?.thresholds).toEqual(atOnce?.thresholds);
  });

  test('tensors with NaN are refused, naming where', async () => {
    const data = input.slice();
    data[5] = Number.NaN;
    const error = await presisiRejection(
      build({ batches: [{ input: { data, dims: [1, 3, 16, 16] } }] }),
      'ERR_PRESISI_INVALID_CALIBRATION',
    );
    expect(error.message).toMatch(/NaN.*sample 0/);
  });

  test('no data is an error, never made up', async () => {
    await mkdir(path('empty'));
    const none = quantize(model, { precision: 'int8', output: path('none.engine') });
    await presisiRejection(none, 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(build({ images: path('empty') }), 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(build({ images: [] }), 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(build({ batches: [] }), 'ERR_PRESISI_INVALID_CALIBRATION');
  });

  test('a picture that can not be decoded is an error that names it, or a warning', async () => {
    const images = path('mixed');
    await mkdir(images);
    await writeFile(join(images, 'a.png'), await picture(1));
    await writeFile(join(images, 'broken.png'), (await picture(2)).subarray(0, 600));
    const error = await presisiRejection(build({ images }), 'ERR_PRESISI_INVALID_IMAGE');
    expect(error.message).toContain('broken.png');
    expect(error.cause).toBeInstanceOf(Error);
    const { warnings, calibration } = await build({ images, onBadImage: 'skip' });
    expect(warnings).toEqual([expect.stringContaining('broken.png')]);
    expect(calibration?.samples).toBe(1);
    await writeFile(join(images, 'also-broken.png'), 'no picture at all');
    expect((await presisiRejection(build({ images }), 'ERR_PRESISI_INVALID_IMAGE')).message).toMatch(/2 of 3/);
    const onlyBad = [join(images, 'broken.png')];
    await presisiRejection(build({ images: onlyBad, onBadImage: 'skip' }), 'ERR_PRESISI_INVALID_CALIBRATION');
    await presisiRejection(build({ images: [path('absent.png')] }), 'ERR_PRESISI_FILE_SYSTEM');
  });
});

describe('what is refused', () => {
  const options = { precision: 'fp32', output: path('refused.engine') } as const;
  const refused = (more: object, code: Parameters<typeof presisiRejection>[1] = 'ERR_PRESISI_INVALID_ARGUMENT') =>
    presisiRejection(quantize(model, { ...options, ...more } as never), code);

  test.each([
    [
      { precision: 'int4' },
      'Expected one of fp32, fp16, int8 for options.precision but received "int4" of type string',
    ],
    [{ threads: 1.5 }, 'Expected an integer between 0 and 1024 for options.threads but received 1.5 of type number'],
    [{ maxBatch: 0 }, 'Expected an integer between 1 and 65536 for options.maxBatch but received 0 of type number'],
    [{ output: '' }, 'Expected a path for options.output but received "" of type string'],
    [{ labels: ['a', 3] }, 'Expected a string for options.labels[1] but received 3 of type number'],
    [
      { preprocess: { std: [1, 0, 1] } },
      'Expected a finite number other than 0 for options.preprocess.std[1] but received 0 of type number',
    ],
    [
      { preprocess: { mean: [1] } },
      'Expected an array of three numbers for options.preprocess.mean but received [1] of type array',
    ],
    [{ onProgress: true }, 'Expected a function for options.onProgress but received true of type boolean'],
    [{ signal: {} }, 'Expected an AbortSignal for options.signal but received {} of type Object'],
    [{ precison: 'int8' }, 'options has no option "precison"'],
    [
      { precision: 'int8', calibration: 'folder' },
      'Expected { images }, { batches } or { cache } for options.calibration but received "folder" of type string',
    ],
    [
      { precision: 'int8', calibration: { images: 3 } },
      'Expected a path, the bytes of a picture, or { data, width, height, channels } for calibration.images but received 3 of type number',
    ],
    [
      { precision: 'int8', calibration: { images: 'x', percentile: 0 } },
      'Expected a number greater than 0 and at most 100 for options.calibration.percentile but received 0 of type number',
    ],
    [{ calibration: { images: 'x' } }, 'options.calibration is for int8, and options.precision is fp32'],
    [{ output: undefined }, 'Expected a path for options.output or options.onnxOutput'],
    [{ onnxOutput: path('refused.engine') }, 'options.output and options.onnxOutput are the same file'],
    [
      { preprocess: { crop: 16, resize: 8 } },
      'Expected at least preprocess.crop (16) for preprocess.resize but received 8 of type number',
    ],
  ])('%j', async (more, message) => {
    expect((await refused(more)).message).toBe(message);
  });

  test('a stack points at the caller, whatever thread the error comes from', async () => {
    const error = await refused({ backend: 'abacus' });
    expect(error.stack).toContain('quantize.test.ts');
  });

  test('a crop that is not what the network takes', async () => {
    await refused({ preprocess: { crop: 32 } }, 'ERR_PRESISI_SHAPE_MISMATCH');
  });

  test('pictures for a network that takes none', async () => {
    const calibration = { images: pictures };
    const work = quantize(fixture('two-inputs'), { precision: 'int8', output: path('no.engine'), calibration });
    expect((await presisiRejection(work, 'ERR_PRESISI_INVALID_ARGUMENT')).message).toContain('left: float32 [?, 4]');
  });

  test('outputs that can not be written, before any work', async () => {
    await refused({ output: path('no/such/folder.engine') }, 'ERR_PRESISI_FILE_SYSTEM');
    await refused({ output: folder }, 'ERR_PRESISI_FILE_SYSTEM');
    const copy = path('copy.onnx');
    await copyFile(model, copy);
    await symlink(copy, path('alias.onnx'));
    const work = quantize(copy, { precision: 'fp32', output: path('alias.onnx') });
    expect((await presisiRejection(work, 'ERR_PRESISI_INVALID_ARGUMENT')).message).toContain('overwrite');
    expect(await readFile(copy)).toEqual(await readFile(model));
  });

  test('models that are none', async () => {
    const of = (name: string) => quantize(name, options);
    await presisiRejection(of(path('absent.onnx')), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(of(folder), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(of(''), 'ERR_PRESISI_INVALID_ARGUMENT');
    await writeFile(path('empty.onnx'), '');
    await presisiRejection(of(path('empty.onnx')), 'ERR_PRESISI_INVALID_MODEL');
    await writeFile(path('cut.onnx'), (await readFile(model)).subarray(0, 3000));
    await presisiRejection(of(path('cut.onnx')), 'ERR_PRESISI_INVALID_MODEL');
    const error = await presisiRejection(of(fixture('unsupported')), 'ERR_PRESISI_UNSUPPORTED_OPERATOR');
    expect(error.message).toContain('Det');
  });

  test('nothing is left behind', async () => {
    expect((await readdir(folder)).filter((name) => name.includes('refused') || name.endsWith('.tmp'))).toEqual([]);
  });
});

test('a named pipe is refused, not waited for', async () => {
  const pipe = path('pipe.onnx');
  execFileSync('mkfifo', [pipe]);
  const work = quantize(pipe, { precision: 'fp32', output: path('pipe.engine') });
  const error = await presisiRejection(work, 'ERR_PRESISI_FILE_SYSTEM');
  expect(error.message).toContain('not a regular file');
});
