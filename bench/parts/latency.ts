// Latency of a run beside ONNX Runtime, what both answer, and the processor's limit measured in between.
import { join } from 'node:path';
import { runWorker } from '../child.js';
import { type Agreement, compare } from '../compare.js';
import { pictures, writeInput } from '../data.js';
import type { Options } from '../options.js';
import { type Peak, PeakMeter } from '../peak.js';
import type { Extent } from '../workers/measure.js';
import type { LatencyResult, LatencyTask, Subject } from '../workers/tasks.js';
import { type Model, ORT_FORMS, type OrtForm, type Workspace } from '../workspace.js';

/** Columns, in the order in which trials alternate; ONNX Runtime's INT8 once for each form. */
export type Variant = 'presisi fp32' | 'ort fp32' | 'presisi int8' | `ort int8 ${OrtForm}`;

export type LatencyTrial = Omit<LatencyResult, 'outputs'>;

/** One network at one batch. */
export interface LatencyCase {
  readonly network: string;
  readonly modelSha256: string;
  readonly batch: number;
  /** Multiply-accumulates of a run. */
  readonly macs: number;
  /** In the order they ran. */
  readonly trials: Readonly<Partial<Record<Variant, readonly LatencyTrial[]>>>;
  /** Before, between and after the trials. */
  readonly peaks: readonly Peak[];
  readonly agreement: {
    /** presisi and ONNX Runtime in FP32. */
    readonly fp32: Agreement;
    /** Of each INT8 column with its quantized ONNX file executed node by node, as it is written. */
    readonly asWritten: Readonly<Partial<Record<Variant, Agreement>>>;
    /** Of each INT8 column with its own runtime's FP32. */
    readonly precisions: Readonly<Partial<Record<Variant, Agreement>>>;
  };
}

export interface LatencyResults {
  readonly cases: readonly LatencyCase[];
  /** Why there are no INT8 columns of ONNX Runtime. */
  readonly ortInt8Absent?: string;
  /** Why the processor's limit is not known. */
  readonly peakAbsent?: string;
}

/** Whose outputs are compared; more where a batch needs more. */
const COMPARED_PICTURES = 16;

interface Column {
  readonly name: Variant;
  readonly subject: Subject;
  /** INT8: the quantized network as ONNX. */
  readonly written?: string;
}

interface Prepared {
  readonly model: Model;
  readonly columns: readonly Column[];
  readonly inputFile: string;
  readonly dims: readonly number[];
  readonly macs: number;
}

async function prepare(name: string, workspace: Workspace): Promise<Prepared> {
  const { threads, batches, folder } = workspace.options;
  const model = await workspace.model(name);
  const [fp32, int8] = [await workspace.engine(model, 'fp32'), await workspace.engine(model, 'int8')];
  const { inputs, macs } = await workspace.inspect(fp32);
  const columns: Column[] = [
    { name: 'presisi fp32', subject: { runtime: 'presisi', file: fp32, threads } },
    { name: 'ort fp32', subject: { runtime: 'onnxruntime', file: model.path, threads } },
    {
      name: 'presisi int8',
      subject: { runtime: 'presisi', file: int8, threads },
      written: workspace.exportOf(int8),
    },
  ];
  for (const form of 'reason' in workspace.quantizer ? [] : ORT_FORMS) {
    const file = await workspace.ortInt8(model, form.name);
    columns.push({
      name: `ort int8 ${form.name}`,
      subject: { runtime: 'onnxruntime', file, threads },
      written: file,
    });
  }
  const inputFile = join(folder, 'pictures.input');
  await writeInput(inputFile, inputs[0], await pictures(['test'], Math.max(COMPARED_PICTURES, ...batches)));
  return { model, columns, inputFile, dims: inputs[0]?.dims ?? [], macs };
}

/** How long a trial of the options measures, and how long it warms up before. */
export function extents({ runs, seconds, limitSeconds }: Options): { warmUp: Extent; measure: Extent } {
  return {
    warmUp: { runs: Math.ceil(runs / 3), seconds: seconds / 3, limitSeconds: limitSeconds / 2 },
    measure: { runs, seconds, limitSeconds },
  };
}

/** All trials of one network at one batch: first one of each column, then the second of each, and so on. */
async function runCase(prepared: Prepared, batch: number, meter: PeakMeter | undefined, options: Options) {
  const { model, columns, inputFile } = prepared;
  const common = { inputFile, dims: [batch, ...prepared.dims.slice(1)] };
  const trials: Partial<Record<Variant, LatencyTrial[]>> = {};
  const outputs: Partial<Record<Variant, string>> = {};
  const peaks: Peak[] = [];
  const measurePeak = async (): Promise<void> => {
    if (meter) peaks.push(await meter.measure());
  };
  for (let trial = 0; trial < options.trials; trial++) {
    await measurePeak();
    for (const { name, subject } of columns) {
      const task: LatencyTask = { ...common, ...extents(options), subject, collectOutputs: trial === 0 };
      const { outputs: collected, ...result } = await runWorker('latency', task);
      trials[name] = [...(trials[name] ?? []), result];
      if (collected !== undefined) outputs[name] = collected;
      const where = `${model.name}, batch ${batch}, trial ${trial + 1} of ${options.trials}`;
      console.error(`${where}: ${name} ${result.medianMs.toFixed(3)} ms, ${result.runs} runs`);
    }
  }
  await measurePeak();
  const once = { runs: 1, seconds: 0, limitSeconds: options.limitSeconds };
  const asWritten = async (file: string): Promise<string | undefined> => {
    const subject: Subject = { runtime: 'onnxruntime', file, threads: options.threads, literal: true };
    return (await runWorker('latency', { ...common, subject, warmUp: once, measure: once, collectOutputs: true }))
      .outputs;
  };
  const compared = batch * Math.floor(Math.max(COMPARED_PICTURES, ...options.batches) / batch);
  const agreement = (a: string | undefined, b: string | undefined) => compare(a ?? '', b ?? '', compared);
  const written: Partial<Record<Variant, Agreement>> = {};
  const precisions: Partial<Record<Variant, Agreement>> = {};
  for (const { name, written: file, subject } of columns) {
    if (file === undefined) continue;
    written[name] = agreement(outputs[name], await asWritten(file));
    precisions[name] = agreement(outputs[name], outputs[subject.runtime === 'presisi' ? 'presisi fp32' : 'ort fp32']);
  }
  return {
    network: model.name,
    modelSha256: model.sha256,
    batch,
    macs: prepared.macs * batch,
    trials,
    peaks,
    agreement: { fp32: agreement(outputs['presisi fp32'], outputs['ort fp32']), asWritten: written, precisions },
  } satisfies LatencyCase;
}

export async function measureLatency(workspace: Workspace): Promise<LatencyResults> {
  const { options, quantizer } = workspace;
  let peakAbsent: string | undefined;
  const meter = await PeakMeter.create(options.folder, options.threads).catch((error: Error) => {
    peakAbsent = error.message.split('\n')[0];
    return undefined;
  });
  const cases: LatencyCase[] = [];
  for (const name of options.networks) {
    const prepared = await prepare(name, workspace);
    const fixed = prepared.dims[0] ?? -1;
    for (const batch of options.batches) {
      if (fixed > 0 && fixed !== batch) console.error(`${name} has a fixed batch of ${fixed}: left out ${batch}`);
      else cases.push(await runCase(prepared, batch, meter, options));
    }
  }
  return {
    cases,
    ...('reason' in quantizer && { ortInt8Absent: quantizer.reason }),
    ...(peakAbsent !== undefined && { peakAbsent }),
  };
}
