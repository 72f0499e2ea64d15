// Latency of an engine at batch 1, by presisi's own benchmark().
import { benchmark, loadEngine } from 'presisi';
import type { SpeedResult, SpeedTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function trial({ engine: path, threads, seconds, runs }: SpeedTask): Promise<SpeedResult> {
  const engine = await loadEngine(path, { threads });
  const { endToEnd } = await benchmark(engine, { warmUp: 200, duration: seconds, iterations: runs });
  return { medianMs: endToEnd.median };
}

finish(await trial(await readTask<SpeedTask>()));
