import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExperimentOptions } from '../../lib/characterize/experiment.js';
import { resultsSchema, type Trial } from '../../lib/characterize/results.js';
import type { CharacterizeProgress } from '../../lib/characterize/run/progress.js';
import { type RunOptions, runExperiment } from '../../lib/characterize/run/run.js';
import { fakeHost } from '../fixtures/characterize/host.mjs';
import { picture, ROOT } from './support.js';

export const FAKE_TRIAL = join(ROOT, 'test', 'fixtures', 'characterize', 'trial.mjs');

/** What goes wrong with fake trials; regular expressions over `ID~ATTEMPT`. */
export interface Behaviour {
  readonly fail?: string;
  readonly flag?: string;
  readonly hang?: string;
  readonly crash?: string;
  readonly nonsense?: string;
  readonly stubborn?: boolean;
  readonly milliseconds?: number;
  /** A file that trials note their start and end in. */
  readonly journal?: string;
}

/** A model that is no model, pictures and an experiment of them. */
export async function smallExperiment(
  folder: string,
  changes: Partial<ExperimentOptions> = {},
): Promise<ExperimentOptions> {
  const data = join(folder, 'pictures', 'one');
  await mkdir(data, { recursive: true });
  for (const seed of [1, 2, 3]) await writeFile(join(data, `${seed}.png`), await picture(seed));
  await writeFile(join(folder, 'model.onnx'), 'a model');
  return {
    models: [{ path: join(folder, 'model.onnx') }],
    precisions: ['fp32', 'int8'],
    calibration: { data },
    latency: { batchSizes: [1], duration: 0.01, warmUp: 1 },
    repeats: 2,
    idle: 0.1,
    ...changes,
  };
}

/** Carries an experiment out in this process, its trials in fake ones. */
export async function run(
  options: Partial<RunOptions> & Pick<RunOptions, 'output'>,
  behaviour: Behaviour = {},
  host: Record<string, unknown> = {},
) {
  process.env.PRESISI_FAKE_TRIALS = JSON.stringify(behaviour);
  const events: CharacterizeProgress[] = [];
  const warnings: string[] = [];
  const done = await runExperiment(
    {
      resume: false,
      retryFailed: false,
      change: (written) => written,
      signal: new AbortController().signal,
      onProgress: (event) => events.push(event),
      onWarning: (message) => warnings.push(message),
      report: async () => [],
      ...options,
    },
    fakeHost(FAKE_TRIAL, host),
  );
  return { ...done, events, warnings };
}

/** `results.json`, which must conform. */
export const readResults = async (folder: string) =>
  resultsSchema.parse(JSON.parse(await readFile(join(folder, 'results.json'), 'utf8')));

export const idsOf = (trials: readonly Trial[]): string[] => [...new Set(trials.map(({ id }) => id))].sort();

export const newFolder = (parent: string): Promise<string> => mkdtemp(join(parent, 'experiment-'));
