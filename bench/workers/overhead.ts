// What a call takes beyond the native call: its wall time less the seconds the backend reports, run by run.
import { loadEngine } from 'presisi';
import type * as Native from '../../lib/native.js';
import { median, repeat } from './measure.js';
import { zeros } from './runtimes.js';
import type { OverheadResult, OverheadTask } from './tasks.js';
import { finish, internal, readTask } from './worker.js';

async function trial({ engine: path, call, threads, warmUp, measure }: OverheadTask): Promise<OverheadResult> {
  const engine = await loadEngine(path, { threads });
  const addon = (await internal<typeof Native>('native')).native();
  // Calls keep the native seconds to themselves, so they are taken on their way; the promise stays the addon's own.
  const { runFeeds, runFeedsSync } = addon;
  let answer: ReturnType<typeof runFeeds> | ReturnType<typeof runFeedsSync> | undefined;
  addon.runFeeds = (...given) => {
    const promise = runFeeds(...given);
    answer = promise;
    return promise;
  };
  addon.runFeedsSync = (...given) => {
    const result = runFeedsSync(...given);
    answer = result;
    return result;
  };
  const feeds = Object.fromEntries(
    engine.inputs.map(({ name, dims }) => {
      const sizes = dims.map((dim) => (dim > 0 ? dim : 1));
      return [name, { data: zeros(sizes), dims: sizes }];
    }),
  );
  const once = async (): Promise<{ wall: number; native: number }> => {
    const start = performance.now();
    if (call === 'run') await engine.run(feeds);
    else engine.runSync(feeds);
    const wall = performance.now() - start;
    if (answer === undefined) throw new Error(`engine.${call}() did not call the addon as it used to`);
    const [, seconds] = await answer;
    return { wall, native: seconds * 1000 };
  };
  await repeat(once, warmUp);
  const runs = await repeat(once, measure);
  return {
    wallMs: median(runs.map(({ wall }) => wall)),
    nativeMs: median(runs.map(({ native }) => native)),
    overheadUs: median(runs.map(({ wall, native }) => (wall - native) * 1000)),
    runs: runs.length,
  };
}

finish(await trial(await readTask<OverheadTask>()));
