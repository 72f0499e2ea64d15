// One trial: how long a file takes to become something that runs, and how much memory it then holds.
import { resident, timed } from './measure.js';
import { runtimeOf, zeros } from './runtimes.js';
import type { LoadResult, LoadTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function trial({ subject, dims, before }: LoadTask): Promise<LoadResult> {
  const runtime = await runtimeOf(subject);
  const input = zeros(dims);
  input.fill(0.5); // pages that were never written are not resident
  if (before) {
    const other = await runtime.load(before.subject);
    await other.prepare(zeros(before.dims), before.dims)();
    await other.dispose();
  }
  const base = resident();
  const [network, loadMs] = await timed(() => runtime.load(subject));
  const [, firstRunMs] = await timed(network.prepare(input, dims));
  const held = resident();
  return { loadMs, firstRunMs, grown: { total: held.total - base.total, file: held.file - base.file } };
}

finish(await trial(await readTask<LoadTask>()));
