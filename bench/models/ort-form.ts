import { modelProto, nodeProto, tensorProto } from './onnx.js';
import { Message } from './protobuf.js';
import type { InitializerView, ModelView, NodeView } from './reader.js';

/** Least and largest value of an activation. */
export type Range = readonly [least: number, most: number];
export type Ranges = ReadonlyMap<string, Range>;

/** What ONNX Runtime has 8-bit kernels for, and networks here are made of. */
const QUANTIZED = new Set(['Conv', 'Gemm', 'Add', 'Relu', 'Clip', 'MaxPool', 'GlobalAveragePool', 'Flatten']);
/** Absorbed by the 8-bit kernel in front of them, when what they cut off is not in the range behind them. */
const CLIPPING = new Set(['Relu', 'Clip']);
/** Give numbers that they were given: their output keeps the scale of their input. */
const MOVING = new Set(['MaxPool', 'Flatten']);

/** Activations whose ranges are needed. */
export function quantizedActivations({ nodes, inputNames, outputNames }: ModelView): string[] {
  const produced = nodes
    .filter(({ type }) => QUANTIZED.has(type))
    .filter(({ outputs: [output = ''] }) => {
      const consumers = nodes.filter(({ inputs }) => inputs.includes(output));
      const absorbed = consumers.length === 1 && consumers.every(({ type }) => CLIPPING.has(type));
      return !absorbed && !outputNames.includes(output);
    })
    .flatMap(({ outputs: [output = ''] }) => output);
  return [...inputNames, ...produced];
}

interface Scale {
  readonly scale: number;
  readonly zeroPoint: number;
}

/** Asymmetric over 0 to 255; zero is always a step. */
function activationScale([least, most]: Range): Scale {
  const low = Math.min(least, 0);
  const scale = (Math.max(most, 0) - low) / 255 || 1;
  return { scale: Math.fround(scale), zeroPoint: Math.round(-low / scale) };
}

/**
 * The network as ONNX Runtime's static quantization writes it for this kind of processor: unsigned asymmetric
 * activations between all 8-bit operators, signed weights with a scale for each filter, 32-bit biases.
 */
export function toOrtForm(model: ModelView, ranges: Ranges): Message {
  return new OrtForm(model, ranges).build();
}

class OrtForm {
  readonly #model: ModelView;
  readonly #scales = new Map<string, Scale>();
  readonly #floats: ReadonlyMap<string, InitializerView>;
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];
  /** Float initializers that 8-bit ones replaced. */
  readonly #replaced = new Set<string>();

  constructor(model: ModelView, ranges: Ranges) {
    this.#model = model;
    this.#floats = new Map(model.initializers.map((initializer) => [initializer.name, initializer]));
    for (const name of quantizedActivations(model)) {
      const range = ranges.get(name);
      if (range === undefined) throw new Error(`the range of ${name} is missing`);
      this.#scales.set(name, activationScale(range));
    }
    for (const { type, inputs, outputs } of model.nodes) {
      const scale = this.#scales.get(inputs[0] ?? '');
      const [output = ''] = outputs;
      if (MOVING.has(type) && scale && this.#scales.has(output)) this.#scales.set(output, scale);
    }
  }

  build(): Message {
    const { nodes, initializers, inputs, outputs, inputNames } = this.#model;
    for (const name of inputNames) this.#quantize(name);
    for (const node of nodes) {
      this.#nodes.push(this.#convert(node));
      for (const output of node.outputs) this.#quantize(output);
    }
    const kept = initializers.filter(({ name }) => !this.#replaced.has(name));
    return modelProto({
      name: 'quantized',
      nodes: this.#nodes,
      initializers: [...kept.map(({ proto }) => new Message().raw(proto)), ...this.#initializers],
      inputs: inputs.map((proto) => new Message().raw(proto)),
      outputs: outputs.map((proto) => new Message().raw(proto)),
    });
  }

  #convert({ name, type, inputs, outputs, attributes }: NodeView): Message {
    const [data = '', weight = '', bias = ''] = inputs;
    let read = inputs.map((input) => (this.#scales.has(input) ? `${input}_dq` : input));
    const input = this.#scales.get(data);
    if ((type === 'Conv' || type === 'Gemm') && input !== undefined) {
      const scales = this.#weights(weight);
      read = [`${data}_dq`, `${weight}_dq`];
      if (bias !== '') read.push(this.#bias(bias, scales, input.scale));
    }
    const node = nodeProto(name, type, read, outputs);
    for (const attribute of attributes) node.bytes(5, attribute);
    return node;
  }

  /** QuantizeLinear and DequantizeLinear behind an activation. */
  #quantize(name: string): void {
    const scale = this.#scales.get(name);
    if (scale === undefined) return;
    this.#initializers.push(tensorProto(`${name}_scale`, [], Float32Array.of(scale.scale)));
    this.#initializers.push(tensorProto(`${name}_zp`, [], Uint8Array.of(scale.zeroPoint)));
    const parameters = [`${name}_scale`, `${name}_zp`];
    this.#nodes.push(nodeProto(`${name}_q`, 'QuantizeLinear', [name, ...parameters], [`${name}_q`]));
    this.#nodes.push(nodeProto(`${name}_dq`, 'DequantizeLinear', [`${name}_q`, ...parameters], [`${name}_dq`]));
  }

  /** Weights [filters, …] to 8 bits, symmetric; gives the scale of each filter. */
  #weights(name: string): Float32Array {
    const { dims, values } = this.#float(name);
    const [filters = 1] = dims;
    const size = values.length / filters;
    const scales = new Float32Array(filters);
    const quantized = new Int8Array(values.length);
    for (let filter = 0; filter < filters; filter++) {
      const row = values.subarray(filter * size, (filter + 1) * size);
      const scale = Math.fround(row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127 || 1);
      scales[filter] = scale;
      quantized.set(
        Int8Array.from(row, (value) => Math.round(value / scale)),
        filter * size,
      );
    }
    this.#constant(name, dims, quantized, scales, new Int8Array(filters));
    return scales;
  }

  /** A bias to 32 bits, in steps of what the kernel adds up. Gives what stands for it. */
  #bias(name: string, weightScales: Float32Array, inputScale: number): string {
    const { dims, values } = this.#float(name);
    const scales = weightScales.map((scale) => scale * inputScale);
    const quantized = Int32Array.from(values, (value, i) => Math.round(value / (scales[i] ?? 1)));
    this.#constant(name, dims, quantized, scales, new Int32Array(scales.length));
    return `${name}_dq`;
  }

  #constant(
    name: string,
    dims: readonly number[],
    values: Int8Array | Int32Array,
    scales: Float32Array,
    zeros: Int8Array | Int32Array,
  ): void {
    this.#replaced.add(name);
    this.#initializers.push(tensorProto(`${name}_q`, dims, values));
    this.#initializers.push(tensorProto(`${name}_scale`, [scales.length], scales));
    this.#initializers.push(tensorProto(`${name}_zp`, [zeros.length], zeros));
    const inputs = [`${name}_q`, `${name}_scale`, `${name}_zp`];
    this.#nodes.push(nodeProto(`${name}_dq`, 'DequantizeLinear', inputs, [`${name}_dq`], { axis: 0 }));
  }

  #float(name: string): { readonly dims: readonly number[]; readonly values: Float32Array } {
    const found = this.#floats.get(name);
    if (found?.values === undefined) throw new Error(`Expected a float32 initializer for the weights ${name}`);
    if (this.#replaced.has(name)) throw new Error(`the weights ${name} are used twice`);
    return { dims: found.dims, values: found.values };
  }
}
