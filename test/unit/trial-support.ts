import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Experiment } from '../../lib/characterize/experiment.js';
import { type Trial, trialSchema, type Variant } from '../../lib/characterize/results.js';
import type { TrialTask } from '../../lib/characterize/task.js';
import { runTrial } from '../../lib/characterize/trial/run.js';
import { readLabels } from '../../lib/datasets/labels.js';
import { ROOT } from './support.js';

export const MOBILENET = join(ROOT, 'models', 'zoo', 'mobilenet_v3_small.pth');
export const BLOSSOM = join(ROOT, 'models', 'blossom', 'model.onnx');
export const ORIN = join(ROOT, 'test', 'fixtures', 'telemetry', 'orin-nano');

const PICTURES = join(ROOT, 'calibration-data', 'images');
export const LABELS = await readLabels(join(ROOT, 'calibration-data', 'labels.txt'));

/** `each` of the drawn pictures of every class. */
export async function fewPictures(parent: string, split: 'calibration' | 'test', each: number): Promise<string> {
  const folder = join(parent, `${split}-${each}`);
  for (const label of LABELS) {
    await mkdir(join(folder, label), { recursive: true });
    const names = (await readdir(join(PICTURES, split, label))).sort().slice(0, each);
    for (const name of names) await cp(join(PICTURES, split, label, name), join(folder, label, name));
  }
  return folder;
}

/** The quickest experiment there is. */
export function experiment(more: Partial<Experiment> = {}): Experiment {
  return {
    name: 'test',
    models: [],
    backends: ['cpu'],
    precisions: ['fp32', 'int8'],
    calibration: { methods: ['minmax'], samples: [8], implicit: false },
    latency: { batchSizes: [1, 2], threads: [0], warmUp: 0, duration: 0, iterations: 12 },
    baselines: [],
    repeats: 1,
    coolDown: 0,
    idle: 0.2,
    seed: 1,
    telemetry: { rate: 100 },
    disturbance: { clock: 0.05, foreignLoad: 1, steal: 1, retries: 0 },
    ...more,
  };
}

export const engineVariant = (precision: Variant['precision'], more: Partial<Variant> = {}): Variant => ({
  id: `m/cpu-${precision}`,
  model: 'm',
  framework: 'presisi',
  frameworkVersion: '0.1.0',
  backend: 'cpu',
  precision,
  ...(precision === 'int8' && { calibration: { method: 'minmax', samples: 8 } }),
  ...more,
});

export const baselineVariant = (framework: 'onnxruntime' | 'pytorch'): Variant => ({
  id: `m/${framework}-fp32`,
  model: 'm',
  framework,
  frameworkVersion: '1',
  precision: 'fp32',
});

export function taskOf<Kind extends Trial['kind']>(
  kind: Kind,
  more: Partial<TrialTask> & Pick<TrialTask, 'network'>,
): TrialTask & { readonly kind: Kind } {
  return {
    id: `${kind}/m/1`,
    kind,
    variant: engineVariant('fp32'),
    repeat: 1,
    attempt: 1,
    model: { id: 'm', path: MOBILENET },
    experiment: experiment(),
    ...(kind === 'latency' && { batch: 1, threads: 0 }),
    ...more,
  } as TrialTask & { readonly kind: Kind };
}

type TrialOf<Kind extends Trial['kind']> = Extract<Trial, { kind: Kind }>;

/** Runs a trial as its process does. What it gives must be what results may hold. */
export async function trialOf<Kind extends Trial['kind']>(
  task: TrialTask & { readonly kind: Kind },
  report: Parameters<typeof runTrial>[1] = () => {},
): Promise<TrialOf<Kind>> {
  const trial = await runTrial(task, report, new AbortController().signal);
  const parsed = trialSchema.safeParse(trial);
  if (!parsed.success) throw new Error(`not a trial: ${JSON.stringify(parsed.error.issues)}`);
  return parsed.data as TrialOf<Kind>;
}
