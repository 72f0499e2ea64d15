import { deflateSync } from 'node:zlib';

/** MAT-files of level 5 as MATLAB writes them, from values that say what they are. */
export type Mat =
  | { numbers: readonly number[]; dims?: readonly number[] }
  | { text: string }
  | { cell: readonly Mat[] }
  | { struct: readonly Readonly<Record<string, Mat>>[] };

export interface MatOptions {
  readonly compressed?: boolean;
  readonly bigEndian?: boolean;
}

const INT8 = 1;
const UINT8 = 2;
const UINT16 = 4;
const INT32 = 5;
const UINT32 = 6;
const DOUBLE = 9;
const MATRIX = 14;
const COMPRESSED = 15;

class Writer {
  readonly #big: boolean;
  constructor(big: boolean) {
    this.#big = big;
  }

  words(...values: readonly number[]): Buffer {
    const bytes = Buffer.alloc(values.length * 4);
    for (const [i, value] of values.entries()) {
      if (this.#big) bytes.writeUInt32BE(value >>> 0, i * 4);
      else bytes.writeUInt32LE(value >>> 0, i * 4);
    }
    return bytes;
  }

  element(type: number, data: Buffer): Buffer {
    if (data.length > 0 && data.length <= 4) {
      return Buffer.concat([this.words((data.length << 16) | type), data, Buffer.alloc(4 - data.length)]);
    }
    return Buffer.concat([this.words(type, data.length), data, Buffer.alloc(-data.length & 7)]);
  }

  matrix(name: string, value: Mat): Buffer {
    const [type, dims, content] = this.#content(value);
    return this.element(
      MATRIX,
      Buffer.concat([
        this.element(UINT32, this.words(type, 0)),
        this.element(INT32, this.words(...dims)),
        this.element(INT8, Buffer.from(name)),
        ...content,
      ]),
    );
  }

  #content(value: Mat): [type: number, dims: readonly number[], content: Buffer[]] {
    if ('text' in value) {
      const codes = Buffer.alloc(value.text.length * 2);
      for (let i = 0; i < value.text.length; i += 1) {
        if (this.#big) codes.writeUInt16BE(value.text.charCodeAt(i), i * 2);
        else codes.writeUInt16LE(value.text.charCodeAt(i), i * 2);
      }
      return [4, [1, value.text.length], [this.element(UINT16, codes)]];
    }
    if ('cell' in value) return [1, [1, value.cell.length], value.cell.map((each) => this.matrix('', each))];
    if ('struct' in value) {
      const fields = Object.keys(value.struct[0] ?? {});
      const names = Buffer.alloc(32 * fields.length);
      for (const [i, field] of fields.entries()) names.write(field, 32 * i);
      const values = value.struct.flatMap((each) => fields.map((field) => this.matrix('', each[field] as Mat)));
      return [2, [value.struct.length, 1], [this.element(INT32, this.words(32)), this.element(INT8, names), ...values]];
    }
    const { numbers, dims = [1, numbers.length] } = value;
    // MATLAB stores doubles that are small integers as bytes.
    if (numbers.every((each) => Number.isInteger(each) && each >= 0 && each < 256)) {
      return [6, dims, [this.element(UINT8, Buffer.from(numbers))]];
    }
    const doubles = Buffer.alloc(numbers.length * 8);
    for (const [i, each] of numbers.entries()) {
      if (this.#big) doubles.writeDoubleBE(each, i * 8);
      else doubles.writeDoubleLE(each, i * 8);
    }
    return [6, dims, [this.element(DOUBLE, doubles)]];
  }
}

export function matFile(variables: Readonly<Record<string, Mat>>, options: MatOptions = {}): Buffer {
  const { compressed = false, bigEndian = false } = options;
  const writer = new Writer(bigEndian);
  const header = Buffer.alloc(128, ' ');
  header.write('MATLAB 5.0 MAT-file');
  Buffer.from(bigEndian ? [1, 0] : [0, 1]).copy(header, 124);
  header.write(bigEndian ? 'MI' : 'IM', 126);
  const elements = Object.entries(variables).map(([name, value]) => {
    const matrix = writer.matrix(name, value);
    if (!compressed) return matrix;
    const packed = deflateSync(matrix);
    return Buffer.concat([writer.words(COMPRESSED, packed.length), packed]);
  });
  return Buffer.concat([header, ...elements]);
}

/** Records of CIFAR's binary version; picture `i` is `i` in red, `100 + i` in green, `200` plus the column in blue. */
export function cifarFile(records: readonly (readonly number[])[]): Buffer {
  return Buffer.concat(
    records.map((labels, i) =>
      Buffer.concat([
        Buffer.from(labels),
        Buffer.alloc(1024, i),
        Buffer.alloc(1024, 100 + i),
        Buffer.from(Array.from({ length: 1024 }, (_, at) => 200 + (at % 32))),
      ]),
    ),
  );
}
