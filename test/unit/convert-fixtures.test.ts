import { readFileSync } from 'node:fs';
import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { type ConvertOptions, convert, loadEngine, type PresisiErrorCode, quantize } from '../../lib/index.js';
import { presisiRejection, ROOT, temporaryFolder } from './support.js';

const CHECKPOINTS = join(ROOT, 'test', 'fixtures', 'checkpoints');
const REFUSED = join(CHECKPOINTS, 'refused');

interface Fixture {
  readonly file: string;
  readonly architecture: string;
  readonly classes: number;
  readonly stored: string;
}

interface Stored {
  readonly dtype: string;
  readonly dims: readonly number[];
  readonly bytes: Uint8Array;
}

/** The few lines that reading a safetensors file of known content takes. */
function readArrays(path: string): Map<string, Stored> {
  const file = readFileSync(path);
  const start = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => [name, { dtype, dims: shape, bytes: Uint8Array.from(file.subarray(start + from, start + to)) }],
    ),
  );
}

const fixtures = JSON.parse(readFileSync(join(CHECKPOINTS, 'manifest.json'), 'utf8')) as Fixture[];
const arrays = readArrays(join(CHECKPOINTS, 'expected.safetensors'));

interface Values {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

function array(name: string, dtype: string): Stored {
  const found = arrays.get(name);
  if (found?.dtype !== dtype) throw new Error(`expected.safetensors has no ${name} of ${dtype}`);
  return found;
}

/** Bytes that stand for (value - 128) / 64: what PyTorch was shown. */
function inputOf(side: number): Values {
  const { bytes, dims } = array(`input.${side}`, 'U8');
  return { data: Float32Array.from(bytes, (value) => (value - 128) / 64), dims };
}

function logitsOf(architecture: string, side: number): Values {
  const { bytes, dims } = array(`${architecture}.${side}`, 'F32');
  return { data: new Float32Array(bytes.buffer), dims };
}

/** The largest difference from PyTorch's logits, relative to the largest of those. */
function difference(found: Values, expected: Values): number {
  expect(found.dims).toEqual(expected.dims);
  const scale = Math.max(...expected.data.map(Math.abs));
  return Math.max(...found.data.map((value, i) => Math.abs(value - (expected.data[i] as number)))) / scale;
}

async function onnxruntime(path: string, input: Values): Promise<Values> {
  const session = await ort.InferenceSession.create(path);
  try {
    const { logits } = await session.run({ input: new ort.Tensor('float32', input.data, input.dims) });
    if (logits === undefined) throw new Error(`${path} has no output logits`);
    return { data: logits.data as Float32Array, dims: logits.dims };
  } finally {
    await session.release();
  }
}

async function presisi(path: string, input: Values): Promise<Values> {
  const output = `${path}.engine`;
  await quantize(path, { precision: 'fp32', output });
  await using engine = await loadEngine(output);
  const { logits } = await engine.run({ input: { data: input.data, dims: input.dims } });
  if (logits === undefined) throw new Error(`${path} has no output logits`);
  return { data: logits.data as Float32Array, dims: logits.dims };
}

/** EfficientNet-B1 and -B2 differ in nothing but width: slimmed, a B2 is a B1 unless it is named. */
const recognisedAs = (architecture: string): string =>
  architecture === 'efficientnet_b2' ? 'efficientnet_b1' : architecture;

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});

async function converted(fixture: Fixture, more: Partial<ConvertOptions>) {
  files += 1;
  const output = join(folder, `${files}.onnx`);
  const result = await convert(join(CHECKPOINTS, fixture.file), { output, ...more });
  expect(result.output).toBe(output);
  return result;
}

/** FP32's rounding, summed differently by three libraries; a wrong epsilon, padding or order is a thousand times it. */
const TOLERANCE = 1e-4;

describe.each(fixtures.map((fixture) => [fixture.architecture, fixture.stored, fixture] as const))(
  '%s, %s',
  (architecture, _, fixture) => {
    test('is recognised by its parameters', async () => {
      const result = await converted(fixture, { inputSize: 64 });
      expect(result.source).toBe(fixture.file.includes('.safetensors') ? 'safetensors' : 'PyTorch');
      expect(result.architecture).toBe(recognisedAs(architecture));
      expect(result.inputs).toMatchObject([{ name: 'input', dims: [-1, 3, 64, 64] }]);
      expect(result.outputs).toMatchObject([{ name: 'logits', dims: [-1, fixture.classes] }]);
      expect(result.bytes).toBe(readFileSync(result.output).length);
      const byName = await converted(fixture, { inputSize: 64, architecture });
      expect(byName.architecture).toBe(architecture);
    });

    test.each(
      (['fold', 'keep'] as const).flatMap((batchNorm) => [13, 17, 21].map((opset) => [batchNorm, opset] as const)),
    )("BatchNorm: %s, opset %i: the answers are PyTorch's", { timeout: 120_000 }, async (batchNorm, opset) => {
      const { output } = await converted(fixture, { inputSize: 64, batchNorm, opset });
      const [input, expected] = [inputOf(64), logitsOf(architecture, 64)];
      expect(difference(await onnxruntime(output, input), expected)).toBeLessThan(TOLERANCE);
      expect(difference(await presisi(output, input), expected)).toBeLessThan(TOLERANCE);
    });

    test("at a side that halves unevenly the answers are PyTorch's", { timeout: 120_000 }, async () => {
      const { output } = await converted(fixture, { inputSize: 75 });
      const [input, expected] = [inputOf(75), logitsOf(architecture, 75)];
      expect(difference(await onnxruntime(output, input), expected)).toBeLessThan(TOLERANCE);
      expect(difference(await presisi(output, input), expected)).toBeLessThan(TOLERANCE);
    });
  },
);

test('every checkpoint has its answers', () => {
  expect(fixtures).toHaveLength(15);
  expect(arrays.size).toBe(2 * (fixtures.length + 1));
});

describe('refused, and nothing in it runs', () => {
  const cases: readonly (readonly [string, PresisiErrorCode])[] = [
    ['legacy.pth', 'ERR_PRESISI_UNSUPPORTED_MODEL'],
    ['pickled-module.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL'],
    ['runs-a-command.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL'],
    ['torchscript.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL'],
    ['unknown-network.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL'],
  ];

  test('no file of that folder is left out', async () => {
    expect((await readdir(REFUSED)).sort()).toEqual(cases.map(([name]) => name).sort());
  });

  test.each(cases)('%s: %s', async (name, code) => {
    const output = join(folder, `${name}.onnx`);
    // What the command in one of them would make.
    const ran = join(folder, `${name}.ran`);
    vi.stubEnv('PRESISI_PICKLE_RAN', ran);
    const error = await presisiRejection(convert(join(REFUSED, name), { output }), code);
    vi.unstubAllEnvs();
    expect(error.message).toMatch(/\S/);
    await expect(access(ran)).rejects.toThrow('ENOENT');
    await expect(access(output)).rejects.toThrow('ENOENT');
  });
});

test('a checkpoint named as another architecture is refused', async () => {
  for (const [file, architecture] of [
    ['resnet18.pt', 'resnet34'],
    ['mobilenet_v3_small.pth', 'mobilenet_v3_small_minimalistic'],
    ['densenet121.pth', 'densenet169'],
    ['efficientnet_b0.pt', 'mobilenet_v2'],
  ] as const) {
    const options = { output: join(folder, 'other.onnx'), architecture };
    const error = await presisiRejection(convert(join(CHECKPOINTS, file), options), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toContain(architecture);
  }
});
