import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileSystemError } from '../errors.js';
import { CIFAR10, CIFAR100_FINE, recordBytes } from './cifar.js';
import { invalidDataset } from './dataset.js';
import { fileIn, listFolder } from './files.js';
import { isValidationPicture } from './imagenet.js';
import type { CheckedSource } from './source.js';

const MANIFESTS = ['.csv', '.jsonl', '.ndjson', '.json'];

const HINT =
  'a data set is a folder with one folder for each class, a manifest (.csv, .jsonl, .json), ImageNet’s validation ' +
  'pictures, CIFAR’s binary version or Oxford’s 102 flowers; folder:PATH, manifest:PATH, imagenet:PATH, cifar10:PATH, ' +
  'cifar100:PATH and flowers102:PATH say which on the command line';

/** What kind of data set lies at a path. */
export async function recognize(path: string): Promise<CheckedSource> {
  const info = await stat(path).catch((error: unknown) => {
    throw fileSystemError('read the data set', path, error);
  });
  const found = info.isDirectory() ? await recognizeFolder(path) : recognizeFile(path, info.size);
  if (found === undefined) throw invalidDataset(`${path} is in no form known for data sets`, HINT);
  return found;
}

function recognizeFile(path: string, size: number): CheckedSource | undefined {
  const extension = extname(path).toLowerCase();
  if (MANIFESTS.includes(extension)) return { form: 'manifest', manifest: path };
  if (extension !== '.bin' || size === 0) return undefined;
  if (size % recordBytes(CIFAR100_FINE) === 0) return { form: 'cifar100', cifar100: path };
  if (size % recordBytes(CIFAR10) === 0) return { form: 'cifar10', cifar10: path };
  return undefined;
}

async function recognizeFolder(path: string): Promise<CheckedSource | undefined> {
  const entries = await listFolder(path);
  const has = (name: string): boolean => entries.some((entry) => entry.name === name);
  if (has('imagelabels.mat') && has('setid.mat')) return { form: 'flowers102', flowers102: path };
  if (has(CIFAR10.testFile)) return { form: 'cifar10', cifar10: path };
  if (has(CIFAR100_FINE.testFile)) return { form: 'cifar100', cifar100: path };
  if (entries.some(({ name }) => isValidationPicture(name))) return { form: 'imagenet', imagenet: path };
  const manifest = await manifestIn(path);
  if (manifest !== undefined) return { form: 'manifest', manifest };
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) return { form: 'folder', folder: path };
    if (entry.isSymbolicLink() && (await stat(join(path, entry.name)).catch(() => undefined))?.isDirectory())
      return { form: 'folder', folder: path };
  }
  return undefined;
}

/** The manifest that a folder holds, by its usual name. */
export const manifestIn = (folder: string): Promise<string | undefined> =>
  fileIn(folder, ...MANIFESTS.map((extension) => `manifest${extension}`));
