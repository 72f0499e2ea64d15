// Compares presisi's preprocessing with torchvision's on photographs. How and why: README.md.
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { modelProto, nodeProto, valueInfoProto } from '../../bench/models/onnx.js';
import { type Engine, runImages } from '../../lib/engine.js';
import { decodeImages } from '../../lib/images.js';
import { loadEngine, quantize } from '../../lib/index.js';
import { nativeImages, type Preprocessing } from '../../lib/preprocess.js';
import { withSignal } from '../../lib/signal.js';

/** What preprocessing.py wrote. */
interface Index {
  readonly versions: Readonly<Record<string, string>>;
  readonly resize: number;
  readonly crop: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly pictures: readonly Picture[];
}

interface Picture {
  readonly photograph: string;
  readonly variant: string;
  readonly file: string;
  readonly size: readonly [number, number];
}

/** By channel, in 1/255 of the scale from 0 to 1, before the mean is subtracted and it is divided by `std`. */
interface Difference {
  readonly picture: Picture;
  readonly mean: readonly number[];
  readonly max: number;
  /** The largest channel's mean after normalisation, in the network's own numbers. */
  readonly normalized: number;
}

/** A mean difference of one step of 8 bits, in any channel of any picture, is too much. */
const LIMIT = 1;

/** A network that gives back what it is given: its output is what the addon makes of pixels. */
async function identityEngine(folder: string, side: number): Promise<Engine> {
  const dims = [1, 3, side, side];
  const model = join(folder, 'identity.onnx');
  const pool = nodeProto('pool', 'AveragePool', ['input'], ['output'], { kernel_shape: [1, 1] });
  const graph = {
    name: 'identity',
    nodes: [pool],
    initializers: [],
    inputs: [valueInfoProto('input', dims)],
    outputs: [valueInfoProto('output', dims)],
  };
  await writeFile(model, Buffer.concat(modelProto(graph).pieces));
  const output = join(folder, 'identity.engine');
  await quantize(model, { precision: 'fp32', backend: 'reference', output });
  return loadEngine(output);
}

/** What a network would see of each picture, in order. */
async function* tensors(
  folder: string,
  engine: Engine,
  pictures: readonly Picture[],
  preprocessing: Preprocessing,
): AsyncGenerator<Float32Array> {
  const named = pictures.map(({ file }) => ({ name: file, source: join(folder, file) }));
  for await (const { pixels, error } of decodeImages(named, preprocessing, new AbortController().signal)) {
    if (pixels === undefined) throw error;
    const images = nativeImages('input', pixels, 1, preprocessing);
    const { outputs } = await withSignal({}, (scope) => runImages(engine, images, scope));
    yield outputs[0]?.data as Float32Array;
  }
}

function compare(picture: Picture, found: Float32Array, expected: Float32Array, std: Index['std']): Difference {
  if (found.length !== expected.length) {
    throw new Error(`${picture.file}: ${found.length} numbers, but torchvision made ${expected.length}`);
  }
  const plane = expected.length / 3;
  let max = 0;
  const normalized = std.map((deviation, channel) => {
    let sum = 0;
    for (let i = channel * plane; i < (channel + 1) * plane; i += 1) {
      const difference = Math.abs((found[i] as number) - (expected[i] as number));
      // A NaN is no small difference.
      if (!Number.isFinite(difference)) return Number.POSITIVE_INFINITY;
      sum += difference;
      max = Math.max(max, difference * deviation * 255);
    }
    return sum / plane;
  });
  const mean = std.map((deviation, channel) => (normalized[channel] as number) * deviation * 255);
  return { picture, mean, max, normalized: Math.max(...normalized) };
}

function table(differences: readonly Difference[]): string {
  const rows = differences.map(({ picture, mean, max, normalized }) => [
    picture.photograph,
    picture.variant,
    picture.size.join('x'),
    ...mean.map((value) => value.toFixed(3)),
    max.toFixed(0),
    normalized.toFixed(4),
    Math.max(...mean) < LIMIT ? 'agrees' : '**differs**',
  ]);
  const header = ['photograph', 'as', 'size', 'red', 'green', 'blue', 'max', 'normalised', 'verdict'];
  const rule = ['---', '---', '---', '---:', '---:', '---:', '---:', '---:', '---'];
  return [header, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Every way of saving the photographs, in one row: the means over its pictures, and the worst of them. */
function summary(differences: readonly Difference[]): string {
  const variants = [...new Set(differences.map(({ picture }) => picture.variant))];
  const rows = variants.map((variant) => {
    const those = differences.filter(({ picture }) => picture.variant === variant);
    const worst = those.map(({ mean }) => Math.max(...mean));
    const average = worst.reduce((total, value) => total + value, 0) / worst.length;
    const normalized = Math.max(...those.map((difference) => difference.normalized));
    const max = Math.max(...those.map((difference) => difference.max));
    const cells = [
      those.length,
      average.toFixed(3),
      Math.max(...worst).toFixed(3),
      max.toFixed(0),
      normalized.toFixed(4),
    ];
    return `| ${[variant, ...cells].join(' | ')} |`;
  });
  const header = '| saved | pictures | mean of all | mean of the worst | max | normalised, worst |';
  return [header, '| --- | ---: | ---: | ---: | ---: | ---: |', ...rows].join('\n');
}

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    brief: { type: 'boolean', default: false },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'presisi-agreement-'));
try {
  const script = fileURLToPath(new URL('preprocessing.py', import.meta.url));
  execFileSync(values.python, [script, folder], { stdio: ['ignore', 'ignore', 'inherit'] });
  const index = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as Index;
  const { resize, crop, mean, std, pictures } = index;
  const preprocessing: Preprocessing = {
    ...{ resize, crop, mean, std },
    ...{ kernel: 'linear', scale: 1 / 255, layout: 'NCHW', channels: 'RGB' },
  };
  await using engine = await identityEngine(folder, crop);
  const differences: Difference[] = [];
  for await (const found of tensors(folder, engine, pictures, preprocessing)) {
    const picture = pictures[differences.length] as Picture;
    const { buffer, byteOffset, byteLength } = await readFile(join(folder, `${picture.file}.f32`));
    differences.push(compare(picture, found, new Float32Array(buffer, byteOffset, byteLength / 4), std));
  }
  const versions = { ...index.versions, sharp: sharp.versions.sharp, libvips: sharp.versions.vips };
  console.log(
    `${Object.entries(versions)
      .map((pair) => pair.join(' '))
      .join(', ')}\n`,
  );
  if (!values.brief) console.log(`${table(differences)}\n`);
  console.log(`${summary(differences)}\n`);
  const different = differences.filter((difference) => !(Math.max(...difference.mean) < LIMIT));
  const agree = differences.length - different.length;
  console.log(`${agree} of ${differences.length} pictures agree to less than ${LIMIT}/255 in every channel.`);
  if (different.length > 0 || differences.length === 0) process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}
