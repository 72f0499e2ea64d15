import { setTimeout as sleep } from 'node:timers/promises';
import type { Durations } from '../experiment/durations.js';
import { compressId, type Plan, type PlannedTrial } from '../experiment/plan.js';
import { isOnnx } from '../experiment.js';
import type { CompressTrial, Trial } from '../results.js';
import type { TrialTask } from '../task.js';
import type { Attempts } from './attempts.js';
import { failedTrial } from './failed.js';
import type { Host } from './host.js';
import { runInProcess } from './process.js';
import type { CharacterizeProgress } from './progress.js';
import type { ExperimentRecord } from './record.js';
import type { Store } from './store.js';

export interface RunnerOptions {
  readonly record: ExperimentRecord;
  readonly plan: Plan;
  readonly store: Store;
  readonly host: Pick<Host, 'trialEntry' | 'exportOriginal'>;
  readonly attempts: Attempts;
  readonly durations: Durations;
  /** Trials that are to be tried once more, whatever came of them. */
  readonly again: ReadonlySet<string>;
  readonly signal: AbortSignal;
  onProgress(progress: CharacterizeProgress): void;
}

/** Carries out what a plan has left, one trial after the other. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #again: Set<string>;
  readonly #started = performance.now();
  /** Why a model's original can't be run, by model. */
  readonly #withoutOriginal = new Map<string, string>();

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#again = new Set(options.again);
  }

  /** @throws the reason of `signal` once that is aborted; what is done is saved. */
  async run(): Promise<void> {
    const { plan } = this.#options;
    await this.#exportOriginals();
    this.#report({ event: 'start' });
    for (const stage of plan.stages) {
      for (let next = this.#next(stage); next; next = this.#next(stage)) await this.#carryOut(next);
    }
  }

  pending(): PlannedTrial[] {
    return this.#options.plan.stages.flat().filter((trial) => this.#isPending(trial));
  }

  #isPending({ id }: PlannedTrial): boolean {
    const { attempts, record } = this.#options;
    return this.#again.has(id) || !attempts.settled(id, record.experiment.disturbance.retries);
  }

  /** Trials that were disturbed come last, after all others of their stage: what disturbed them may have passed. */
  #next(stage: readonly PlannedTrial[]): PlannedTrial | undefined {
    const { attempts } = this.#options;
    let best: PlannedTrial | undefined;
    for (const trial of stage) {
      if (!this.#isPending(trial)) continue;
      if (!best || attempts.of(trial.id).length < attempts.of(best.id).length) best = trial;
    }
    return best;
  }

  async #carryOut(planned: PlannedTrial): Promise<void> {
    const { record, store, attempts, durations, signal } = this.#options;
    signal.throwIfAborted();
    const attempt = attempts.next(planned.id);
    const needed = await this.#networkOf(planned);
    let trial: Trial;
    if ('missing' in needed) {
      const error = { code: 'TRIAL_SKIPPED', message: needed.missing };
      trial = failedTrial(planned, attempt, new Date(), error);
    } else {
      await rest(record.experiment.coolDown, signal);
      this.#report({ event: 'trial', trial: { id: planned.id, attempt } });
      trial = await this.#inProcess(planned, this.#taskOf(planned, attempt, needed));
      durations.add(planned, trial);
    }
    await store.save(trial);
    attempts.add(trial);
    this.#again.delete(planned.id);
    this.#report({ event: 'end', trial: { id: planned.id, attempt }, result: trial });
  }

  async #inProcess(planned: PlannedTrial, task: TrialTask): Promise<Trial> {
    const { store, host, durations, signal } = this.#options;
    const started = new Date();
    await store.clearWork();
    const outcome = await runInProcess(task, {
      entry: host.trialEntry,
      limit: durations.limit(planned),
      signal,
      note: store.runningPath,
      onProgress: ({ phase, completed, total }) =>
        this.#report({ event: 'step', trial: task, step: { phase, completed, total } }),
    });
    if ('failure' in outcome) return failedTrial(planned, task.attempt, started, outcome.failure);
    const { trial } = outcome;
    if (trial.kind === 'compress' && trial.compress) {
      await store.keepEngine(task.network, trial.compress.engineSha256);
    }
    return trial;
  }

  /** What a trial runs, or why it can't. */
  async #networkOf(planned: PlannedTrial): Promise<{ network: string; build?: number } | { missing: string }> {
    const { store, record } = this.#options;
    const { kind, variant } = planned;
    if (kind === 'idle') return { network: '' };
    if (kind === 'compress') return { network: store.workPath('built.engine') };
    if (variant.framework === 'presisi') return this.#engineOf(planned);
    const missing = this.#withoutOriginal.get(variant.model);
    if (missing !== undefined) return { missing };
    const model = record.experiment.models.find(({ id }) => id === variant.model);
    return { network: isOnnx(model?.path) ? model.path : store.originalPath(variant.model) };
  }

  /** Latency is measured on the build of the same repeat, accuracy on the first there is. */
  async #engineOf({
    kind,
    variant,
    repeat,
  }: PlannedTrial): Promise<{ network: string; build: number } | { missing: string }> {
    const { record } = this.#options;
    const repeats = Array.from({ length: record.experiment.repeats }, (_, index) => index + 1);
    for (const build of kind === 'latency' ? [repeat] : repeats) {
      const network = await this.#builtEngine(compressId(variant, build));
      if (network !== undefined) return { network, build };
    }
    const id = kind === 'latency' ? compressId(variant, repeat) : `every compress/${variant.id}`;
    return { missing: `there is no engine: ${id} failed` };
  }

  /** The file that a compress trial built: that of the attempt that counts, else of another whose file is there. */
  async #builtEngine(id: string): Promise<string | undefined> {
    const { attempts, store } = this.#options;
    for (const trial of [attempts.counting(id), ...attempts.of(id)] as (CompressTrial | undefined)[]) {
      if (!trial?.compress) continue;
      const { engineSha256, engineBytes } = trial.compress;
      if (await store.hasEngine(engineSha256, engineBytes)) return store.enginePath(engineSha256);
    }
    return undefined;
  }

  #taskOf(planned: PlannedTrial, attempt: number, { network, build }: { network: string; build?: number }): TrialTask {
    const { record, store } = this.#options;
    const { id, kind, variant, repeat, batch, threads } = planned;
    const { models } = record.experiment;
    const model = models.find((each) => each.id === variant.model) ?? models[0];
    if (!model) throw new Error(`no model ${variant.model}`);
    return {
      ...{ id, kind, variant, repeat, attempt, model, network, experiment: record.experiment },
      ...(batch !== undefined && { batch }),
      ...(threads !== undefined && { threads }),
      ...(kind === 'compress' && { onnx: store.workPath('network.onnx') }),
      ...(kind === 'latency' && build !== undefined && { build }),
    };
  }

  /** Before anything is measured: writing files meanwhile would disturb. */
  async #exportOriginals(): Promise<void> {
    const { record, host, store, signal } = this.#options;
    const needed = new Set(
      this.pending().flatMap(({ variant }) => (variant.framework === 'presisi' ? [] : [variant.model])),
    );
    const python = record.experiment.baselines.find(({ framework }) => framework === 'pytorch')?.python;
    for (const model of record.experiment.models) {
      if (!needed.has(model.id) || isOnnx(model.path)) continue;
      try {
        await host.exportOriginal(model, store.originalPath(model.id), python, signal);
      } catch (error) {
        signal.throwIfAborted();
        this.#withoutOriginal.set(
          model.id,
          `the original network can't be written as ONNX: ${(error as Error).message}`,
        );
      }
    }
  }

  #report(progress: Omit<CharacterizeProgress, 'completed' | 'planned' | 'elapsed' | 'remaining'>): void {
    const { plan, durations, onProgress } = this.#options;
    const planned = plan.stages.flat();
    const pending = this.pending();
    const { id, attempt } = progress.trial ?? {};
    onProgress({
      completed: planned.length - pending.length,
      planned: planned.length,
      elapsed: (performance.now() - this.#started) / 1000,
      remaining: pending.reduce((seconds, trial) => seconds + durations.expected(trial), 0),
      ...progress,
      ...(id !== undefined && attempt !== undefined && { trial: { id, attempt } }),
    });
  }
}

async function rest(seconds: number, signal: AbortSignal): Promise<void> {
  if (seconds === 0) return;
  await sleep(seconds * 1000, undefined, { signal }).catch((error: unknown) => {
    signal.throwIfAborted();
    throw error;
  });
}
