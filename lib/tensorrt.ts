import { z } from 'zod';
import { flag, integer, oneOf, options, text } from './options.js';

/** Shapes of one input that an engine is built for. */
export interface ShapeProfile {
  readonly min: readonly number[];
  /** What the engine is tuned for. */
  readonly opt: readonly number[];
  /** Memory is planned for it. */
  readonly max: readonly number[];
}

/** How TensorRT builds. What a version lacks is refused by it, saying which has it. */
export interface TensorRtOptions {
  /** FP32 products may round their inputs to TF32 (Ampere and later). Default true, as TensorRT's. */
  readonly tf32?: boolean;
  /** Where the layers of an `int8` build that have no scales may run. Up to 10. Default `fp16`. */
  readonly fallback?: 'fp16' | 'fp32';
  /** Scratch memory a layer may use. Default: TensorRT's, all there is. */
  readonly workspaceBytes?: number;
  /** 0 builds fast, 5 tries most. From 8.6. Default: TensorRT's, 3. */
  readonly optimizationLevel?: number;
  /** A file that keeps measured times from build to build. */
  readonly timingCache?: string;
  /** Runs on this deep learning accelerator what it can. */
  readonly dlaCore?: number;
  /** What the accelerator can't run may run on the GPU; else the build fails. Default true. */
  readonly gpuFallback?: boolean;
  /** Engines for more than this kind of GPU. From 8.6. Default `none`. */
  readonly hardwareCompatibility?: 'none' | 'amperePlus' | 'sameComputeCapability';
  /** Engines that later TensorRTs of the major version run, too. From 8.6. Default false. */
  readonly versionCompatible?: boolean;
  /** Types are the graph's and TensorRT chooses none. From 9, always from 11. */
  readonly stronglyTyped?: boolean;
  /** May use 2:4 structured sparsity of the weights. Default false. */
  readonly sparsity?: boolean;
  /** Weights can be exchanged later. Default false. */
  readonly refit?: boolean;
  /** Shapes by input. Default: batch 1 to `maxBatch`, tuned for `maxBatch`. */
  readonly profiles?: Readonly<Record<string, ShapeProfile>>;
  /** By node. Up to 10. */
  readonly layerPrecisions?: Readonly<Record<string, 'fp32' | 'fp16' | 'int8'>>;
  /** Choose the same kernels again, as far as TensorRT lets one; needs `timingCache`. Default false. */
  readonly deterministic?: boolean;
  /** Runs averaged when a kernel is timed. Default: TensorRT's, 1. */
  readonly avgTimingIterations?: number;
}

/** How TensorRT runs. */
export interface TensorRtSessionOptions {
  /** Record the kernels once per shape, and launch them as one. Default false. */
  readonly cudaGraph?: boolean;
  /** Work on host memory in place. Default `auto`: where GPU and CPU share memory. */
  readonly zeroCopy?: 'auto' | boolean;
  /** Wait at full speed instead of sleeping: lower latency, one core busy. Default false. */
  readonly spinWait?: boolean;
}

const shape = () => z.array(integer(1, 2 ** 31 - 1), { error: 'an array of dimensions' }).readonly();
const profile = options({ min: shape(), opt: shape(), max: shape() });
const record = <Value extends z.ZodType>(value: Value) => z.record(z.string(), value, { error: 'an object' });

export const tensorRtSchema = options({
  tf32: flag().optional(),
  fallback: oneOf(['fp16', 'fp32']).optional(),
  workspaceBytes: integer(1, Number.MAX_SAFE_INTEGER).optional(),
  optimizationLevel: integer(0, 5).optional(),
  timingCache: text('a path').optional(),
  dlaCore: integer(0, 16).optional(),
  gpuFallback: flag().optional(),
  hardwareCompatibility: oneOf(['none', 'amperePlus', 'sameComputeCapability']).optional(),
  versionCompatible: flag().optional(),
  stronglyTyped: flag().optional(),
  sparsity: flag().optional(),
  refit: flag().optional(),
  profiles: record(profile).optional(),
  layerPrecisions: record(oneOf(['fp32', 'fp16', 'int8'])).optional(),
  deterministic: flag().optional(),
  avgTimingIterations: integer(1, 1024).optional(),
});

export const tensorRtSessionSchema = options({
  cudaGraph: flag().optional(),
  zeroCopy: z.union([z.literal('auto'), z.boolean()], { error: 'true, false or auto' }).optional(),
  spinWait: flag().optional(),
});
