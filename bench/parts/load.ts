// How long a file takes to become something that runs, and what it then holds, beside ONNX Runtime.
import { runWorker } from '../child.js';
import type { Resident } from '../workers/measure.js';
import type { LoadResult, Subject } from '../workers/tasks.js';
import { ORT_FORMS, type Precision, type Workspace } from '../workspace.js';

export interface LoadCase {
  readonly network: string;
  readonly precision: Precision;
  readonly presisi: readonly LoadResult[];
  /** Absent where there is no such file. */
  readonly ort?: readonly LoadResult[];
  /** What the network adds in a process that has run another one; in the order of the trials. */
  readonly held: { readonly presisi: readonly Resident[]; readonly ort?: readonly Resident[] };
  /** What presisi says the engine needs: weights as they are computed with, and activations at batch 1. */
  readonly weightBytes: number;
  readonly arenaBytes: number;
}

export interface LoadResults {
  readonly cases: readonly LoadCase[];
}

interface Subjects {
  readonly presisi: Subject;
  readonly ort?: Subject;
}

async function subjectsOf(name: string, precision: Precision, workspace: Workspace): Promise<Subjects> {
  const { threads } = workspace.options;
  const model = await workspace.model(name);
  const presisi: Subject = { runtime: 'presisi', file: await workspace.engine(model, precision), threads };
  const ort = (file: string): Subjects => ({ presisi, ort: { runtime: 'onnxruntime', file, threads } });
  if (precision === 'fp32') return ort(model.path);
  // The form with fewer nodes would say nothing else: its weights are the same.
  return 'reason' in workspace.quantizer ? { presisi } : ort(await workspace.ortInt8(model, ORT_FORMS[0].name));
}

const dimsAtOne = (dims: readonly number[]): number[] => [1, ...dims.slice(1)];

async function runCase(name: string, precision: Precision, workspace: Workspace): Promise<LoadCase> {
  const subjects = await subjectsOf(name, precision, workspace);
  const { inputs, weightBytes, arenaBytes } = await workspace.inspect(subjects.presisi.file);
  const dims = dimsAtOne(inputs[0]?.dims ?? []);
  const others = await subjectsOf('tiny', precision, workspace);
  const tiny = await workspace.inspect(others.presisi.file);
  const tinyDims = dimsAtOne(tiny.inputs[0]?.dims ?? []);
  const found = { presisi: [] as LoadResult[], ort: [] as LoadResult[] };
  const held = { presisi: [] as Resident[], ort: [] as Resident[] };
  for (let trial = 0; trial < workspace.options.trials; trial++) {
    for (const runtime of ['presisi', 'ort'] as const) {
      const [subject, before] = [subjects[runtime], others[runtime]];
      if (subject === undefined || before === undefined) continue;
      found[runtime].push(await runWorker('load', { subject, dims }));
      const warm = await runWorker('load', { subject, dims, before: { subject: before, dims: tinyDims } });
      held[runtime].push(warm.grown);
    }
    console.error(`${name}, ${precision}: loaded, trial ${trial + 1} of ${workspace.options.trials}`);
  }
  return {
    network: name,
    precision,
    presisi: found.presisi,
    held: { presisi: held.presisi, ...(subjects.ort && { ort: held.ort }) },
    ...(subjects.ort && { ort: found.ort }),
    weightBytes,
    arenaBytes,
  };
}

export async function measureLoad(workspace: Workspace): Promise<LoadResults> {
  const cases: LoadCase[] = [];
  for (const name of workspace.options.networks) {
    for (const precision of ['fp32', 'int8'] as const) cases.push(await runCase(name, precision, workspace));
  }
  return { cases };
}
