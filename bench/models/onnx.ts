import { endianness } from 'node:os';
import { Message } from './protobuf.js';

// Field numbers and codes are those of onnx.proto3.
const FLOAT = 1; // TensorProto.DataType
const INT_ATTRIBUTE = 2; // AttributeProto.AttributeType
const INTS_ATTRIBUTE = 7;

/** A number is a size; a text names a dimension of any size. */
export type Dims = readonly (number | string)[];

export type Attributes = Readonly<Record<string, number | readonly number[]>>;

/** NodeProto. */
export function nodeProto(
  name: string,
  type: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
): Message {
  const node = new Message();
  for (const input of inputs) node.text(1, input);
  for (const output of outputs) node.text(2, output);
  node.text(3, name).text(4, type);
  for (const [key, value] of Object.entries(attributes)) {
    const attribute = new Message().text(1, key);
    if (typeof value === 'number') attribute.integer(3, value).integer(20, INT_ATTRIBUTE);
    else attribute.integers(8, value).integer(20, INTS_ATTRIBUTE);
    node.message(5, attribute);
  }
  return node;
}

/** TensorProto of float32. */
export function tensorProto(name: string, dims: readonly number[], values: Float32Array): Message {
  if (endianness() !== 'LE') throw new Error('ONNX keeps tensors little-endian, and this processor does not');
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Message().integers(1, dims).integer(2, FLOAT).text(8, name).bytes(9, raw);
}

/** ValueInfoProto of float32. */
export function valueInfoProto(name: string, dims: Dims): Message {
  const shape = new Message();
  for (const dim of dims) {
    shape.message(1, typeof dim === 'number' ? new Message().integer(1, dim) : new Message().text(2, dim));
  }
  const type = new Message().integer(1, FLOAT).message(2, shape);
  return new Message().text(1, name).message(2, new Message().message(1, type));
}

export interface GraphProto {
  readonly name: string;
  readonly nodes: readonly Message[];
  readonly initializers: readonly Message[];
  readonly inputs: readonly Message[];
  readonly outputs: readonly Message[];
}

/** ModelProto of opset 17, in the IR version that came with it. */
export function modelProto(graph: GraphProto): Message {
  const body = new Message();
  for (const node of graph.nodes) body.message(1, node);
  body.text(2, graph.name);
  for (const initializer of graph.initializers) body.message(5, initializer);
  for (const input of graph.inputs) body.message(11, input);
  for (const output of graph.outputs) body.message(12, output);
  const opset = new Message().text(1, '').integer(2, 17);
  return new Message().integer(1, 8).text(2, 'presisi-bench').message(7, body).message(8, opset);
}
