import { type Attributes, type Dims, modelProto, nodeProto, tensorProto, valueInfoProto } from './onnx.js';
import type { Message } from './protobuf.js';
import type { Random } from './random.js';

/** Standard deviation of biases; activations have about 1. */
const BIAS_DEVIATION = 0.1;

/** A feature map [batch, channels, height, width], or [batch, channels] behind the pooling. */
export interface Value {
  readonly name: string;
  readonly channels: number;
}

export interface ConvOptions {
  readonly channels: number;
  /** Side of the filters. Default 1. */
  readonly kernel?: number;
  /** Default 1. */
  readonly stride?: number;
  /** One filter a channel instead of filters over all channels. */
  readonly depthwise?: boolean;
  /** See {@link GraphBuilder.conv}. */
  readonly gain: number;
}

/** Writes a classifier as ONNX: nodes and random weights in the order they are asked for. */
export class GraphBuilder {
  #parameters = 0;
  #hasBounds = false;
  readonly #random: Random;
  readonly #nodes: Message[] = [];
  readonly #initializers: Message[] = [];

  constructor(random: Random) {
    this.#random = random;
  }

  /** Weights and biases so far. */
  get parameters(): number {
    return this.#parameters;
  }

  /**
   * A convolution with a bias, as one with batch normalisation becomes once that is folded into it. Padded to keep the
   * size (stride 1) or to halve it (stride 2).
   *
   * Weights are normal with variance `gain` / fan-in (He et al. 2015). Each filter that looks at several channels is
   * moved to mean 0 (Brock et al. 2021): behind a ReLU everything is positive, and what pictures have in common would
   * otherwise grow from layer to layer until all of them get the same answer.
   */
  conv(name: string, input: Value, { channels, kernel = 1, stride = 1, depthwise = false, gain }: ConvOptions): Value {
    const padding = (kernel - 1) / 2;
    const shape = [channels, depthwise ? 1 : input.channels, kernel, kernel];
    return this.#emit(name, 'Conv', [input.name, ...this.#weights(name, shape, gain)], channels, {
      dilations: [1, 1],
      group: depthwise ? channels : 1,
      kernel_shape: [kernel, kernel],
      pads: [padding, padding, padding, padding],
      strides: [stride, stride],
    });
  }

  relu(name: string, input: Value): Value {
    return this.#emit(name, 'Relu', [input.name], input.channels);
  }

  relu6(name: string, input: Value): Value {
    if (!this.#hasBounds) {
      this.#initializers.push(tensorProto('clip.min', [], Float32Array.of(0)));
      this.#initializers.push(tensorProto('clip.max', [], Float32Array.of(6)));
      this.#hasBounds = true;
    }
    return this.#emit(name, 'Clip', [input.name, 'clip.min', 'clip.max'], input.channels);
  }

  add(name: string, first: Value, second: Value): Value {
    return this.#emit(name, 'Add', [first.name, second.name], first.channels);
  }

  /** The largest of 3x3, at half the size. */
  maxPool(name: string, input: Value): Value {
    const attributes = { ceil_mode: 0, kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [2, 2] };
    return this.#emit(name, 'MaxPool', [input.name], input.channels, attributes);
  }

  /** [batch, channels, height, width] to [batch, channels]. */
  averagePool(name: string, input: Value): Value {
    const mean = this.#emit(name, 'GlobalAveragePool', [input.name], input.channels);
    return this.#emit(`${name}.flat`, 'Flatten', [mean.name], input.channels, { axis: 1 });
  }

  /** A fully connected layer; weights as those of {@link conv}. */
  linear(name: string, input: Value, channels: number, gain: number): Value {
    const weights = this.#weights(name, [channels, input.channels], gain);
    return this.#emit(name, 'Gemm', [input.name, ...weights], channels, { transB: 1 });
  }

  /** The network from its input to `output`. */
  model(name: string, input: { name: string; dims: Dims }, output: { value: Value; dims: Dims }): Message {
    return modelProto({
      name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: [valueInfoProto(input.name, input.dims)],
      outputs: [valueInfoProto(output.value.name, output.dims)],
    });
  }

  #emit(name: string, type: string, inputs: readonly string[], channels: number, attributes?: Attributes): Value {
    this.#nodes.push(nodeProto(`${name}/${type}`, type, inputs, [name], attributes));
    return { name, channels };
  }

  /** Makes weights [out, …] and a bias [out]; gives their names. */
  #weights(name: string, dims: readonly [number, ...number[]] | number[], gain: number): [string, string] {
    const [filters = 0, ...rest] = dims;
    const fanIn = rest.reduce((product, dim) => product * dim, 1);
    const deviation = Math.sqrt(gain / fanIn);
    const weights = Float32Array.from({ length: filters * fanIn }, () => this.#random.normal() * deviation);
    if ((dims[1] ?? 1) > 1) {
      for (let start = 0; start < weights.length; start += fanIn) center(weights.subarray(start, start + fanIn));
    }
    const bias = Float32Array.from({ length: filters }, () => this.#random.normal() * BIAS_DEVIATION);
    this.#initializers.push(tensorProto(`${name}.weight`, dims, weights));
    this.#initializers.push(tensorProto(`${name}.bias`, [filters], bias));
    this.#parameters += weights.length + bias.length;
    return [`${name}.weight`, `${name}.bias`];
  }
}

function center(values: Float32Array): void {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  for (const [index, value] of values.entries()) values[index] = value - mean;
}
