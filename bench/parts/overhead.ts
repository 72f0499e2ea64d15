// What calls of engine.run() and engine.runSync() take beyond the native call.
import { runWorker } from '../child.js';
import type { OverheadResult, OverheadTask } from '../workers/tasks.js';
import type { Precision, Workspace } from '../workspace.js';
import { extents } from './latency.js';

export interface OverheadCase {
  readonly network: string;
  readonly precision: Precision;
  readonly call: OverheadTask['call'];
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

const CALLS = ['runSync', 'run'] as const;

export async function measureOverhead(workspace: Workspace): Promise<OverheadResults> {
  const { threads, trials: count } = workspace.options;
  const cases: OverheadCase[] = [];
  for (const [network, precision] of SUBJECTS) {
    const engine = await workspace.engine(await workspace.model(network), precision);
    const trials = new Map(CALLS.map((call) => [call, [] as OverheadResult[]]));
    for (let trial = 0; trial < count; trial++) {
      for (const [call, results] of trials) {
        const result = await runWorker('overhead', { engine, call, threads, ...extents(workspace.options) });
        results.push(result);
        const where = `${network}, ${precision}, ${call}, trial ${trial + 1} of ${count}`;
        console.error(`${where}: ${result.overheadUs.toFixed(1)} µs`);
      }
    }
    for (const [call, results] of trials) cases.push({ network, precision, call, trials: results });
  }
  return { cases };
}
