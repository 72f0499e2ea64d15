import { z } from 'zod';
import type { NativeConversion, NativeConvertOptions } from '../native.js';
import { batch, integer, listener, number, oneOf, present, signal, text } from '../options.js';
import type { Cancelable, ProgressListener } from '../signal.js';
import type { Span } from '../telemetry/types.js';

/** What the ONNX file is like, whatever it is made from. */
export interface OnnxOptions extends Cancelable {
  /** Where the ONNX file is written; it is complete or absent. */
  readonly output: string;
  /** ONNX operator set, 13 to 21. Default 17; an ONNX file that is converted keeps its own. */
  readonly opset?: number;
  /**
   * `fold` puts batch normalisation into the convolutions before it; `keep` leaves it as trained. Default `fold`. An
   * ONNX file that is converted is only folded with `simplify`.
   */
  readonly batchNorm?: 'fold' | 'keep';
  /** Side of the square input, in pixels. Default: the architecture's own where it is a published one, else 224. */
  readonly inputSize?: number;
  /** Fixes the batch. Default: any batch. */
  readonly batch?: number;
  /** Called at most twenty times a second. What it throws stops the work. */
  readonly onProgress?: ProgressListener;
}

/** A built-in architecture in another size than published. */
export interface Scaling {
  /** Number of classes. Default 1000. */
  readonly classes?: number;
  /** Multiplies the channels, rounded to multiples of 8: MobileNets, EfficientNets, ResNets. */
  readonly width?: number;
  /** Multiplies the layers of each stage: EfficientNets. */
  readonly depth?: number;
  /** Channels that each layer adds: DenseNets. */
  readonly growthRate?: number;
  /** Layers of each block: DenseNets, ResNets. */
  readonly blocks?: readonly number[];
}

/** What was made, and from what. */
export interface ConvertResult {
  readonly output: string;
  /** Size of the ONNX file. */
  readonly bytes: number;
  /** `PyTorch`, `safetensors`, `ONNX`, `seed`, `python` */
  readonly source: string;
  /** As recognised, or as named; absent for ONNX files. */
  readonly architecture?: string;
  readonly family?: string;
  /** What the architecture was built with. */
  readonly configuration?: Readonly<Record<string, string>>;
  /** Learned numbers. */
  readonly parameters: number;
  readonly inputs: NativeConversion['inputs'];
  readonly outputs: NativeConversion['outputs'];
  readonly opset: number;
  readonly nodes: number;
  /** The whole call, named `convert` or `make`; its parts are the phases, in order, and take what it takes. */
  readonly span: Span;
  readonly warnings: readonly string[];
}

export const onnxShape = {
  output: text('a path'),
  opset: integer(13, 21).optional(),
  batchNorm: oneOf(['fold', 'keep']).optional(),
  inputSize: integer(1, 8192).optional(),
  batch: batch().optional(),
  onProgress: listener<ProgressListener>().optional(),
  signal: signal().optional(),
};

const multiplier = () => number('a number between 0.05 and 16', (value) => value >= 0.05 && value <= 16);

export const scalingShape = {
  classes: integer(1, 1 << 20).optional(),
  width: multiplier().optional(),
  depth: multiplier().optional(),
  growthRate: integer(1, 4096).optional(),
  blocks: z
    .array(integer(1, 1024), { error: 'an array of integers' })
    .min(1, { error: 'at least one number' })
    .readonly()
    .optional(),
};

interface Given {
  readonly opset?: number | undefined;
  readonly inputSize?: number | undefined;
  readonly batch?: number | undefined;
  readonly batchNorm?: 'fold' | 'keep' | undefined;
}

/** The options as the addon takes them. */
export function nativeOptions({ opset, inputSize, batch, batchNorm }: Given): NativeConvertOptions {
  return { ...present({ opset, inputSize, batch }), foldBatchNorm: batchNorm !== 'keep' };
}
