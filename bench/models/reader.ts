import { readFile } from 'node:fs/promises';

export interface NodeView {
  readonly name: string;
  readonly type: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** AttributeProtos as they are in the file. */
  readonly attributes: readonly Uint8Array[];
}

export interface InitializerView {
  readonly name: string;
  readonly dims: readonly number[];
  /** Absent where it isn't float32. */
  readonly values?: Float32Array;
  /** The TensorProto as it is in the file. */
  readonly proto: Uint8Array;
}

/** What this benchmark needs to see of an ONNX file; the rest is passed on as bytes. */
export interface ModelView {
  readonly bytes: Uint8Array;
  readonly nodes: readonly NodeView[];
  readonly initializers: readonly InitializerView[];
  /** ValueInfoProtos. */
  readonly inputs: readonly Uint8Array[];
  readonly outputs: readonly Uint8Array[];
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
}

type Field = { readonly number: number; readonly integer: number; readonly bytes: Uint8Array };

const NO_BYTES = new Uint8Array();
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

/** The fields of a message in order. */
function* fields(message: Uint8Array): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('the protobuf ends too early');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) {
      yield { number, integer: varint(), bytes: NO_BYTES };
      continue;
    }
    const length = wire === 2 ? varint() : wire === 5 ? 4 : wire === 1 ? 8 : Number.NaN;
    if (!(at + length <= message.length)) throw new Error(`the protobuf has a damaged field ${number}`);
    yield { number, integer: 0, bytes: message.subarray(at, at + length) };
    at += length;
  }
}

const all = (message: Uint8Array, number: number): Uint8Array[] =>
  [...fields(message)].filter((field) => field.number === number).map((field) => field.bytes);
const texts = (message: Uint8Array, number: number): string[] => all(message, number).map(text);
const first = (message: Uint8Array, number: number): string => texts(message, number)[0] ?? '';

function readNode(proto: Uint8Array): NodeView {
  return {
    name: first(proto, 3),
    type: first(proto, 4),
    inputs: texts(proto, 1),
    outputs: texts(proto, 2),
    attributes: all(proto, 5),
  };
}

function readInitializer(proto: Uint8Array): InitializerView {
  const name = first(proto, 8);
  const dims: number[] = [];
  let type = 0;
  let raw: Uint8Array = NO_BYTES;
  for (const { number, integer, bytes } of fields(proto)) {
    // Dimensions may be packed or not.
    if (number === 1 && bytes.length > 0) dims.push(...unpack(bytes));
    else if (number === 1) dims.push(integer);
    else if (number === 2) type = integer;
    else if (number === 9 || number === 4) raw = bytes; // raw_data, or packed float_data: the same bytes
  }
  if (type !== 1) return { name, dims, proto };
  return { name, dims, proto, values: new Float32Array(Uint8Array.from(raw).buffer) };
}

function* unpack(bytes: Uint8Array): Generator<number> {
  let [value, factor] = [0, 1];
  for (const byte of bytes) {
    value += (byte & 127) * factor;
    factor *= 128;
    if (byte >= 128) continue;
    yield value;
    [value, factor] = [0, 1];
  }
}

export async function readModel(path: string): Promise<ModelView> {
  const bytes = new Uint8Array(await readFile(path));
  const [graph] = all(bytes, 7);
  if (graph === undefined) throw new Error(`${path} has no graph`);
  const [inputs, outputs] = [all(graph, 11), all(graph, 12)];
  const initializers = all(graph, 5).map(readInitializer);
  const known = new Set(initializers.map(({ name }) => name));
  return {
    bytes,
    nodes: all(graph, 1).map(readNode),
    initializers,
    inputs,
    outputs,
    inputNames: inputs.map((info) => first(info, 1)).filter((name) => !known.has(name)),
    outputNames: outputs.map((info) => first(info, 1)),
  };
}
