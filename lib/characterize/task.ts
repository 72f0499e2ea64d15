import type { Experiment } from './experiment.js';
import type { Trial, Variant } from './results.js';

/** One trial as the process that carries it out is told of it; plain data. */
export interface TrialTask {
  /** `compress/densenet169/cpu-int8-entropy-128/2` */
  readonly id: string;
  readonly kind: Trial['kind'];
  readonly variant: Variant;
  readonly repeat: number;
  readonly attempt: number;
  /** Latency only. */
  readonly batch?: number;
  readonly threads?: number;
  readonly model: Experiment['models'][number];
  /**
   * Latency and accuracy: the network to run, an engine of presisi's or, for baselines, an ONNX file. Compress: where the
   * engine is written.
   */
  readonly network: string;
  /** Latency of presisi's engines: which build `network` is of. */
  readonly build?: number;
  /** Compress: where phase 1 writes its ONNX file. */
  readonly onnx?: string;
  readonly experiment: Experiment;
}

/** What a trial's process sends to the one that started it. */
export type TrialMessage =
  | { readonly type: 'progress'; readonly phase: string; readonly completed: number; readonly total: number }
  | { readonly type: 'result'; readonly trial: Trial };
