import { readFile } from 'node:fs/promises';
import { fileSystemError } from '../errors.js';
import { enumerate, invalidDataset } from './dataset.js';

/** Which of the network's classes a class of the data set is. */
export interface ClassOrder {
  /** Names by the network's index; absent where nobody names them. */
  readonly classes?: readonly string[];
  /** The network's index of the data set's class `index`; undefined where that is no class. */
  at(index: number): number | undefined;
}

/**
 * Brings a data set's classes into the order of `labels`. Names are matched exactly or, where that fails, without regard
 * to case and to what stands between words: `Forget me not` is `forget-me-not`.
 *
 * @param own names of the data set's classes by its index, where it has any
 * @param count how many classes the data set has, where its format says so
 */
export function orderClasses(
  set: string,
  own: readonly string[] | undefined,
  labels: readonly string[] | undefined,
  count = own?.length,
): ClassOrder {
  if (labels === undefined || own === undefined) {
    if (labels !== undefined && count !== undefined && labels.length !== count) {
      throw invalidDataset(
        `${set} has ${count} classes without names, and ${labels.length} labels were given`,
        'give one name for each class, in the order of their indices',
      );
    }
    const classes = own ?? labels;
    const size = count ?? classes?.length ?? Number.POSITIVE_INFINITY;
    return { ...(classes && { classes }), at: (index) => (index >= 0 && index < size ? index : undefined) };
  }
  const find = finder(labels);
  const order = own.map(find);
  const unknown = own.filter((_, index) => order[index] === undefined);
  if (unknown.length > 0) {
    throw invalidDataset(
      `${unknown.length} of the ${own.length} classes of ${set} are not among the ${labels.length} labels, or among them twice: ${enumerate(unknown)}`,
      'labels are the names of the network’s classes; each class of the data set must be one of them',
    );
  }
  return { classes: labels, at: (index) => order[index] };
}

/** Finds a name's index; undefined where there is no such name, or more than one. */
export function finder(labels: readonly string[]): (name: string) => number | undefined {
  const exact = indices(labels);
  const loose = indices(labels.map(simplify));
  return (name) => (exact.has(name) ? exact.get(name) : loose.get(simplify(name)));
}

/** Indices by name; a name that stands there twice means neither. */
function indices(names: readonly string[]): Map<string, number | undefined> {
  const found = new Map<string, number | undefined>();
  for (const [index, name] of names.entries()) found.set(name, found.has(name) ? undefined : index);
  return found;
}

const simplify = (name: string): string =>
  name
    .normalize('NFC')
    .trim()
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ');

/** Names of classes, one a line; an empty line at the end doesn't count. */
export async function readLabels(path: string): Promise<string[]> {
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '').split(/\r?\n/);
  } catch (error) {
    throw fileSystemError('read the labels', path, error);
  }
}
