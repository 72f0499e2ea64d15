// Pictures from files to labels: wall and CPU time.
import { infer, loadEngine } from 'presisi';
import { type Cost, costOf } from './measure.js';
import type { InferTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function trial({ engine: path, images, batchSize, threads, warmUp }: InferTask): Promise<Cost> {
  const engine = await loadEngine(path, { threads });
  await infer(engine, images.slice(0, warmUp), { batchSize });
  return costOf(() => infer(engine, images, { batchSize }));
}

finish(await trial(await readTask<InferTask>()));
