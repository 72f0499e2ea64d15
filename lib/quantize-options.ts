import { z } from 'zod';
import { type Calibration, type CalibrationFingerprint, checkCalibration } from './calibration.js';
import { invalidArgument, PresisiError } from './errors.js';
import type { Decision, Layer } from './native.js';
import { batch, flag, integer, listener, oneOf, options, signal, strings, text, threads } from './options.js';
import { type Preprocessing, preprocessingSchema } from './preprocess.js';
import type { Cancelable, LogListener, ProgressListener } from './signal.js';
import type { Span } from './telemetry/types.js';
import { type TensorRtOptions, tensorRtSchema } from './tensorrt.js';

export type Precision = 'fp32' | 'fp16' | 'int8';

export interface QuantizeOptions extends Cancelable {
  /** Precision of the engine. `int8` needs `calibration`. */
  readonly precision: Precision;
  /** Where the engine is written; the file is complete or absent. Left out, only `onnxOutput` is written. */
  readonly output?: string;
  /** Where the network is written as ONNX for other tools: with QuantizeLinear and DequantizeLinear for `int8`. */
  readonly onnxOutput?: string;
  /** What the scales of an INT8 engine are found with. */
  readonly calibration?: Calibration;
  /** Checkpoints only: the architecture, one of {@link architectures}. Default: recognised by the parameters. */
  readonly architecture?: string;
  /** Checkpoints only: side of the square input in pixels. Default: the architecture's own, else 224. */
  readonly inputSize?: number;
  /** A backend's name, or `auto` for the best there is. Default `auto`. */
  readonly backend?: string;
  /** Threads of the computation; 0 means as many as physical cores. Default 0. */
  readonly threads?: number;
  /** The largest batch the engine will run. Default 8, or what the model fixes. */
  readonly maxBatch?: number;
  /** How pictures become input; kept in the engine. Default: as ImageNet networks take them. */
  readonly preprocess?: Partial<Preprocessing>;
  /** Names of the classes, in the order of the network's output; kept in the engine. */
  readonly labels?: readonly string[];
  /** Nodes (by name, or by their first output) that stay in floating point. */
  readonly keepFloat?: readonly string[];
  /** 7-bit weights. Default: only where the processor's INT8 instructions would saturate. */
  readonly reduceRange?: boolean;
  /** One bit more for activations that are never negative; such an ONNX file is not for TensorRT. Default false. */
  readonly unsignedActivations?: boolean;
  /** For the backend `tensorrt`. */
  readonly tensorrt?: TensorRtOptions;
  /** Called at most twenty times a second. What it throws stops the work. */
  readonly onProgress?: ProgressListener;
  /** Receives what a vendor's library says while it builds. What it throws stops the work. */
  readonly onLog?: LogListener;
}

export interface QuantizeResult {
  /** Path of the engine, when one was asked for. */
  readonly output?: string;
  /** Path of the ONNX export, when one was asked for. */
  readonly onnxOutput?: string;
  /** Size of the engine file; 0 when none was asked for. */
  readonly bytes: number;
  /** Size of the ONNX export; 0 when none was asked for. */
  readonly onnxBytes: number;
  /** Size of the model file. */
  readonly modelBytes: number;
  /** What a checkpoint was recognised as; absent for ONNX files. */
  readonly architecture?: string;
  readonly precision: Precision;
  readonly backend: string;
  /** The whole call, named `quantize`; its parts are the phases, in order, and take what it takes. */
  readonly span: Span;
  /** Why nodes were quantized or stayed in floating point. */
  readonly decisions: readonly Decision[];
  /** What the engine executes, in order. */
  readonly layers: readonly Layer[];
  /** INT8 only. */
  readonly calibration?: {
    readonly method: string;
    readonly samples: number;
    readonly fingerprint: CalibrationFingerprint;
  };
  readonly warnings: readonly string[];
}

export const quantizeSchema = options({
  precision: oneOf(['fp32', 'fp16', 'int8']),
  output: text('a path').optional(),
  onnxOutput: text('a path').optional(),
  calibration: z.unknown().optional(),
  architecture: text().optional(),
  inputSize: integer(1, 8192).optional(),
  backend: text().optional(),
  threads: threads().optional(),
  maxBatch: batch().optional(),
  preprocess: preprocessingSchema.optional(),
  labels: strings().optional(),
  keepFloat: strings().optional(),
  reduceRange: flag().optional(),
  unsignedActivations: flag().optional(),
  tensorrt: tensorRtSchema.optional(),
  onProgress: listener<ProgressListener>().optional(),
  onLog: listener<LogListener>().optional(),
  signal: signal().optional(),
});

export type CheckedOptions = z.infer<typeof quantizeSchema>;

/** Only TensorRT has a calibrator of its own. */
function checkImplicit(calibration: Calibration, backend: string | undefined): void {
  if (!('images' in calibration)) return;
  const { implicit = false, tensorrtCache, percentile, saveCache } = calibration;
  if (!implicit) {
    if (tensorrtCache === undefined) return;
    throw invalidArgument('nothing, unless implicit is true,', 'options.calibration.tensorrtCache', tensorrtCache);
  }
  if (backend !== 'tensorrt') throw invalidArgument('tensorrt, with implicit calibration,', 'options.backend', backend);
  if (percentile !== undefined || saveCache !== undefined) {
    throw new PresisiError(
      'ERR_PRESISI_INVALID_ARGUMENT',
      "options.calibration: percentile and saveCache are not for TensorRT's own calibration",
      { hint: 'keep its cache with tensorrtCache' },
    );
  }
}

/** What no schema says: options that need or exclude each other. */
export function checkNeeds(options: CheckedOptions): Calibration | undefined {
  if (options.output === undefined && options.onnxOutput === undefined) {
    throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', 'Expected a path for options.output or options.onnxOutput');
  }
  if (options.calibration !== undefined) {
    const calibration = checkCalibration(options.calibration, 'options.calibration');
    checkImplicit(calibration, options.backend);
    if (options.precision === 'int8') return calibration;
    throw new PresisiError(
      'ERR_PRESISI_INVALID_ARGUMENT',
      `options.calibration is for int8, and options.precision is ${options.precision}`,
    );
  }
  if (options.precision !== 'int8') return undefined;
  throw new PresisiError('ERR_PRESISI_INVALID_CALIBRATION', 'int8 needs calibration data, and none was given', {
    hint: 'set options.calibration to { images: folder }, { batches } or { cache: path }',
  });
}
