import { checkRawImage, isRawImage } from '../decode.js';
import { invalidArgument, PresisiError } from '../errors.js';
import { type NamedImage, spread } from '../images.js';

export type DatasetFormat = 'folder' | 'manifest' | 'imagenet' | 'cifar10' | 'cifar100' | 'flowers102';

/** A picture and the index of the class it shows. */
export interface Sample {
  readonly image: NamedImage;
  readonly label: number;
}

/** What was left out, and why. */
export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

/** Pictures with their classes. They are read when they are used: opening a data set decodes nothing. */
export interface Dataset {
  /** What the data set is called in reports. */
  readonly name: string;
  readonly format: DatasetFormat;
  /** Names of the classes, by index; absent where neither the data set nor the caller names them. */
  readonly classes?: readonly string[];
  readonly samples: readonly Sample[];
  /** What the data set holds or lists and can't be used; empty unless `onBadImage` is `skip`. */
  readonly skipped: readonly Skipped[];
  /** What is no failure but should be known, such as classes without a picture. */
  readonly warnings: readonly string[];
}

export interface DatasetOptions {
  /** Names of the classes in the order of the network's output. Default: the data set's own order. */
  readonly labels?: readonly string[];
  /** How many pictures to use at most, evenly spread over the data set. Default: all. */
  readonly limit?: number;
  /** What to do about a listed picture that is missing, or a folder that is no class: reject, or leave it out. Default `error`. */
  readonly onBadImage?: 'error' | 'skip';
}

/** A data set's file or folder that is not what it should be. */
export const invalidDataset = (message: string, hint?: string, cause?: unknown): PresisiError =>
  new PresisiError('ERR_PRESISI_INVALID_DATASET', message, {
    ...(hint !== undefined && { hint }),
    ...(cause !== undefined && { cause }),
  });

/** `a, b, c and 7 more` */
export function enumerate(names: readonly string[], shown = 5): string {
  const listed = names.slice(0, shown).join(', ');
  return names.length > shown ? `${listed} and ${names.length - shown} more` : listed;
}

/** Refuses what can't be used, or passes it on to be reported. */
export function refuseOrSkip(bad: readonly Skipped[], what: string, options: DatasetOptions): readonly Skipped[] {
  if (bad.length === 0 || options.onBadImage === 'skip') return bad;
  const listed = bad.slice(0, 5).map(({ name, reason }) => `  - ${name}: ${reason}`);
  if (bad.length > listed.length) listed.push(`  - and ${bad.length - listed.length} more`);
  throw invalidDataset(
    `${bad.length} ${what} can't be used:\n${listed.join('\n')}`,
    "repair the data set, or set onBadImage to 'skip' (--skip-bad-images on the command line)",
  );
}

/** What should be known of classes that can't be measured, if there are any. */
export function emptyClasses(classes: readonly string[] | undefined, samples: readonly Sample[]): readonly string[] {
  const seen = new Set(samples.map(({ label }) => label));
  const empty = classes?.filter((_, index) => !seen.has(index)) ?? [];
  return empty.length === 0 ? [] : [`${empty.length} classes have no pictures: ${enumerate(empty)}`];
}

/** The data set as its user sees it: `limit` applied, and never without pictures. */
export function finish(found: Dataset, { limit }: DatasetOptions): Dataset {
  if (found.samples.length === 0) {
    throw invalidDataset(`${found.name} has no pictures`, 'the documentation lists the forms a data set can have');
  }
  return limit === undefined ? found : { ...found, samples: spread(found.samples, limit) };
}

/** Tells a data set from pictures, where either is taken. */
export const isDataset = (value: unknown): value is Dataset =>
  typeof value === 'object' && value !== null && 'samples' in value;

/** Refuses what isn't a data set, as plain JavaScript may pass it. */
export function requireDataset(value: unknown, name: string): Dataset {
  const { samples } = (value ?? {}) as Partial<Dataset>;
  if (!Array.isArray(samples)) throw invalidArgument('a data set from openDataset()', name, value);
  for (const [index, sample] of (samples as readonly (Partial<Sample> | null)[]).entries()) {
    const at = `${name}.samples[${index}]`;
    const { name: image, source } = sample?.image ?? {};
    if (typeof image !== 'string') throw invalidArgument('{ image: { name, source }, label }', at, sample);
    if (isRawImage(source)) checkRawImage(source, `${at}.image.source`);
    else if (typeof source !== 'string' && !(source instanceof Uint8Array)) {
      throw invalidArgument('a path, the bytes of a picture, or pixels', `${at}.image.source`, source);
    }
    if (!Number.isSafeInteger(sample?.label)) throw invalidArgument('an integer', `${at}.label`, sample?.label);
  }
  return value as Dataset;
}
