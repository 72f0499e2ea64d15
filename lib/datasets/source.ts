import type { z } from 'zod';
import { invalidArgument, PresisiError } from '../errors.js';
import { check, oneOf, options, text } from '../options.js';
import type { Flowers102Split } from './flowers102.js';

/** One folder for each class. */
export interface FolderSource {
  readonly folder: string;
}

/** A list of pictures and classes: CSV, JSON Lines, or JSON with splits. */
export interface ManifestSource {
  readonly manifest: string;
  /** Which part of a manifest in JSON. Default: its only one. */
  readonly split?: string;
}

/** ImageNet's validation pictures, flat in a folder. */
export interface ImagenetSource {
  readonly imagenet: string;
  /** `val.txt` or `ILSVRC2012_validation_ground_truth.txt`. Default: looked for beside and above the pictures. */
  readonly groundTruth?: string;
  /** The development kit's `meta.mat`, which its ground truth needs. Default: looked for beside that. */
  readonly meta?: string;
}

/** A file of the binary version, or the folder with `test_batch.bin`. */
export interface Cifar10Source {
  readonly cifar10: string;
}

/** A file of the binary version, or the folder with `test.bin`. */
export interface Cifar100Source {
  readonly cifar100: string;
  /** Which of the two labels: 100 classes, or the 20 they are grouped into. Default `fine`. */
  readonly labels?: 'fine' | 'coarse';
}

/** The folder with `jpg`, `imagelabels.mat` and `setid.mat`. */
export interface Flowers102Source {
  readonly flowers102: string;
  /** Default `test`. */
  readonly split?: Flowers102Split;
}

/** Where a data set lies and what form it has; for a path alone the form is recognised by what lies there. */
export type DatasetSource =
  | string
  | FolderSource
  | ManifestSource
  | ImagenetSource
  | Cifar10Source
  | Cifar100Source
  | Flowers102Source;

const path = () => text('a path');
const SPLITS = ['train', 'validation', 'test'] as const;
const LABELS = ['fine', 'coarse'] as const;

const schemas = {
  folder: options({ folder: path() }),
  manifest: options({ manifest: path(), split: text().optional() }),
  imagenet: options({ imagenet: path(), groundTruth: path().optional(), meta: path().optional() }),
  cifar10: options({ cifar10: path() }),
  cifar100: options({ cifar100: path(), labels: oneOf(LABELS).optional() }),
  flowers102: options({ flowers102: path(), split: oneOf(SPLITS).optional() }),
};

/** The forms of {@link DatasetSource} by name, as the command line writes them before a colon. */
export type DatasetForm = keyof typeof schemas;
const FORMS = Object.keys(schemas) as DatasetForm[];

/** A source that says its form. */
export type CheckedSource = {
  [Form in DatasetForm]: { readonly form: Form } & z.infer<(typeof schemas)[Form]>;
}[DatasetForm];

/** Checks a source that is an object. */
export function checkSource(value: unknown, name: string): CheckedSource {
  const form = FORMS.find((key) => typeof value === 'object' && value !== null && key in value);
  if (form === undefined) throw invalidArgument(`a path, or an object with one of ${FORMS.join(', ')}`, name, value);
  return { form, ...check<object>(schemas[form], value, name) } as CheckedSource;
}

/** What may follow `#`, for the forms that have parts. */
const PARTS: Partial<Record<DatasetForm, 'split' | 'labels'>> = {
  manifest: 'split',
  cifar100: 'labels',
  flowers102: 'split',
};

/**
 * A data set as the command line writes it: a path, or a form, a colon and a path, and for some forms `#` and a part:
 * `folder:photos`, `manifest:list.json#test`, `cifar100:test.bin#coarse`, `flowers102:flowers#validation`,
 * `imagenet:val`. A `#` or a colon in any other place belongs to the path.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT
 */
export function parseDatasetSource(text: string): DatasetSource {
  const [, form, rest = ''] = /^([a-z0-9]+):(.*)$/s.exec(text) ?? [];
  if (form === undefined || !FORMS.includes(form as DatasetForm)) {
    if (text === '') throw invalidArgument('a path', 'the data set', text);
    return text;
  }
  const part = PARTS[form as DatasetForm];
  const [, path = rest, name] = (part && /^(.*)#([^#/]+)$/s.exec(rest)) || [];
  if (path === '') {
    throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `${JSON.stringify(text)} names no path after "${form}:"`);
  }
  const source = { [form]: path, ...(part && name !== undefined && { [part]: name }) };
  const { form: _, ...checked } = checkSource(source, JSON.stringify(text));
  return checked as DatasetSource;
}
