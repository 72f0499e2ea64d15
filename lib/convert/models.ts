import { atCaller } from '../errors.js';
import { checkWritable } from '../files.js';
import { type NativeArchitecture, type NativePortrait, native } from '../native.js';
import { check, integer, options, present, text } from '../options.js';
import { withSignal } from '../signal.js';
import { SpanRecorder } from '../telemetry/spans.js';
import {
  type ConvertResult,
  nativeOptions,
  type OnnxOptions,
  onnxShape,
  type Scaling,
  scalingShape,
} from './options.js';

/** An architecture that is built in. */
export type Architecture = NativeArchitecture;

/** An architecture in numbers. */
export type ArchitectureDescription = Architecture & NativePortrait;

export interface MakeModelOptions extends OnnxOptions, Scaling {
  /** Of the random weights, 0 to 2^53 - 1. The same seed gives the same bytes on every machine. Default 0. */
  readonly seed?: number;
}

const scalingSchema = options({ ...scalingShape, inputSize: onnxShape.inputSize });
const makeSchema = options({
  ...onnxShape,
  ...scalingShape,
  seed: integer(0, Number.MAX_SAFE_INTEGER).optional(),
});

/** The built-in architectures, family by family, small to large. */
export function architectures(): Architecture[] {
  return native().architectures();
}

/**
 * Parameters, multiply-accumulates and operators of a built-in architecture, as published or scaled.
 *
 * @throws PresisiError `ERR_PRESISI_INVALID_ARGUMENT` for an unknown name, or a scaling the family does not have.
 */
export function describeArchitecture(
  name: string,
  scaling: Scaling & { readonly inputSize?: number } = {},
): Promise<ArchitectureDescription> {
  return atCaller(describeArchitecture, async () => {
    const architecture = check(text("an architecture's name"), name, 'name');
    const checked = check(scalingSchema, scaling, 'scaling');
    const portrait = await native().describeArchitecture(architecture, present(checked), {});
    const listed = architectures().find((entry) => entry.name === architecture);
    return { ...(listed as Architecture), ...portrait };
  });
}

/**
 * Writes a built-in architecture with random weights as ONNX, for benchmarks: sizes, times and resources are those of a
 * trained network, its answers mean nothing. Activations stay near unit variance through the whole depth, so that
 * calibration finds sensible ranges.
 *
 * @example
 * await makeModel('densenet201', { output: 'densenet201.onnx', seed: 1 });
 */
export function makeModel(architecture: string, options: MakeModelOptions): Promise<ConvertResult> {
  return atCaller(makeModel, async () => {
    const spans = new SpanRecorder('make');
    const name = check(text("an architecture's name"), architecture, 'architecture');
    const checked = check(makeSchema, options, 'options');
    const { output, seed = 0, classes, width, depth, growthRate, blocks } = checked;
    const made = await withSignal(checked, async (scope) => {
      await checkWritable(undefined, { output });
      spans.lap('start');
      return spans.job(scope.control, (control) =>
        native().makeModel(
          name,
          {
            ...nativeOptions(checked),
            ...present({ classes, width, depth, growthRate, blocks }),
            output,
            seed,
            metadata: { source: `random weights, seed ${seed}` },
          },
          control,
        ),
      );
    });
    return { output, ...made, span: spans.finish() };
  });
}
