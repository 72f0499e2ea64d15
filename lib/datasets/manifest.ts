import { basename, dirname, extname, resolve } from 'node:path';
import {
  type Dataset,
  type DatasetOptions,
  emptyClasses,
  enumerate,
  finish,
  invalidDataset,
  refuseOrSkip,
  type Sample,
} from './dataset.js';
import { missingFiles } from './files.js';
import { finder, orderClasses } from './labels.js';
import { type Entry, type Manifest, readCsv, readJsonLines, readSplits } from './manifest-forms.js';

/** A file that lists pictures and their classes: CSV, JSON Lines, or JSON with splits. */
export async function openManifest(path: string, split: string | undefined, options: DatasetOptions): Promise<Dataset> {
  const { entries, classes } = await read(path, split);
  const own = classes ?? (options.labels === undefined ? classNames(path, entries) : undefined);
  const names = own ?? options.labels;
  const order = orderClasses(path, own, options.labels, own?.length ?? options.labels?.length);
  const find = names && finder(names);
  const listed = entries.map(({ file, label, at }): Sample => {
    const index = order.at(typeof label === 'number' ? label : (find?.(label) ?? -1));
    if (index === undefined) {
      const known = names ? `there are ${names.length} classes: ${enumerate(names, 3)}` : 'labels count from 0';
      throw invalidDataset(`${path}, ${at}: ${JSON.stringify(label)} is no class; ${known}`);
    }
    const name = resolve(dirname(path), file);
    return { image: { name, source: name }, label: index };
  });
  const skipped = refuseOrSkip(await missingFiles(listed.map(({ image }) => image.name)), 'pictures', options);
  const gone = new Set(skipped.map(({ name }) => name));
  const samples = listed.filter(({ image }) => !gone.has(image.name));
  const found: Dataset = {
    name: split === undefined ? basename(path) : `${basename(path)}#${split}`,
    format: 'manifest',
    ...(order.classes && { classes: order.classes }),
    samples,
    skipped,
    warnings: emptyClasses(order.classes, samples),
  };
  return finish(found, options);
}

async function read(path: string, split: string | undefined): Promise<Manifest> {
  const extension = extname(path).toLowerCase();
  if (extension === '.json') return readSplits(path, split);
  if (split !== undefined) throw invalidDataset(`${path} has no splits: only manifests in JSON have them`);
  if (extension === '.csv') return readCsv(path);
  if (extension === '.jsonl' || extension === '.ndjson') return readJsonLines(path);
  throw invalidDataset(`${path} is no manifest: its name ends in none of .csv, .jsonl, .ndjson and .json`);
}

/** The classes that labels name, sorted; undefined where labels are indices. */
function classNames(path: string, entries: readonly Entry[]): string[] | undefined {
  const names = new Set<string>();
  for (const { label } of entries) if (typeof label === 'string') names.add(label);
  if (names.size === 0) return undefined;
  const index = entries.find(({ label }) => typeof label === 'number');
  if (index !== undefined) {
    throw invalidDataset(
      `${path}, ${index.at}: ${index.label} is an index among labels that are names`,
      'label all pictures in one way, or give the names of the classes as labels',
    );
  }
  return [...names].sort();
}
