import { PresisiError } from '../../errors.js';
import { type Completed, completeExperiment } from '../experiment/complete.js';
import { Durations } from '../experiment/durations.js';
import { compressId, type Plan, planOf, variantsOf } from '../experiment/plan.js';
import { checkSupplies, diskAvailable, needsOf } from '../experiment/preflight.js';
import { type ExperimentSource, experimentFrom, readExperiment } from '../experiment/source.js';
import type { Experiment, ExperimentOptions } from '../experiment.js';
import type { Results } from '../results.js';
import { assembleResults, writeResults } from './assemble.js';
import { type OpenFolder, openFolder, storedRecord, withFolder } from './folder.js';
import type { Host } from './host.js';
import type { CharacterizeProgress } from './progress.js';
import { describeExperiment } from './record.js';
import { Runner } from './runner.js';
import type { Store } from './store.js';

/** What is to be done, checked. */
export interface RunOptions {
  /** Absent: what the folder holds is gone on with. */
  readonly experiment?: ExperimentOptions | string;
  readonly output: string;
  readonly resume: boolean;
  readonly retryFailed: boolean;
  /** Changes to the experiment as it is written. */
  readonly change: (options: ExperimentOptions) => ExperimentOptions;
  /** Only these models. */
  readonly models?: readonly string[];
  /** Seconds there are. */
  readonly timeLimit?: number;
  readonly signal: AbortSignal;
  onProgress(progress: CharacterizeProgress): void;
  onWarning(message: string): void;
  /** Turns results, also partial ones, into reports; gives the files it wrote. */
  report(results: Results, folder: string): Promise<readonly string[]>;
}

export interface Characterization {
  readonly results: Results;
  /** The experiment's folder. */
  readonly folder: string;
  /** `results.json` in it. */
  readonly resultsPath: string;
  /** The reports that were written. */
  readonly reports: readonly string[];
  readonly warnings: readonly string[];
}

/** See `characterize`, which checks the options and brings this machine as the host. */
export async function runExperiment(options: RunOptions, host: Host): Promise<Characterization> {
  const warnings: string[] = [];
  const warn = (message: string): void => {
    warnings.push(message);
    options.onWarning(message);
  };
  // What is wrong with the experiment is found before a folder is made for it.
  const given = options.experiment === undefined ? undefined : await fromOptions(options.experiment, options, host);
  return withFolder(options.output, async (store) => {
    const { experiment, warnings: completing } = given ?? (await fromFolder(store, options.resume));
    const described = await describeExperiment(experiment, host, options.signal);
    const opened = await openFolder(store, described.record, options.resume);
    for (const message of [...completing, ...described.warnings, ...opened.warnings]) warn(message);
    const plan = await planned(opened, host, warn);
    const sources = await host.sources(experiment.telemetry);
    const outcome = await carryOut(opened, plan, options, host, warn);
    const results = assembleResults(opened.record, plan, opened.attempts, sources);
    const resultsPath = store.path('results.json');
    await writeResults(resultsPath, results);
    const reports = results.trials.length > 0 ? await options.report(results, store.folder) : [];
    if (outcome.stopped) throw outcome.reason;
    return { results, folder: store.folder, resultsPath, reports, warnings };
  });
}

async function fromOptions(
  experiment: ExperimentOptions | string,
  options: RunOptions,
  host: Host,
): Promise<Completed> {
  const source = typeof experiment === 'string' ? await readExperiment(experiment) : experimentFrom(experiment);
  const changed: ExperimentSource = { ...source, options: options.change(source.options) };
  const completed = await completeExperiment(changed, host);
  return { ...completed, experiment: onlyModels(completed.experiment, options.models) };
}

function onlyModels(experiment: Experiment, ids: readonly string[] | undefined): Experiment {
  if (ids === undefined) return experiment;
  const known = experiment.models.map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined) {
    throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `there is no model ${JSON.stringify(unknown)}`, {
      hint: `the experiment has ${known.join(', ')}`,
    });
  }
  return { ...experiment, models: experiment.models.filter(({ id }) => ids.includes(id)) };
}

async function fromFolder(store: Store, resume: boolean): Promise<Completed> {
  const record = resume ? await storedRecord(store) : undefined;
  if (record) return { experiment: record.experiment, warnings: [] };
  const message = resume ? `${store.folder} holds no experiment to go on with` : 'there is no experiment to carry out';
  throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', message, { hint: 'give an experiment, or a preset' });
}

async function planned({ record }: OpenFolder, host: Host, warn: (message: string) => void): Promise<Plan> {
  const known = await host.backends();
  const left = new Set<string>();
  const variants = variantsOf(record.experiment, record.environment, (backend, precision) => {
    const builds = known.find(({ name }) => name === backend)?.precisions.includes(precision) ?? false;
    if (!builds) left.add(`the backend ${backend} doesn't build ${precision}: it is left out`);
    return builds;
  });
  for (const message of left) warn(message);
  if (variants.length === 0) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', 'no backend builds any of the precisions', {
      hint: '`presisi backends` lists what each one builds',
    });
  }
  for (const { framework } of record.experiment.baselines) {
    const without = record.models.filter(
      ({ id }) => !variants.some((v) => v.model === id && v.framework === framework),
    );
    if (without.length === 0) continue;
    warn(
      `no ${framework} baseline for ${without.map(({ id }) => id).join(', ')}: baselines.architectures doesn't name it`,
    );
  }
  return planOf(record.experiment, variants);
}

/** Whether the caller stopped the work, or it came to its end. Whatever else goes wrong is thrown. */
async function carryOut(
  { store, record, attempts }: OpenFolder,
  plan: Plan,
  options: RunOptions,
  host: Host,
  warn: (message: string) => void,
): Promise<{ readonly stopped: boolean; readonly reason?: unknown }> {
  const { signal, onProgress } = options;
  const { experiment, models, data } = record;
  const durations = new Durations({ experiment, models, pictures: data.accuracy?.pictures ?? 0 });
  for (const planned of plan.stages.flat()) for (const trial of attempts.of(planned.id)) durations.add(planned, trial);
  const again = new Set([
    ...(await lostEngines(plan, { store, attempts })),
    ...(options.retryFailed ? plan.stages.flat().filter(({ id }) => attempts.counting(id)?.error) : []).map(
      ({ id }) => id,
    ),
  ]);
  const runner = new Runner({ record, plan, store, host, attempts, durations, again, signal, onProgress });
  try {
    const needs = needsOf(runner.pending(), models, durations);
    const memory = await host.memoryAvailable();
    const supplies = {
      disk: await diskAvailable(store.folder),
      ...(memory !== undefined && { memory }),
      ...(options.timeLimit !== undefined && { time: options.timeLimit }),
    };
    for (const message of checkSupplies(needs, supplies)) warn(message);
    await runner.run();
    return { stopped: false };
  } catch (error) {
    if (!signal.aborted) throw error;
    return { stopped: true, reason: signal.reason };
  }
}

/** Compress trials whose engine has gone since, and is needed for what is left. */
async function lostEngines(plan: Plan, { store, attempts }: Pick<OpenFolder, 'store' | 'attempts'>): Promise<string[]> {
  const left = plan.stages.flat().filter(({ id, kind }) => kind !== 'compress' && attempts.of(id).length === 0);
  const needed = new Set(left.map(({ variant, repeat }) => compressId(variant, repeat)));
  const lost: string[] = [];
  for (const id of needed) {
    const trial = attempts.counting(id);
    if (trial?.kind !== 'compress' || !trial.compress) continue;
    const { engineSha256, engineBytes } = trial.compress;
    if (!(await store.hasEngine(engineSha256, engineBytes))) lost.push(id);
  }
  return lost;
}
