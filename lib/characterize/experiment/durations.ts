import { median } from '../../statistics.js';
import type { Experiment } from '../experiment.js';
import type { ExperimentModel, Trial } from '../results.js';
import type { PlannedTrial } from './plan.js';

/**
 * Guesses for what wasn't measured yet: those of a small device. As soon as trials are done, all guesses are scaled by
 * what those took.
 */
const START_SECONDS = 0.5;
const MACS_PER_SECOND = 10e9;
const REFERENCE_MACS_PER_SECOND = 0.5e9;
const READ_BYTES_PER_SECOND = 50e6;
const PICTURE_SECONDS = 0.01;
/** Of a network nobody knows anything of. */
const UNKNOWN_MACS = 1e9;

/** A trial that hangs is ended after so many times what the longest of its like took; without any, of what is guessed. */
const LIMIT_MEASURED = 20;
const LIMIT_GUESSED = 100;
const LEAST_LIMIT_SECONDS = 120;
/** A first build on a slow device may take long without giving a sign. */
const LEAST_GUESSED_LIMIT_SECONDS = 3600;
/** What a timer can hold. */
const MOST_LIMIT_SECONDS = 20 * 24 * 3600;

export interface DurationContext {
  readonly experiment: Experiment;
  readonly models: readonly ExperimentModel[];
  /** How many pictures accuracy is measured on. */
  readonly pictures: number;
}

/** How long trials take: guessed first, then by the durations of their like. */
export class Durations {
  readonly #context: DurationContext;
  readonly #measured = new Map<string, number[]>();
  #guessed = 0;
  #taken = 0;

  constructor(context: DurationContext) {
    this.#context = context;
  }

  /** Learns from a trial that was carried out; failed ones end early and teach nothing. */
  add(planned: PlannedTrial, trial: Trial): void {
    if (trial.error) return;
    const like = likeness(planned);
    this.#measured.set(like, [...(this.#measured.get(like) ?? []), trial.seconds]);
    this.#guessed += this.#guess(planned);
    this.#taken += trial.seconds;
  }

  /** Seconds a trial will take, its rest before it included. */
  expected(planned: PlannedTrial): number {
    const measured = this.#measured.get(likeness(planned));
    const scale = this.#guessed > 0 ? this.#taken / this.#guessed : 1;
    return this.#context.experiment.coolDown + (measured ? median(measured) : this.#guess(planned) * scale);
  }

  /** Seconds after which a trial is taken to hang. */
  limit(planned: PlannedTrial): number {
    const measured = this.#measured.get(likeness(planned));
    const seconds = measured
      ? Math.max(LEAST_LIMIT_SECONDS, LIMIT_MEASURED * Math.max(...measured))
      : Math.max(LEAST_GUESSED_LIMIT_SECONDS, LIMIT_GUESSED * this.#guess(planned));
    return Math.min(MOST_LIMIT_SECONDS, seconds);
  }

  /** Seconds that are certain: what the experiment itself says must be waited and measured. */
  least(planned: PlannedTrial): number {
    const { coolDown, idle, latency } = this.#context.experiment;
    if (planned.kind === 'idle') return coolDown + idle;
    return planned.kind === 'latency' ? coolDown + latency.warmUp / 1000 + latency.duration : coolDown;
  }

  #guess({ kind, variant, batch = 1 }: PlannedTrial): number {
    const { experiment, models, pictures } = this.#context;
    const model = models.find(({ id }) => id === variant.model);
    const macs = model?.macs ?? UNKNOWN_MACS;
    const run = macs / (variant.backend === 'reference' ? REFERENCE_MACS_PER_SECOND : MACS_PER_SECOND);
    const read = (model?.bytes ?? 0) / READ_BYTES_PER_SECOND;
    switch (kind) {
      case 'idle':
        return START_SECONDS + experiment.idle;
      case 'compress':
        return START_SECONDS + 2 * read + (variant.calibration?.samples ?? 0) * (run + PICTURE_SECONDS);
      case 'accuracy':
        return START_SECONDS + read + pictures * (run + PICTURE_SECONDS);
      case 'latency': {
        const { warmUp, duration, iterations } = experiment.latency;
        return START_SECONDS + read + warmUp / 1000 + Math.max(duration, iterations * batch * run);
      }
    }
  }
}

/** Trials of the same likeness differ in nothing but their repeat. */
const likeness = ({ kind, variant, batch, threads }: PlannedTrial): string =>
  `${kind} ${variant.id} ${batch ?? ''} ${threads ?? ''}`;
