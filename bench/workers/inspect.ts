// What an engine executes, layer by layer, timed.
import { loadEngine } from 'presisi';
import type { InspectResult, InspectTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function inspect({ engine: path, threads, runs }: InspectTask): Promise<InspectResult> {
  const engine = await loadEngine(path, { threads });
  const { inputs, layers, weightBytes, arenaBytes, seconds } = await engine.inspect({ profile: true, runs });
  if (arenaBytes === undefined || seconds === undefined) throw new Error(`${path} was not profiled`);
  const macs = layers.reduce((sum, layer) => sum + layer.macs, 0);
  return { inputs, layers, macs, weightBytes, arenaBytes, seconds };
}

finish(await inspect(await readTask<InspectTask>()));
