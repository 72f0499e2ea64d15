import { basename, join, resolve } from 'node:path';
import { type Dataset, type DatasetOptions, finish, invalidDataset, refuseOrSkip } from './dataset.js';
import { missingFiles } from './files.js';
import { orderClasses } from './labels.js';
import { type MatFile, readMatFile } from './matfile.js';

export type Flowers102Split = 'train' | 'validation' | 'test';

const CLASSES = 102;

/** The variables of setid.mat. */
const VARIABLES: Readonly<Record<Flowers102Split, string>> = { train: 'trnid', validation: 'valid', test: 'tstid' };

/**
 * Oxford's 102 flowers (Nilsback and Zisserman 2008) as they are handed out: `jpg/image_00001.jpg` and so on,
 * `imagelabels.mat` with a class from 1 to 102 for each picture, and `setid.mat` with the numbers of each split's.
 */
export async function openFlowers102(
  folder: string,
  split: Flowers102Split,
  options: DatasetOptions,
): Promise<Dataset> {
  const labelsPath = join(folder, 'imagelabels.mat');
  const splitPath = join(folder, 'setid.mat');
  const labels = integers(await readMatFile(labelsPath), 'labels', labelsPath, CLASSES);
  const ids = integers(await readMatFile(splitPath), VARIABLES[split], splitPath, labels.length);
  const order = orderClasses(folder, undefined, options.labels, CLASSES);
  const listed = ids.map((id) => {
    const name = join(folder, 'jpg', `image_${String(id).padStart(5, '0')}.jpg`);
    return { image: { name, source: name }, label: order.at((labels[id - 1] as number) - 1) as number };
  });
  const skipped = refuseOrSkip(await missingFiles(listed.map(({ image }) => image.name)), 'pictures', options);
  const gone = new Set(skipped.map(({ name }) => name));
  const samples = listed.filter(({ image }) => !gone.has(image.name));
  const name = `${basename(resolve(folder))}#${split}`;
  const { classes } = order;
  return finish({ name, format: 'flowers102', ...(classes && { classes }), samples, skipped, warnings: [] }, options);
}

/** A variable's numbers, which are integers from 1 to `high`. */
function integers(file: MatFile, variable: string, path: string, high: number): number[] {
  const found = file.get(variable);
  if (found?.kind !== 'numbers') throw invalidDataset(`${path} has no numbers called ${variable}`);
  const wrong = found.data.findIndex((value) => !Number.isInteger(value) || value < 1 || value > high);
  if (wrong >= 0) {
    throw invalidDataset(
      `${path}: ${variable}(${wrong + 1}) is ${found.data[wrong]}, not an integer from 1 to ${high}`,
    );
  }
  return Array.from(found.data);
}
