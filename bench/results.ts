import type { Activity, Machine } from './machine.js';
import type { Options } from './options.js';
import type { CostResults } from './parts/cost.js';
import type { LatencyResults } from './parts/latency.js';
import type { LoadResults } from './parts/load.js';
import type { OverheadResults } from './parts/overhead.js';
import type { PipelineResults } from './parts/pipeline.js';
import type { QuantizeResults } from './parts/quantize.js';

/** What a part was measured with. */
export type Settings = Pick<
  Options,
  'threads' | 'trials' | 'fitTrials' | 'runs' | 'seconds' | 'limitSeconds' | 'networks'
>;

export type Measured<T> = Activity & { readonly settings: Settings; readonly found: T };

/** What the JSON file holds. */
export interface Results {
  readonly machine: Machine;
  readonly parts: {
    readonly latency?: Measured<LatencyResults>;
    readonly load?: Measured<LoadResults>;
    readonly overhead?: Measured<OverheadResults>;
    readonly quantize?: Measured<QuantizeResults>;
    readonly pipeline?: Measured<PipelineResults>;
    readonly cost?: Measured<CostResults>;
  };
}
