import { invalidArgument, PresisiError } from './errors.js';

/** The array JavaScript has for each element type. FP16 and BF16 travel as the bits of each number. */
export interface ArrayTypes {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
}

export type ElementType = keyof ArrayTypes;
export type TensorData = ArrayTypes[ElementType];

/** What goes into a network: row-major data and its dimensions. */
export interface TensorInput {
  /** Not copied: leave it alone until the run has ended. */
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** What comes out of a network. The data is the caller's own. */
export interface Tensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: TensorData;
}

/** Tensors by the name of the network's input. */
export type Feeds = Readonly<Record<string, TensorInput>>;

/** Name, element type and shape of an input or output. A dimension of -1 may have any size. */
export interface TensorInfo {
  readonly name: string;
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** A feed that was checked. */
export interface CheckedFeed extends TensorInput {
  readonly name: string;
  readonly type: ElementType;
}

/** Feeds as the addon takes them: data and dimensions of each input, in the network's order. */
export type NativeFeeds = readonly (TensorData | readonly number[])[];

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);

/**
 * Memory that can't move or shrink under a native thread: plain array buffers are used as they are, shared and
 * resizable ones are copied.
 */
export function steady<T extends TensorData>(data: T): T {
  const buffer = data.buffer as ArrayBufferLike & { readonly resizable?: boolean };
  if (buffer instanceof ArrayBuffer && buffer.resizable !== true) return data;
  // A Buffer's slice() is a view of the same memory.
  return (data instanceof Uint8Array ? new Uint8Array(data) : data.slice()) as T;
}

/** Checks feeds against what a network declares and puts them in the order of its inputs. */
export function checkFeeds(feeds: unknown, inputs: readonly TensorInfo[], name = 'feeds'): CheckedFeed[] {
  if (!isRecord(feeds)) throw invalidArgument(`an object with the inputs ${namesOf(inputs)}`, name, feeds);
  for (const key of Object.keys(feeds)) {
    if (!inputs.some((input) => input.name === key)) {
      throw new PresisiError('ERR_PRESISI_SHAPE_MISMATCH', `the network has no input "${key}"`, {
        hint: `its inputs are: ${namesOf(inputs)}`,
      });
    }
  }
  return inputs.map((input) => checkFeed(feeds[input.name], input, name));
}

/** Feeds that were checked, as the addon takes them. */
export function nativeFeeds(feeds: readonly CheckedFeed[]): NativeFeeds {
  const flat: (TensorData | readonly number[])[] = [];
  for (const { data, dims } of feeds) flat.push(data, dims);
  return flat;
}

const namesOf = (inputs: readonly TensorInfo[]): string => inputs.map((input) => input.name).join(', ');

const isShape = (dims: unknown): dims is readonly number[] =>
  Array.isArray(dims) && dims.every((dim) => Number.isSafeInteger(dim) && dim > 0);

const fits = (dims: readonly number[], declared: readonly number[]): boolean =>
  dims.length === declared.length && declared.every((dim, axis) => dim < 0 || dim === dims[axis]);

const sizeOf = (dims: readonly number[]): number => dims.reduce((product, dim) => product * dim, 1);

/** Words are made where they are needed: a run may take less time than they do. */
function checkFeed(feed: unknown, input: TensorInfo, feeds: string): CheckedFeed {
  const name = (): string => `${feeds}.${input.name}`;
  if (feed === undefined) {
    throw new PresisiError('ERR_PRESISI_SHAPE_MISMATCH', `input "${input.name}" is missing`);
  }
  if (!isRecord(feed)) throw invalidArgument('{ data, dims }', name(), feed);
  const { data, dims } = feed;
  const ArrayType = CONSTRUCTORS[input.type];
  if (!(data instanceof ArrayType)) {
    throw invalidArgument(`${ArrayType.name} (${input.type})`, `${name()}.data`, data);
  }
  if (!isShape(dims)) {
    throw invalidArgument('an array of positive integers', `${name()}.dims`, dims);
  }
  if (!fits(dims, input.dims)) {
    throw new PresisiError(
      'ERR_PRESISI_SHAPE_MISMATCH',
      `Expected dimensions ${showDims(input.dims)} for ${name()}.dims but received ${showDims(dims)}`,
    );
  }
  const expected = sizeOf(dims);
  if (data.length !== expected) {
    throw new PresisiError(
      'ERR_PRESISI_SHAPE_MISMATCH',
      `Expected ${expected} elements for ${name()}.data, as ${showDims(dims)} needs, but received ${data.length}`,
    );
  }
  return { name: input.name, type: input.type, dims, data: steady(data as TensorData) };
}

/** Zeros for an input: `batch` where the first dimension is free, 1 where another is. */
export function zeros({ name, type, dims }: TensorInfo, batch: number): CheckedFeed {
  const concrete = dims.map((dim, axis) => (dim > 0 ? dim : axis === 0 ? batch : 1));
  const data = new CONSTRUCTORS[type](sizeOf(concrete));
  return { name, type, dims: concrete, data };
}

/** `[?, 3, 224, 224]` */
export const showDims = (dims: readonly number[]): string => `[${dims.map((dim) => (dim < 0 ? '?' : dim)).join(', ')}]`;
