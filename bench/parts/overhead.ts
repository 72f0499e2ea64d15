// What a call of engine.run() takes beyond the native call.
import { runWorker } from '../child.js';
import type { OverheadResult } from '../workers/tasks.js';
import type { Precision, Workspace } from '../workspace.js';
import { extents } from './latency.js';

export interface OverheadCase {
  readonly network: string;
  readonly precision: Precision;
  readonly trials: readonly OverheadResult[];
}

export interface OverheadResults {
  readonly cases: readonly OverheadCase[];
}

/** One that computes next to nothing, and the smallest that computes something: 600 kB of input. */
const SUBJECTS = [
  ['tiny', 'fp32'],
  ['mobilenet_v3_small', 'fp32'],
  ['mobilenet_v3_small', 'int8'],
] as const;

export async function measureOverhead(workspace: Workspace): Promise<OverheadResults> {
  const { threads, trials: count } = workspace.options;
  const cases: OverheadCase[] = [];
  for (const [network, precision] of SUBJECTS) {
    const engine = await workspace.engine(await workspace.model(network), precision);
    const trials: OverheadResult[] = [];
    for (let trial = 0; trial < count; trial++) {
      const result = await runWorker('overhead', { engine, threads, ...extents(workspace.options) });
      trials.push(result);
      console.error(`${network}, ${precision}, trial ${trial + 1} of ${count}: ${result.overheadUs.toFixed(1)} µs`);
    }
    cases.push({ network, precision, trials });
  }
  return { cases };
}
