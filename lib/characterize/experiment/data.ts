import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openDataset } from '../../datasets/open.js';
import { parseDatasetSource } from '../../datasets/source.js';
import { identityOf } from '../../decode.js';
import { fileSystemError } from '../../errors.js';
import { hashBytes, hashFile } from '../../hash.js';
import { type ImageSource, resolveImages } from '../../images.js';

/** A picture of an experiment's data, with its class where that counts. */
export interface Picture {
  readonly source: ImageSource;
  readonly label?: number;
}

/** What data are told apart by: how many pictures, and the SHA-256 over them and their classes in order. */
export interface DataFacts {
  readonly pictures: number;
  readonly sha256: string;
}

/** What networks are calibrated with, as `presisi quantize --calibration` takes it: a path is pictures, a form makes it a data set. */
export async function calibrationPictures(data: string): Promise<Picture[]> {
  const source = parseDatasetSource(data);
  if (typeof source === 'string') {
    await access(source).catch((error: unknown) => {
      throw fileSystemError('read the pictures', source, error);
    });
    return resolveImages(source, 'calibration.data');
  }
  return (await openDataset(source)).samples.map(({ image }) => ({ source: image.source }));
}

/** What accuracy is measured on, as `presisi evaluate` takes it. */
export async function accuracyPictures(data: string, labels: readonly string[] | undefined): Promise<Picture[]> {
  const { samples } = await openDataset(parseDatasetSource(data), labels === undefined ? {} : { labels });
  return samples.map(({ image, label }) => ({ source: image.source, label }));
}

/** Where the pictures lie doesn't count, only what they are: data may move to another folder. */
export async function hashPictures(
  pictures: readonly Picture[],
  signal: AbortSignal,
): Promise<DataFacts & { readonly each: ReadonlySet<string> }> {
  const hash = createHash('sha256');
  const each = new Set<string>();
  for (const { source, label } of pictures) {
    signal.throwIfAborted();
    const sha256 = await hashPicture(source, signal);
    each.add(sha256);
    hash.update(`${sha256} ${label ?? ''}\n`);
  }
  return { pictures: pictures.length, sha256: hash.digest('hex'), each };
}

async function hashPicture(source: ImageSource, signal: AbortSignal): Promise<string> {
  if (typeof source === 'string') return (await hashFile(source, signal)).sha256;
  return hashBytes(...identityOf(source));
}

/** A data set as it is written, its path absolute: `manifest:list.json#test` in `/data` is `manifest:/data/list.json#test`. */
export function absoluteData(data: string, folder: string): string {
  const source = parseDatasetSource(data);
  if (typeof source === 'string') return resolve(folder, source);
  // An object of one path by its form, and of one part at most.
  const [[form, path] = ['', ''], [, part] = []] = Object.entries(source);
  return `${form}:${resolve(folder, path)}${part === undefined ? '' : `#${part}`}`;
}
