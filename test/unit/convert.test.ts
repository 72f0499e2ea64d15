import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import {
  architectures,
  convert,
  describeArchitecture,
  makeModel,
  type PresisiErrorCode,
  quantize,
} from '../../lib/index.js';
import { cli, fixture, presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const output = join(folder, 'model.onnx');
const checkpoint = join(ROOT, 'models', 'zoo', 'mobilenet_v3_small.pth');

describe('a checkpoint', () => {
  test('says what it is, where it comes from, and how long it took', async () => {
    const phases: string[] = [];
    const result = await convert(checkpoint, { output, onProgress: ({ phase }) => phases.push(phase) });
    expect(result).toMatchObject({
      output,
      source: 'PyTorch',
      architecture: 'mobilenet_v3_small_minimalistic',
      family: 'MobileNetV3',
      configuration: { width: '0.75', minimalistic: 'true' },
      parameters: 605_496,
      inputs: [{ name: 'input', type: 'float32', dims: [-1, 3, 224, 224] }],
      outputs: [{ name: 'logits', type: 'float32', dims: [-1, 24] }],
      opset: 17,
      warnings: [],
    });
    expect([...new Set(phases)]).toEqual(['read', 'assemble', 'optimize', 'write']);
    const bytes = await readFile(output);
    expect(bytes.length).toBe(result.bytes);
    // Names keep the module path; batch normalisation is folded away, its parameters with it.
    expect(bytes.includes('features.12.0.weight')).toBe(true);
    expect(bytes.includes('running_mean')).toBe(false);
    expect(bytes.includes('source_sha256')).toBe(true);
  });

  test('keeps batch normalisation, takes another opset, size and a fixed batch', async () => {
    const result = await convert(checkpoint, { output, batchNorm: 'keep', opset: 13, inputSize: 96, batch: 2 });
    expect(result).toMatchObject({ opset: 13, inputs: [{ dims: [2, 3, 96, 96] }] });
    expect((await readFile(output)).includes('features.12.1.running_mean')).toBe(true);
    const session = await InferenceSession.create(output);
    expect(session.inputMetadata).toMatchObject([{ shape: [2, 3, 96, 96] }]);
  });

  test('goes straight into quantize()', async () => {
    const engine = join(folder, 'direct.engine');
    const result = await quantize(checkpoint, { precision: 'fp32', output: engine, inputSize: 64 });
    expect(result.architecture).toBe('mobilenet_v3_small_minimalistic');
    expect(result.span.spans.map(({ name }) => name)).toContain('assemble');
  });

  test('of another architecture than named is refused, and leaves nothing', async () => {
    const absent = join(folder, 'absent.onnx');
    await presisiRejection(
      convert(checkpoint, { output: absent, architecture: 'resnet18' }),
      'ERR_PRESISI_INVALID_ARGUMENT',
    );
    await expect(readFile(absent)).rejects.toThrow('ENOENT');
  });

  test('that lacks a parameter lists it by name', async () => {
    const bytes = await readFile(join(ROOT, 'test', 'fixtures', 'checkpoints', 'efficientnet_b1.safetensors'));
    const header = 8 + Number(bytes.readBigUInt64LE());
    const text = bytes.toString('utf8', 8, header).replace('"features.0.1.bias"', '"features.0.1.byas"');
    const broken = join(folder, 'broken.safetensors');
    await writeFile(broken, Buffer.concat([bytes.subarray(0, 8), Buffer.from(text), bytes.subarray(header)]));
    const error = await presisiRejection(convert(broken, { output }), 'ERR_PRESISI_INVALID_MODEL');
    expect(error.message).toContain('features.0.1.bias');
    expect(error.message).toContain('features.0.1.byas');
  });

  test('is stopped by its signal', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const promise = convert(checkpoint, {
      output: join(folder, 'stopped.onnx'),
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    expect(await rejection(promise)).toBe(reason);
    await expect(readFile(join(folder, 'stopped.onnx'))).rejects.toThrow('ENOENT');
  });
});

describe('an ONNX file', () => {
  const blossom = join(ROOT, 'models', 'blossom', 'model.onnx');

  test('passes through with its opset, simplified and raised where asked', async () => {
    const kept = await convert(fixture('classifier'), { output });
    expect(kept).toMatchObject({ source: 'ONNX' });
    expect(kept).not.toHaveProperty('architecture');
    const raised = await convert(blossom, { output, opset: 21, simplify: true });
    expect(raised.opset).toBe(21);
    const input = new Float32Array(3 * 224 * 224).map((_, i) => Math.sin(i));
    const [before, after] = await Promise.all([blossom, output].map((path) => logits(path, input)));
    expect(after).toEqual(before);
  });

  test.each<[string, object]>([
    ['an architecture', { architecture: 'resnet18' }],
    ['another input', { inputSize: 96 }],
    ['another batch', { batch: 4 }],
  ])('has no use for %s', async (_, options) => {
    await presisiRejection(convert(blossom, { output, ...options }), 'ERR_PRESISI_INVALID_ARGUMENT');
  });

  test('is not lowered to an older opset', async () => {
    await presisiRejection(convert(blossom, { output, opset: 13 }), 'ERR_PRESISI_INVALID_ARGUMENT');
  });
});

async function logits(path: string, data: Float32Array): Promise<unknown> {
  const { Tensor } = await import('onnxruntime-node');
  const session = await InferenceSession.create(path);
  const [name = 'input'] = session.inputNames;
  const outputs = await session.run({ [name]: new Tensor('float32', data, [1, 3, 224, 224]) });
  return outputs[session.outputNames[0] ?? '']?.data;
}

describe('wrong calls', () => {
  test.each<[string, unknown, unknown, PresisiErrorCode]>([
    ['no options', checkpoint, undefined, 'ERR_PRESISI_INVALID_ARGUMENT'],
    ['an unknown option', checkpoint, { output, oopset: 17 }, 'ERR_PRESISI_INVALID_ARGUMENT'],
    ['an old opset', checkpoint, { output, opset: 12 }, 'ERR_PRESISI_INVALID_ARGUMENT'],
    ['an option of the other exporter', checkpoint, { output, python: 'python3' }, 'ERR_PRESISI_INVALID_ARGUMENT'],
    ['python without an architecture', checkpoint, { output, exporter: 'python' }, 'ERR_PRESISI_INVALID_ARGUMENT'],
    ['a file that is not there', join(folder, 'none.pth'), { output }, 'ERR_PRESISI_FILE_SYSTEM'],
    ['a picture', join(ROOT, 'calibration-data', 'sheet.jpg'), { output }, 'ERR_PRESISI_INVALID_MODEL'],
    ['its own file as output', checkpoint, { output: checkpoint }, 'ERR_PRESISI_INVALID_ARGUMENT'],
  ])('%s', async (_, source, options, code) => {
    await presisiRejection(convert(source as string, options as never), code);
  });
});

describe('built-in architectures', () => {
  test('are listed and described as published', async () => {
    const names = architectures().map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const name of ['mobilenet_v3_large', 'efficientnet_b3', 'densenet201', 'resnet50', 'mobilenet_v2']) {
      expect(names).toContain(name);
    }
    // Parameters as torchvision publishes them; multiply-accumulates likewise, in its own unit of 10^9.
    const resnet = await describeArchitecture('resnet50');
    expect(resnet).toMatchObject({
      name: 'resnet50',
      family: 'ResNet',
      inputSize: 224,
      classes: 1000,
      parameters: 25_557_032,
    });
    expect(resnet.macs / 1e9).toBeCloseTo(4.09, 2);
    expect(await describeArchitecture('densenet169', { classes: 10, growthRate: 8, inputSize: 64 })).toMatchObject({
      classes: 10,
      inputSize: 64,
      configuration: { growth_rate: '8' },
    });
  });

  test('are refused by name, and scalings the family does not have', async () => {
    const unknown = await presisiRejection(describeArchitecture('resnet51'), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(unknown.message).toContain('resnet51');
    await presisiRejection(makeModel('resnet50', { output, growthRate: 8 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(makeModel('densenet121', { output, width: 0.5 }), 'ERR_PRESISI_INVALID_ARGUMENT');
  });

  test('the same seed makes the same bytes, another seed others', async () => {
    const make = async (seed: number): Promise<Buffer> => {
      const path = join(folder, `seed-${seed}.onnx`);
      await makeModel('mobilenet_v2', { output: path, seed, width: 0.25, classes: 5, inputSize: 64 });
      return readFile(path);
    };
    const first = await make(1);
    expect((await make(1)).equals(first)).toBe(true);
    expect((await make(2)).equals(first)).toBe(false);
  });
});

describe('the command line', () => {
  test('convert writes beside the source, and quantize --test measures', async () => {
    const made = await cli('convert', checkpoint, '-o', output, '--json');
    expect({ code: made.code, stderr: made.stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(made.stdout)).toMatchObject({ architecture: 'mobilenet_v3_small_minimalistic', opset: 17 });
    const nowhere = await cli('convert', output);
    expect(nowhere).toMatchObject({ code: 2, stdout: '' });
    const measured = await cli(
      'quantize',
      checkpoint,
      ...['-p', 'fp32', '-o', join(folder, 'cli.engine'), '--labels', join(ROOT, 'calibration-data', 'labels.txt')],
      ...['--test', join(ROOT, 'calibration-data', 'images', 'calibration'), '--json'],
    );
    expect({ code: measured.code, stderr: measured.stderr }).toEqual({ code: 0, stderr: '' });
    const { evaluation } = JSON.parse(measured.stdout) as { evaluation: { top1: { share: number; total: number } } };
    expect(evaluation.top1.total).toBe(192);
    expect(evaluation.top1.share).toBeGreaterThan(0.8);
  });

  test('models list, describe and make', async () => {
    expect((await cli('models', 'list')).stdout).toContain('densenet201');
    expect((await cli('models', 'describe', 'mobilenet_v3_small_minimalistic')).stdout).toContain('2,044,736');
    const made = await cli('models', 'make', 'resnet18', '-o', output, '--width', '0.25', '--seed', '3', '--json');
    expect(JSON.parse(made.stdout)).toMatchObject({ source: 'seed', architecture: 'resnet18' });
    expect((await cli('models', 'make', 'resnet19', '-o', output)).code).toBe(1);
  });
});
