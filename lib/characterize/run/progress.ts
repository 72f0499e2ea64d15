import type { Trial } from '../results.js';

/** Where an experiment is. Times are seconds. */
export interface CharacterizeProgress {
  /** `start` of the run, `trial`: one starts, `step` within it, `end` of one. */
  readonly event: 'start' | 'trial' | 'step' | 'end';
  /** Trials that are done, of those planned. */
  readonly completed: number;
  readonly planned: number;
  /** Since this run started. */
  readonly elapsed: number;
  /** What is left, as far as can be told from trials like those that are left. */
  readonly remaining: number;
  /** All events but `start`. */
  readonly trial?: { readonly id: string; readonly attempt: number };
  /** `step`: what the trial does. `total` is 0 where it isn't known. */
  readonly step?: { readonly phase: string; readonly completed: number; readonly total: number };
  /** `end`: what came out. */
  readonly result?: Trial;
}
