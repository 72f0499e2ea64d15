import { access, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TensorInfo } from 'presisi';
import sharp from 'sharp';
import { ROOT } from './child.js';
import { ARCHITECTURES, ensureModel } from './models/model.js';

const IMAGES = join(ROOT, 'calibration-data', 'images');
const MEAN = [0.485, 0.456, 0.406] as const; // ImageNet's, as presisi preprocesses unless told otherwise
const STD = [0.229, 0.224, 0.225] as const;

/** `count` pictures of a split, evenly spread over its classes; again from the start when there are fewer. */
export async function pictures(split: 'calibration' | 'test', count: number): Promise<string[]> {
  const folder = join(IMAGES, split);
  const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.jpg')).sort();
  if (files.length === 0) throw new Error(`there are no pictures in ${folder}`);
  const some = Math.min(count, files.length);
  const chosen = Array.from({ length: some }, (_, i) => files[Math.floor((i * files.length) / some)] ?? '');
  return Array.from({ length: count }, (_, i) => join(folder, chosen[i % some] ?? ''));
}

/** Writes pictures as the network takes them: raw float32 values, NCHW. */
export async function writeInput(path: string, input: TensorInfo | undefined, files: string[]): Promise<void> {
  const [, channels, height = -1, width = -1] = input?.dims ?? [];
  if (channels !== 3 || height <= 0 || width <= 0) {
    throw new Error(`Expected a network with an input [N, 3, H, W] but it has [${input?.dims.join(', ')}]`);
  }
  const plane = height * width;
  const values = new Float32Array(files.length * 3 * plane);
  for (const [index, picture] of files.entries()) {
    const pixels = await sharp(picture).resize(width, height, { fit: 'cover' }).removeAlpha().raw().toBuffer();
    for (let i = 0; i < plane * 3; i++) {
      const channel = i % 3;
      const value = ((pixels[i] ?? 0) / 255 - (MEAN[channel] ?? 0)) / (STD[channel] ?? 1);
      values[(index * 3 + channel) * plane + Math.floor(i / 3)] = value;
    }
  }
  await writeFile(path, new Uint8Array(values.buffer));
}

/** The ONNX file of an architecture that is made here, a folder of `models/`, or a path. */
export async function findModel(name: string, seed: number, folder: string): Promise<string> {
  if (Object.hasOwn(ARCHITECTURES, name)) return ensureModel(name, seed, folder);
  const shipped = join(ROOT, 'models', name, 'model.onnx');
  for (const path of [shipped, name]) {
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (exists && path.endsWith('.onnx')) return path;
  }
  throw new Error(`Expected ${Object.keys(ARCHITECTURES).join(', ')}, ${shipped} or a path but received ${name}`);
}
