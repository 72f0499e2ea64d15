import type { BackendInfo } from '../../backends.js';
import type { SourceStatus } from '../../telemetry/types.js';
import type { Experiment } from '../experiment.js';
import type { Device, Environment, ExperimentModel } from '../results.js';

type Model = Experiment['models'][number];
type Baseline = Experiment['baselines'][number];

/** What an experiment asks of the machine it runs on; tests bring another one. */
export interface Host {
  /** Best first. */
  backends(): Promise<
    readonly Pick<BackendInfo, 'name' | 'available' | 'reason' | 'hint' | 'version' | 'precisions'>[]
  >;
  /** Names of the built-in architectures. */
  architectures(): readonly string[];
  device(root?: string): Promise<Device>;
  /** With the versions of these baselines' frameworks. */
  environment(baselines: readonly Baseline[], root?: string): Promise<Environment>;
  describeModel(model: Model, signal: AbortSignal): Promise<ExperimentModel>;
  /** The framework's version, or why it can't be used. */
  baseline(
    baseline: Baseline,
  ): Promise<{ readonly version: string } | { readonly reason: string; readonly hint?: string }>;
  /** Writes the original network as ONNX, as trained: batch normalisation is not folded. `python`: for the user's own networks. */
  exportOriginal(model: Model, output: string, python: string | undefined, signal: AbortSignal): Promise<void>;
  /** Every source of telemetry that is looked for. */
  sources(telemetry: Experiment['telemetry']): Promise<readonly SourceStatus[]>;
  /** Bytes of memory that can be had without swapping; absent where that can't be read. */
  memoryAvailable(): Promise<number | undefined>;
  /** The program that carries a trial out. */
  readonly trialEntry: string;
}
