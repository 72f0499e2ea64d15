import { basename, dirname, join, resolve } from 'node:path';
import {
  type Dataset,
  type DatasetOptions,
  finish,
  invalidDataset,
  refuseOrSkip,
  type Sample,
  type Skipped,
} from './dataset.js';
import { fileIn, firstFile, listFolder, readLines } from './files.js';
import { orderClasses } from './labels.js';
import { type MatValue, readMatFile } from './matfile.js';

const CLASSES = 1000;
const PICTURE = /^ILSVRC2012_val_(\d{8})\.JPEG$/;
const DEVKIT_LIST = 'ILSVRC2012_validation_ground_truth.txt';
const CAFFE_LIST = 'val.txt';

export const isValidationPicture = (name: string): boolean => PICTURE.test(name);

/** Where the answers lie unless the caller says so: beside the pictures, above them, or in the development kit. */
const nearby = (folder: string): string[] =>
  [folder, dirname(resolve(folder))].flatMap((place) => [
    join(place, CAFFE_LIST),
    join(place, DEVKIT_LIST),
    join(place, 'data', DEVKIT_LIST),
    join(place, 'ILSVRC2012_devkit_t12', 'data', DEVKIT_LIST),
  ]);

interface Answers {
  readonly path: string;
  /** The network's class by the picture's name. */
  readonly labels: ReadonlyMap<string, number>;
  /** Names by index, where the answers bring them. */
  readonly classes?: readonly string[];
}

/**
 * ImageNet's validation pictures (Russakovsky et al. 2015) as they are handed out, flat in one folder, with either list
 * of answers: Caffe's `val.txt`, whose indices are the networks' own, or the development kit's, whose IDs only its
 * `meta.mat` translates.
 */
export async function openImagenet(
  folder: string,
  groundTruth: string | undefined,
  meta: string | undefined,
  options: DatasetOptions,
): Promise<Dataset> {
  const present = (await listFolder(folder)).filter((entry) => !entry.isDirectory()).map(({ name }) => name);
  const answers = await readAnswers(folder, groundTruth, meta);
  const order = orderClasses(folder, undefined, options.labels ?? answers.classes, CLASSES);
  const there = new Set(present);
  const bad: Skipped[] = [];
  const samples: Sample[] = [];
  for (const [name, label] of answers.labels) {
    const path = join(folder, name);
    if (there.has(name)) samples.push({ image: { name: path, source: path }, label });
    else bad.push({ name: path, reason: 'no such file' });
  }
  for (const name of present) {
    if (isValidationPicture(name) && !answers.labels.has(name)) {
      bad.push({ name: join(folder, name), reason: `not in ${answers.path}` });
    }
  }
  const skipped = refuseOrSkip(bad, 'pictures', options);
  const { classes } = order;
  const name = basename(resolve(folder));
  return finish({ name, format: 'imagenet', ...(classes && { classes }), samples, skipped, warnings: [] }, options);
}

async function readAnswers(folder: string, given: string | undefined, meta: string | undefined): Promise<Answers> {
  const path = given ?? (await firstFile(nearby(folder)));
  if (path === undefined) {
    throw invalidDataset(
      `there are no answers for the pictures in ${folder}: neither ${CAFFE_LIST} nor ${DEVKIT_LIST} lies beside them`,
      'put one of them there, or give it as groundTruth; the development kit of ILSVRC2012 has the second',
    );
  }
  const lines = await readLines(path);
  if (lines.length === 0) throw invalidDataset(`${path} is empty`);
  return /^\d+$/.test(lines[0]?.trim() ?? '') ? devkitAnswers(path, lines, meta) : caffeAnswers(path, lines);
}

/** `ILSVRC2012_val_00000001.JPEG 65`: an index from 0 over the synsets in the order of their WordNet IDs. */
function caffeAnswers(path: string, lines: readonly string[]): Answers {
  const labels = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const [, name, text] = /^(\S+)\s+(\d+)$/.exec(line.trim()) ?? [];
    const label = Number(text);
    if (name === undefined || label >= CLASSES) {
      throw invalidDataset(`${path}, line ${index + 1}: expected a picture's name and an index below ${CLASSES}`);
    }
    if (basename(name) !== name) throw invalidDataset(`${path}, line ${index + 1}: ${name} is no name but a path`);
    labels.set(name, label);
  }
  return { path, labels };
}

/** Line n is the ID of picture n. IDs are in the kit's own order: without meta.mat they say nothing to a network. */
async function devkitAnswers(path: string, lines: readonly string[], given: string | undefined): Promise<Answers> {
  const meta = given ?? (await fileIn(dirname(path), 'meta.mat'));
  if (meta === undefined) {
    throw invalidDataset(
      `${path} gives ILSVRC IDs, which are not the classes of networks, and there is no meta.mat to translate them`,
      `give the development kit's meta.mat as meta, or put it beside the list; Caffe's ${CAFFE_LIST} needs none`,
    );
  }
  const { indices, classes } = await readSynsets(meta);
  const labels = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    const label = /^\d+$/.test(text) ? indices.get(Number(text)) : undefined;
    if (label === undefined) {
      throw invalidDataset(
        `${path}, line ${index + 1}: expected an ID from 1 to ${CLASSES}, found ${JSON.stringify(text.slice(0, 40))}`,
      );
    }
    labels.set(`ILSVRC2012_val_${String(index + 1).padStart(8, '0')}.JPEG`, label);
  }
  return { path, labels, classes };
}

/** The networks' index by ILSVRC ID: the rank of the synset's WordNet ID among the thousand. */
async function readSynsets(path: string): Promise<{ indices: Map<number, number>; classes: string[] }> {
  const synsets = (await readMatFile(path)).get('synsets');
  if (synsets?.kind !== 'struct') throw invalidDataset(`${path} has no structures called synsets`);
  const leaves = synsets.elements
    .map((synset) => ({
      id: integer(synset.get('ILSVRC2012_ID')),
      wnid: text(synset.get('WNID')),
      words: text(synset.get('words')),
    }))
    // Behind the thousand classes stand the groups they belong to.
    .filter(({ id }) => id >= 1 && id <= CLASSES);
  const ids = new Set(leaves.map(({ id }) => id));
  const wnids = new Set(leaves.map(({ wnid }) => wnid));
  if (leaves.length !== CLASSES || ids.size !== CLASSES || wnids.size !== CLASSES || wnids.has('')) {
    throw invalidDataset(`${path} describes ${Math.min(ids.size, wnids.size)} classes instead of ${CLASSES}`);
  }
  const sorted = leaves.sort((a, b) => (a.wnid < b.wnid ? -1 : 1));
  return {
    indices: new Map(sorted.map(({ id }, index) => [id, index])),
    classes: sorted.map(({ wnid, words }) => words || wnid),
  };
}

const integer = (value: MatValue | undefined): number => (value?.kind === 'numbers' ? (value.data[0] ?? 0) : 0);
const text = (value: MatValue | undefined): string => (value?.kind === 'text' ? value.text : '');
