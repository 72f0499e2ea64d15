import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { TensorInfo } from 'presisi';
import sharp from 'sharp';
import { ROOT } from './child.js';

const IMAGES = join(ROOT, 'calibration-data', 'images');

/** ImageNet's, as presisi preprocesses unless told otherwise. */
export const MEAN = [0.485, 0.456, 0.406] as const;
export const STD = [0.229, 0.224, 0.225] as const;

/** `count` pictures of some splits, evenly spread over their classes; again from the start when there are fewer. */
export async function pictures(splits: readonly ('calibration' | 'test')[], count: number): Promise<string[]> {
  const files: string[] = [];
  for (const split of splits) {
    const found = (await readdir(join(IMAGES, split), { recursive: true })).filter((file) => file.endsWith('.jpg'));
    files.push(...found.sort().map((file) => join(IMAGES, split, file)));
  }
  if (files.length === 0) throw new Error(`there are no pictures in ${IMAGES}`);
  const some = Math.min(count, files.length);
  const chosen = Array.from({ length: some }, (_, i) => files[Math.floor((i * files.length) / some)] ?? '');
  return Array.from({ length: count }, (_, i) => chosen[i % some] ?? '');
}

/** Copies of pictures as a camera would give them: enlarged so that the longer side has so many pixels. */
export async function enlarged(files: readonly string[], side: number, folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const copies: string[] = [];
  for (const [index, file] of files.entries()) {
    const copy = join(folder, `${index}-${basename(file)}`);
    await sharp(file).resize(side, side, { fit: 'inside', kernel: 'cubic' }).jpeg({ quality: 90 }).toFile(copy);
    copies.push(copy);
  }
  return copies;
}

/** Writes pictures as the network takes them: raw float32 values, NCHW. */
export async function writeInput(path: string, input: TensorInfo | undefined, files: readonly string[]): Promise<void> {
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
