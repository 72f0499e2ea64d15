import { basename } from 'node:path';
import { type Calibration, type CalibrationTable, type ImageCalibration, parseTable } from './calibration.js';
import { type CalibrationJob, calibrate, collectSamples, type Samples } from './calibrator.js';
import { atCaller, invalidArgument } from './errors.js';
import { checkWritable } from './files.js';
import { hashModel } from './hash.js';
import { type NativeBuild, type NativeBuildOptions, type NativeModel, native } from './native.js';
import { check, present, text } from './options.js';
import { completePreprocessing, imageInput, type Preprocessing } from './preprocess.js';
import {
  type CheckedOptions,
  checkNeeds,
  type QuantizeOptions,
  type QuantizeResult,
  quantizeSchema,
} from './quantize-options.js';
import { type TracedScope, withSignal } from './signal.js';
import { SpanRecorder } from './telemetry/spans.js';

/**
 * Compresses a model, an ONNX file or a checkpoint as {@link convert} takes them: reads and simplifies it, calibrates it
 * for INT8, and builds an engine for this device.
 *
 * @example
 * const result = await quantize('model.onnx', {
 *   precision: 'int8',
 *   calibration: { images: 'calibration-data/images/calibration' },
 *   output: 'model.engine',
 * });
 * @throws PresisiError with a code for what is wrong with the model, the calibration data or the files; the reason of
 *   `signal` once that is aborted.
 */
export function quantize(model: string, options: QuantizeOptions): Promise<QuantizeResult> {
  return atCaller(quantize, async () => {
    const spans = new SpanRecorder('quantize');
    const path = check(text('the path of an ONNX file or a checkpoint'), model, 'model');
    const checked = check(quantizeSchema, options, 'options');
    const calibration = checkNeeds(checked);
    const made = await withSignal(checked, async (scope) => {
      const { output, onnxOutput, architecture, inputSize } = checked;
      await checkWritable(path, { output, onnxOutput });
      spans.lap('start');
      const file = await spans.during('hash', () => hashModel(path, scope.signal));
      const loaded = await spans.job(scope.control, (control) =>
        native().loadModel(path, { ...present({ architecture, inputSize }) }, control),
      );
      try {
        return await run({ path, ...file }, loaded, checked, calibration, { ...scope, spans });
      } finally {
        await spans.during('release', () => native().closeHandle(loaded.handle));
      }
    });
    return { ...made, span: spans.finish() };
  });
}

type Quantized = Omit<QuantizeResult, 'span'>;

interface ModelFile {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

async function run(
  file: ModelFile,
  model: NativeModel,
  options: CheckedOptions,
  calibration: Calibration | undefined,
  scope: TracedScope,
): Promise<Quantized> {
  const backend = options.backend ?? 'auto';
  const threads = options.threads ?? 0;
  const keepFloat = options.keepFloat ?? [];
  const unsignedActivations = options.unsignedActivations ?? false;
  const preprocessing = preprocessingOf(model, options, calibration);
  const job: CalibrationJob = {
    model,
    modelSha256: file.sha256,
    backend,
    threads,
    unsignedActivations,
    keepFloat,
    ...present({ preprocessing }),
  };
  const implicit = calibration && 'images' in calibration && calibration.implicit ? calibration : undefined;
  const samples = implicit && (await scope.spans.during('pictures', () => collectSamples(implicit, job, scope)));
  try {
    const calibrated = calibration && !samples ? await calibrate(calibration, job, scope) : undefined;
    const table = calibrated && parseTable(calibrated.table);
    const fixedBatch = model.inputs[0]?.dims[0] ?? 1;
    const building: NativeBuildOptions = {
      precision: options.precision,
      backend,
      threads,
      maxBatch: fixedBatch > 0 ? fixedBatch : (options.maxBatch ?? 8),
      keepFloat,
      unsignedActivations,
      ...(options.reduceRange !== undefined && { reduceRange: options.reduceRange }),
      ...(calibrated && { table: calibrated.table, expected: { model: file.sha256 } }),
      ...(implicit && samples && implicitOptions(implicit, samples)),
      ...(options.tensorrt && { settings: JSON.stringify(options.tensorrt) }),
      ...(options.output !== undefined && { output: options.output }),
      ...(options.onnxOutput !== undefined && { onnxOutput: options.onnxOutput }),
      metadata: JSON.stringify({
        model: {
          name: basename(file.path),
          sha256: file.sha256,
          bytes: file.bytes,
          ...present({ architecture: model.architecture }),
        },
        ...(preprocessing && { preprocessing }),
        ...(options.labels && { labels: options.labels }),
        ...(table && { calibration: table.fingerprint }),
      }),
    };
    const built = await scope.spans.job(scope.control, (control) =>
      native().buildEngine(model.handle, building, control),
    );
    const warnings = [...model.warnings, ...(samples?.warnings ?? calibrated?.warnings ?? []), ...built.warnings];
    if (fixedBatch > 0 && options.maxBatch !== undefined && options.maxBatch !== fixedBatch) {
      warnings.push(`the model fixes its batch at ${fixedBatch}; maxBatch ${options.maxBatch} has no effect`);
    }
    return result(file, model, options, built, table, warnings);
  } finally {
    if (samples) await scope.spans.during('release', () => native().closeHandle(samples.handle));
  }
}

/** For a backend that calibrates by itself. */
function implicitOptions(
  { method = 'entropy', tensorrtCache }: ImageCalibration,
  { handle }: Samples,
): Partial<NativeBuildOptions> {
  if (method !== 'entropy' && method !== 'minmax') {
    throw invalidArgument('entropy or minmax, with implicit,', 'options.calibration.method', method);
  }
  return { samples: handle, method, ...present({ backendCache: tensorrtCache }) };
}

/** Absent where the network takes no pictures, unless the caller needs it to. */
function preprocessingOf(
  model: NativeModel,
  options: CheckedOptions,
  calibration: Calibration | undefined,
): Preprocessing | undefined {
  const needed = options.preprocess !== undefined || (calibration !== undefined && 'images' in calibration);
  try {
    return completePreprocessing(options.preprocess ?? {}, imageInput(model.inputs));
  } catch (error) {
    if (needed) throw error;
    return undefined;
  }
}

function result(
  file: ModelFile,
  model: NativeModel,
  options: CheckedOptions,
  built: NativeBuild,
  table: CalibrationTable | undefined,
  warnings: readonly string[],
): Quantized {
  return {
    ...(options.output !== undefined && { output: options.output }),
    ...(options.onnxOutput !== undefined && { onnxOutput: options.onnxOutput }),
    bytes: built.engineBytes,
    onnxBytes: built.onnxBytes,
    modelBytes: file.bytes,
    ...(model.architecture !== undefined && { architecture: model.architecture }),
    precision: options.precision,
    backend: built.backend,
    decisions: built.decisions,
    layers: built.layers,
    ...(table && {
      calibration: {
        method: table.fingerprint.method,
        samples: table.fingerprint.samples,
        fingerprint: table.fingerprint,
      },
    }),
    warnings,
  };
}
