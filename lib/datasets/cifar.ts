import { basename, dirname, extname, join } from 'node:path';
import { type RawImage, spread } from '../images.js';
import { type Dataset, type DatasetOptions, finish, invalidDataset, type Sample } from './dataset.js';
import { fileIn, readLines, readRecords } from './files.js';
import { orderClasses } from './labels.js';

/** Pictures are 32x32; three planes, red, green and blue. */
const SIDE = 32;
const PLANE = SIDE * SIDE;
const PIXELS = 3 * PLANE;

/** CIFAR-100's training set is 154 MB. */
const MAX_BYTES = 1024 * 1024 * 1024;

/** What differs between CIFAR-10 and CIFAR-100. */
export interface CifarForm {
  readonly format: 'cifar10' | 'cifar100';
  /** Bytes before the pixels of each record. */
  readonly labelBytes: number;
  /** Which of them is the label. */
  readonly labelAt: number;
  readonly classCount: number;
  /** Where the names lie, beside the pictures. */
  readonly namesFile: string;
  /** The test set, where only the folder was given. */
  readonly testFile: string;
}

export const CIFAR10: CifarForm = {
  format: 'cifar10',
  labelBytes: 1,
  labelAt: 0,
  classCount: 10,
  namesFile: 'batches.meta.txt',
  testFile: 'test_batch.bin',
};
const CIFAR100 = { format: 'cifar100', labelBytes: 2, testFile: 'test.bin' } as const;
export const CIFAR100_FINE: CifarForm = {
  ...CIFAR100,
  labelAt: 1,
  classCount: 100,
  namesFile: 'fine_label_names.txt',
};
export const CIFAR100_COARSE: CifarForm = {
  ...CIFAR100,
  labelAt: 0,
  classCount: 20,
  namesFile: 'coarse_label_names.txt',
};

export const recordBytes = ({ labelBytes }: CifarForm): number => labelBytes + PIXELS;

/**
 * The binary version of CIFAR-10 or CIFAR-100 (Krizhevsky 2009): records of labels and 3,072 bytes of pixels. Only the
 * records that `limit` leaves are read.
 */
export async function openCifar(path: string, form: CifarForm, options: DatasetOptions): Promise<Dataset> {
  const file = extname(path).toLowerCase() === '.bin' ? path : join(path, form.testFile);
  const { classCount, labelAt, format } = form;
  const order = orderClasses(file, await readNames(file, form), options.labels, classCount);
  const size = recordBytes(form);
  const { indices, bytes } = await readRecords(file, size, MAX_BYTES, (count) => {
    const all = Array.from({ length: count }, (_, index) => index);
    return options.limit === undefined ? all : spread(all, options.limit);
  });
  const samples = indices.map((index, i): Sample => {
    const record = bytes.subarray(i * size, (i + 1) * size);
    const label = order.at(record[labelAt] as number);
    if (label === undefined) {
      throw invalidDataset(
        `${file}, picture ${index}: label ${record[labelAt]} is none of the ${classCount} classes`,
        'the file may be damaged, or of another data set',
      );
    }
    return { image: { name: `${file}#${index}`, source: planarPicture(record.subarray(form.labelBytes)) }, label };
  });
  const { classes } = order;
  return finish(
    { name: basename(file), format, ...(classes && { classes }), samples, skipped: [], warnings: [] },
    options,
  );
}

/** The planes stay as they lie in the file; they are interleaved when the picture is used. */
function planarPicture(planes: Uint8Array): RawImage {
  return {
    width: SIDE,
    height: SIDE,
    channels: 3,
    get data() {
      const pixels = new Uint8Array(PIXELS);
      for (let i = 0; i < PLANE; i += 1) {
        pixels[3 * i] = planes[i] as number;
        pixels[3 * i + 1] = planes[PLANE + i] as number;
        pixels[3 * i + 2] = planes[2 * PLANE + i] as number;
      }
      return pixels;
    },
  };
}

async function readNames(file: string, { namesFile, classCount }: CifarForm): Promise<string[] | undefined> {
  const path = await fileIn(dirname(file), namesFile);
  if (path === undefined) return undefined;
  // CIFAR-10's list ends in an empty line of its own.
  const names = (await readLines(path)).map((name) => name.trim()).filter((name) => name !== '');
  if (names.length !== classCount) throw invalidDataset(`${path} has ${names.length} names instead of ${classCount}`);
  return names;
}
