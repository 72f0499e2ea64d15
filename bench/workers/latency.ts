// One trial: loads one file with one runtime, warms up, measures.
import { readFileSync } from 'node:fs';
import { median, peakRssBytes, repeat, timed } from './measure.js';
import { type Run, runtimeOf } from './runtimes.js';
import type { LatencyResult, LatencyTask } from './tasks.js';
import { finish, readTask } from './worker.js';

/** The pictures in the file, a batch at a time; what doesn't fill one is left out. */
function readBatches({ inputFile, dims }: LatencyTask): Float32Array[] {
  const { buffer, byteOffset, byteLength } = readFileSync(inputFile);
  const all = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const size = dims.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: Math.floor(all.length / size) }, (_, i) => all.slice(i * size, (i + 1) * size));
}

/** Outputs of all runs, one after the other: float32, base64. */
async function collect(runs: readonly Run[]): Promise<string> {
  const pieces: Buffer[] = [];
  for (const run of runs) {
    const { buffer, byteOffset, byteLength } = await run();
    pieces.push(Buffer.from(buffer, byteOffset, byteLength));
  }
  return Buffer.concat(pieces).toString('base64');
}

async function trial(task: LatencyTask): Promise<LatencyResult> {
  const batches = readBatches(task);
  const [data] = batches;
  if (data === undefined) throw new Error(`${task.inputFile} has less than a batch of pictures`);
  const network = await (await runtimeOf(task.subject)).load(task.subject);
  const run = network.prepare(data, task.dims);
  await repeat(run, task.warmUp);
  const times = await repeat(async () => (await timed(run))[1], task.measure);
  const peak = peakRssBytes();
  const all = batches.map((batch) => network.prepare(batch, task.dims));
  return {
    medianMs: median(times),
    runs: times.length,
    peakRssBytes: peak,
    outputs: task.collectOutputs ? await collect(all) : undefined,
  };
}

finish(await trial(await readTask<LatencyTask>()));
