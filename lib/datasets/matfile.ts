import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { invalidDataset } from './dataset.js';
import { readWhole } from './files.js';

// A reader of our own: the registry's only one for MAT-files, mat-for-js, is under the GPL, which a package under the
// Apache licence must not depend on. What data sets need is little: numbers, text, and the structures of meta.mat.
// The format is "MAT-File Format", R2024a, The MathWorks: level 5, as `save -v6` and `save -v7` write it.

export type MatValue =
  | { readonly kind: 'numbers'; readonly dims: readonly number[]; readonly data: Float64Array }
  | { readonly kind: 'text'; readonly dims: readonly number[]; readonly text: string }
  | { readonly kind: 'cell'; readonly dims: readonly number[]; readonly cells: readonly MatValue[] }
  | {
      readonly kind: 'struct';
      readonly dims: readonly number[];
      /** One structure for each element, in the file's order (first dimension fastest). */
      readonly elements: readonly ReadonlyMap<string, MatValue>[];
    }
  /** Sparse matrices, objects, functions: there, but not read. */
  | { readonly kind: 'unsupported' };

/** Variables by name. */
export type MatFile = ReadonlyMap<string, MatValue>;

const HEADER_BYTES = 128;
/** Labels and descriptions of data sets have a few megabytes at most; as JavaScript values they take some ten times that. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** What all compressed variables of a file may grow to. */
const MAX_INFLATED_BYTES = 16 * 1024 * 1024;
const MAX_DEPTH = 16;

const MI_MATRIX = 14;
const MI_COMPRESSED = 15;
const MX = { cell: 1, struct: 2, char: 4, double: 6, uint64: 15 } as const;
const COMPLEX = 0x08;

type Read = (view: DataView, offset: number, little: boolean) => number;

/** How each numeric data type is stored, by its number: bytes and reader. */
const NUMBERS: Readonly<Record<number, readonly [bytes: number, read: Read]>> = {
  1: [1, (view, at) => view.getInt8(at)],
  2: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at, little) => view.getInt16(at, little)],
  4: [2, (view, at, little) => view.getUint16(at, little)],
  5: [4, (view, at, little) => view.getInt32(at, little)],
  6: [4, (view, at, little) => view.getUint32(at, little)],
  7: [4, (view, at, little) => view.getFloat32(at, little)],
  9: [8, (view, at, little) => view.getFloat64(at, little)],
  12: [8, (view, at, little) => Number(view.getBigInt64(at, little))],
  13: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
  // Text: UTF-8, UTF-16, UTF-32. Only as numbers here; `text` turns them into characters.
  16: [1, (view, at) => view.getUint8(at)],
  17: [2, (view, at, little) => view.getUint16(at, little)],
  18: [4, (view, at, little) => view.getUint32(at, little)],
};
const UTF8 = 16;

/**
 * The variables of a MAT-file of level 5.
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM, or ERR_PRESISI_INVALID_DATASET when it is no such file, or damaged.
 */
export async function readMatFile(path: string): Promise<MatFile> {
  return parseMatFile(await readWhole(path, MAX_FILE_BYTES), path);
}

/** The same for a file's bytes; `path` is what messages call it. */
export async function parseMatFile(bytes: Buffer, path: string): Promise<MatFile> {
  try {
    return await readVariables(bytes);
  } catch (error) {
    const hint = 'MAT-files of version 7 or older are read; MATLAB writes them with save -v7';
    throw invalidDataset(`${path} is no readable MAT-file: ${(error as Error).message}`, hint, error);
  }
}

async function readVariables(bytes: Buffer): Promise<MatFile> {
  if (bytes.length < HEADER_BYTES) throw new Error(`it has only ${bytes.length} bytes`);
  const order = bytes.toString('latin1', 126, 128);
  if (order !== 'IM' && order !== 'MI') throw new Error('it has no header of level 5');
  const little = order === 'IM';
  const version = little ? bytes.readUInt16LE(124) : bytes.readUInt16BE(124);
  if (version !== 0x0100) {
    throw new Error(version === 0x0200 ? 'it is of version 7.3, which is HDF5' : `it is of version ${version}`);
  }
  const variables = new Map<string, MatValue>();
  const file = new Elements(bytes.subarray(HEADER_BYTES), little);
  let budget = MAX_INFLATED_BYTES;
  while (!file.done) {
    let { type, data } = file.next();
    if (type === MI_COMPRESSED) {
      const inflated = await inflateAtMost(data, budget);
      budget -= inflated.length;
      ({ type, data } = new Elements(inflated, little).next());
    }
    if (type !== MI_MATRIX) continue;
    const { name, value } = readMatrix(data, little, 0);
    variables.set(name, value);
  }
  return variables;
}

const inflateAsync = promisify<Buffer, object, Buffer>(inflate);

async function inflateAtMost(data: Buffer, budget: number): Promise<Buffer> {
  try {
    return await inflateAsync(data, { maxOutputLength: Math.max(1, budget) });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ERR_BUFFER_TOO_LARGE' ? `they grow beyond ${MAX_INFLATED_BYTES} bytes` : 'they are damaged';
    throw new Error(`its compressed variables can't be read: ${reason}`, { cause: error });
  }
}

interface Element {
  readonly type: number;
  readonly data: Buffer;
}

/** Data elements one after the other: a tag of 8 bytes, data, padding to 8 bytes; up to 4 bytes lie in the tag itself. */
class Elements {
  readonly #bytes: Buffer;
  readonly #little: boolean;
  #offset = 0;

  constructor(bytes: Buffer, little: boolean) {
    this.#bytes = bytes;
    this.#little = little;
  }

  get done(): boolean {
    return this.#offset >= this.#bytes.length;
  }

  next(): Element {
    const start = this.#offset;
    const first = this.#word(start);
    const smallSize = first >>> 16;
    if (smallSize > 0) {
      if (smallSize > 4) throw new Error(`an element of ${smallSize} bytes is said to lie in its tag`);
      this.#offset = start + 8;
      return { type: first & 0xffff, data: this.#cut(start + 4, smallSize) };
    }
    const size = this.#word(start + 4);
    const data = this.#cut(start + 8, size);
    // The last padding may be missing; compressed elements have none.
    this.#offset = start + 8 + (first === MI_COMPRESSED ? size : Math.ceil(size / 8) * 8);
    return { type: first, data };
  }

  #word(at: number): number {
    if (at + 4 > this.#bytes.length) throw new Error('it ends in the middle of an element');
    return this.#little ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt32BE(at);
  }

  #cut(at: number, size: number): Buffer {
    if (at + size > this.#bytes.length) throw new Error('it ends in the middle of an element');
    return this.#bytes.subarray(at, at + size);
  }
}

const EMPTY: MatValue = { kind: 'numbers', dims: [0, 0], data: new Float64Array() };

/** A matrix: flags, dimensions, name, then what its class demands. */
function readMatrix(bytes: Buffer, little: boolean, depth: number): { name: string; value: MatValue } {
  // Empty elements of cells and structures may be nothing but a tag.
  if (bytes.length === 0) return { name: '', value: EMPTY };
  if (depth > MAX_DEPTH) throw new Error(`it nests deeper than ${MAX_DEPTH} levels`);
  const parts = new Elements(bytes, little);
  const [flags = 0] = numbers(parts.next(), little);
  const dims = Array.from(numbers(parts.next(), little));
  const count = dims.reduce((all, dim) => all * dim, 1);
  if (dims.length < 2 || dims.some((dim) => dim < 0) || !Number.isSafeInteger(count)) {
    throw new Error(`a variable has the dimensions ${dims.join('x')}`);
  }
  const name = parts.next().data.toString('latin1');
  return { name, value: readContent(parts, { type: flags & 0xff, complex: ((flags >>> 8) & COMPLEX) !== 0 }) };

  function readContent(rest: Elements, { type, complex }: { type: number; complex: boolean }): MatValue {
    if (type === MX.char) return { kind: 'text', dims, text: characters(rest.next(), count, little) };
    if (type === MX.cell) return { kind: 'cell', dims, cells: nested(rest, count) };
    if (type === MX.struct) return { kind: 'struct', dims, elements: structures(rest) };
    if (type < MX.double || type > MX.uint64 || complex) return { kind: 'unsupported' };
    const data = numbers(rest.next(), little);
    if (data.length !== count) throw new Error(`${name || 'a variable'} has ${data.length} numbers, not ${count}`);
    return { kind: 'numbers', dims, data };
  }

  /** Every nested matrix has at least a tag of 8 bytes: a count beyond that never gets far. */
  function nested(rest: Elements, total: number): MatValue[] {
    const values: MatValue[] = [];
    while (values.length < total) {
      const { type, data } = rest.next();
      if (type !== MI_MATRIX) throw new Error(`there is an element of type ${type} in the place of a matrix`);
      values.push(readMatrix(data, little, depth + 1).value);
    }
    return values;
  }

  function structures(rest: Elements): ReadonlyMap<string, MatValue>[] {
    const [length = 0] = numbers(rest.next(), little);
    const list = rest.next().data;
    if (length < 1 || list.length % length !== 0) throw new Error('the names of a structure are damaged');
    const names = Array.from({ length: list.length / length }, (_, i) =>
      list.toString('latin1', i * length, (i + 1) * length).replace(/\0.*$/s, ''),
    );
    if (names.length === 0) return [];
    const values = nested(rest, count * names.length);
    return Array.from(
      { length: count },
      (_, i) => new Map(names.map((field, j) => [field, values[i * names.length + j] as MatValue])),
    );
  }
}

function numbers({ type, data }: Element, little: boolean): Float64Array {
  const [size, read] = NUMBERS[type] ?? [];
  if (size === undefined || read === undefined || data.length % size !== 0) {
    throw new Error(`an element of type ${type} with ${data.length} bytes holds no numbers`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  return Float64Array.from({ length: data.length / size }, (_, i) => read(view, i * size, little));
}

/** Characters of an array, column by column as MATLAB stores it; for one row that is the text. */
function characters(element: Element, count: number, little: boolean): string {
  const text =
    element.type === UTF8
      ? element.data.toString('utf8')
      : Array.from(numbers(element, little), (code) => String.fromCodePoint(code)).join('');
  if (element.type !== UTF8 && text.length < count)
    throw new Error(`a text has ${text.length} characters, not ${count}`);
  return text;
}
