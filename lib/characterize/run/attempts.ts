import type { Trial } from '../results.js';
import { counting } from '../summary/measured.js';

/** The attempts of one experiment's trials, by identity, in order. */
export class Attempts {
  readonly #byId = new Map<string, Trial[]>();

  constructor(trials: readonly Trial[]) {
    for (const trial of [...trials].sort((a, b) => a.attempt - b.attempt)) this.add(trial);
  }

  add(trial: Trial): void {
    const attempts = this.#byId.get(trial.id);
    if (attempts) attempts.push(trial);
    else this.#byId.set(trial.id, [trial]);
  }

  of(id: string): readonly Trial[] {
    return this.#byId.get(id) ?? [];
  }

  /** The attempt that counts; undefined where there is none yet. */
  counting(id: string): Trial | undefined {
    return counting(this.of(id))[0];
  }

  /** Whether nothing is left to try: the last attempt was undisturbed, or failed, or was the last one allowed. */
  settled(id: string, retries: number): boolean {
    const attempts = this.of(id);
    const last = attempts.at(-1);
    return last !== undefined && (last.flags.length === 0 || last.error !== undefined || attempts.length > retries);
  }

  /** What the next attempt is called; numbers are never used twice. */
  next(id: string): number {
    return (this.of(id).at(-1)?.attempt ?? 0) + 1;
  }

  all(): Trial[] {
    return [...this.#byId.values()].flat();
  }
}
