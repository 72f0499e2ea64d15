import { stat } from 'node:fs/promises';
import type { Calibration } from '../../calibration.js';
import { convert } from '../../convert/convert.js';
import { makeModel } from '../../convert/models.js';
import type { ConvertResult } from '../../convert/options.js';
import { openDataset } from '../../datasets/open.js';
import { parseDatasetSource } from '../../datasets/source.js';
import { PresisiError } from '../../errors.js';
import { hashFile, hashModel } from '../../hash.js';
import { present } from '../../options.js';
import { quantize } from '../../quantize.js';
import type { QuantizeResult } from '../../quantize-options.js';
import type { ProgressListener } from '../../signal.js';
import { resourcesOf } from '../../telemetry/resources.js';
import type { Span, Timeline } from '../../telemetry/types.js';
import type { Experiment } from '../experiment.js';
import type { CompressTrial } from '../results.js';
import type { TrialTask } from '../task.js';
import { auditEngine } from './audit.js';
import type { Measured, TrialContext, Window } from './measured.js';

type Compress = NonNullable<CompressTrial['compress']>;

/** Both phases, once: the trained network becomes ONNX, the ONNX file an engine. */
export async function measureCompress({ task, signal, report }: TrialContext): Promise<Measured> {
  const { onnx } = task;
  if (onnx === undefined) throw unfit(task, 'nothing says where its ONNX file is to be written');
  const calibration = await calibrationOf(task);
  const onProgress: ProgressListener = ({ phase, completed, total }) => report(phase, completed, total);
  const first = await toOnnx(task, onnx, onProgress, signal);
  const second = await toEngine(task, onnx, calibration, onProgress, signal);
  const roots = [
    { ...first.span, name: 'phase 1' },
    { ...second.span, name: 'phase 2' },
  ];
  const window = { from: first.span.start, to: windowOf(second.span).to };
  const finish = async (timeline: Timeline) => ({
    compress: await resultOf(task, first, second, roots, timeline, signal),
  });
  return { window, steady: steadyOf(roots), finish };
}

const unfit = ({ id }: TrialTask, why: string): PresisiError =>
  new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `${id} can't be carried out: ${why}`);

/** As `presisi quantize --calibration` takes it: a path is pictures, a form makes it a data set. */
async function calibrationOf({ variant, experiment }: TrialTask): Promise<Calibration | undefined> {
  if (variant.precision !== 'int8') return undefined;
  const { data, implicit } = experiment.calibration;
  if (variant.calibration === undefined || data === undefined) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', 'int8 needs calibration data, and none was given');
  }
  const { method, samples } = variant.calibration;
  const source = parseDatasetSource(data);
  return {
    images: typeof source === 'string' ? source : await openDataset(source, { limit: samples }),
    method: method as Experiment['calibration']['methods'][number],
    samples,
    ...(implicit && variant.backend === 'tensorrt' && { implicit }),
  };
}

/** Phase 1. What is ONNX already is read, checked and written like any other. */
function toOnnx(
  { model, experiment }: TrialTask,
  output: string,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<ConvertResult> {
  const { make, path, architecture, inputSize } = model;
  const common = { output, onProgress, signal, ...present({ inputSize }) };
  if (make) return makeModel(make.architecture, { ...common, seed: make.seed, classes: make.classes });
  // Architectures of the user's own are for the user's own Python, which the baseline names.
  const python = experiment.baselines.find(({ framework }) => framework === 'pytorch')?.python;
  return convert(path ?? '', {
    ...common,
    ...present({ architecture }),
    ...(architecture?.includes(':') && { exporter: 'python', ...present({ python }) }),
  });
}

/** Phase 2, for every batch that is measured later. */
function toEngine(
  { variant, experiment, network }: TrialTask,
  onnx: string,
  calibration: Calibration | undefined,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<QuantizeResult> {
  return quantize(onnx, {
    precision: variant.precision,
    output: network,
    maxBatch: Math.max(...experiment.latency.batchSizes),
    onProgress,
    signal,
    ...present({ backend: variant.backend, calibration, labels: experiment.accuracy?.labels }),
  });
}

const windowOf = ({ start, seconds }: Span): Window => ({ from: start, to: start + seconds });

/**
 * The longest step. Reading, calibrating and building load the device differently, and clocks that follow the load move
 * between them; within one step they are to stay.
 */
function steadyOf(roots: readonly Span[]): Window {
  const steps = roots.flatMap(({ spans }) => spans).filter(({ count = 1 }) => count === 1);
  const [longest = roots.at(-1) as Span] = steps.sort((a, b) => b.seconds - a.seconds);
  return windowOf(longest);
}

async function resultOf(
  task: TrialTask,
  first: ConvertResult,
  second: QuantizeResult,
  roots: readonly Span[],
  timeline: Timeline,
  signal: AbortSignal,
): Promise<Compress> {
  const { model, network, repeat } = task;
  const warnings = [...first.warnings, ...second.warnings];
  if (model.path === undefined) {
    warnings.push(
      'the network is made from a seed: phase 1 is the making, and its ONNX file stands for the checkpoint',
    );
  }
  // What is alike in all repeats is kept once.
  const once =
    repeat === 1 ? { ...(await auditEngine(network, signal)), timeline: timeline as Compress['timeline'] } : {};
  return {
    spans: [...roots],
    resources: Object.fromEntries(
      roots.map((root) => [root.name, resourcesOf(timeline, windowOf(root).from, windowOf(root).to, root)]),
    ),
    checkpointBytes: model.path === undefined ? first.bytes : await sizeOf(model.path, signal),
    onnxBytes: first.bytes,
    engineBytes: second.bytes,
    weightBytes: second.layers.reduce((sum, { weightBytes }) => sum + weightBytes, 0),
    engineSha256: (await hashFile(network, signal)).sha256,
    warnings,
    ...once,
    ...present({ calibration: calibrationFacts(task, second) }),
  };
}

/** TensorRT's own calibrator doesn't tell. */
const calibrationFacts = ({ variant }: TrialTask, { calibration }: QuantizeResult): Compress['calibration'] =>
  calibration ? { method: calibration.method, samples: calibration.samples } : variant.calibration;

/** Of a sharded checkpoint, all of it. */
const sizeOf = async (path: string, signal: AbortSignal): Promise<number> =>
  path.endsWith('.index.json') ? (await hashModel(path, signal)).bytes : (await stat(path)).size;
