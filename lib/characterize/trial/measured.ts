import type { Timeline } from '../../telemetry/types.js';
import type { AccuracyTrial, CompressTrial, LatencyTrial } from '../results.js';
import type { TrialTask } from '../task.js';

/** What a kind of trial has to work with. */
export interface TrialContext {
  readonly task: TrialTask;
  readonly signal: AbortSignal;
  report(phase: string, completed: number, total: number): void;
}

/** Seconds of the monotonic clock. */
export interface Window {
  readonly from: number;
  readonly to: number;
}

/** What a trial measured of its kind. */
export type TrialBody =
  | Pick<CompressTrial, 'compress'>
  | Pick<AccuracyTrial, 'accuracy'>
  | Pick<LatencyTrial, 'latency'>
  | Record<never, never>;

/** Work that is done, while the device was being recorded. */
export interface Measured {
  /** When the measured part took place. */
  readonly window: Window;
  /** The part of it with one kind of load, in which the clocks are to stay where they are; absent where there is none. */
  readonly steady?: Window;
  /** Makes the result of it; from here on nothing is recorded any more. */
  finish(timeline: Timeline): Promise<TrialBody>;
}
