import { stat } from 'node:fs/promises';
import { basename, join, relative, resolve, sep } from 'node:path';
import { listImages } from '../images.js';
import {
  type Dataset,
  type DatasetOptions,
  emptyClasses,
  finish,
  invalidDataset,
  refuseOrSkip,
  type Sample,
  type Skipped,
} from './dataset.js';
import { listFolder } from './files.js';
import { finder } from './labels.js';

/** One subfolder for each class, whose pictures may lie in further folders. Classes are in the order of their names. */
export async function openFolder(folder: string, options: DatasetOptions): Promise<Dataset> {
  const bad: Skipped[] = [];
  const pictures = await classFolders(folder);
  if (pictures.size === 0) {
    throw invalidDataset(
      `${folder} has no folders, one for each class`,
      'put the pictures of each class into a folder that is named like it',
    );
  }
  for (const path of await listImages(folder)) {
    const [first = '', ...rest] = relative(folder, path).split(sep);
    if (rest.length > 0) pictures.get(first)?.push(path);
    else bad.push({ name: path, reason: 'lies in no folder of a class' });
  }
  const classes = options.labels ?? [...pictures.keys()];
  const find = finder(classes);
  const samples: Sample[] = [];
  for (const [name, files] of pictures) {
    const label = find(name);
    if (label === undefined)
      bad.push({ name: join(folder, name), reason: 'no class, or more than one, has this name' });
    else samples.push(...files.map((file) => ({ image: { name: file, source: file }, label })));
  }
  const skipped = refuseOrSkip(bad, 'folders and pictures', options);
  const warnings = emptyClasses(classes, samples);
  return finish({ name: basename(resolve(folder)), format: 'folder', classes, samples, skipped, warnings }, options);
}

/** The classes' names, sorted. Links to folders are followed here, and their pictures are there already. */
async function classFolders(folder: string): Promise<Map<string, string[]>> {
  const found: [string, string[]][] = [];
  for (const entry of await listFolder(folder)) {
    if (entry.name.startsWith('.')) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push([entry.name, []]);
    else if (entry.isSymbolicLink() && (await stat(path).catch(() => undefined))?.isDirectory())
      found.push([entry.name, await listImages(path)]);
  }
  return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
