// One trial, in a process of its own: loads one file with one runtime, warms up, measures, reports.
import { readFileSync } from 'node:fs';
import { median, peakRssBytes, timeRuns } from './measure.js';
import type { TrialResult, TrialTask } from './tasks.js';
import { finish, readTask } from './worker.js';

type Run = () => Promise<Float32Array>;

interface Runtime {
  /** Makes the file ready to run; gives what makes runs of one input. */
  load(): Promise<(data: Float32Array) => Run>;
}

async function presisi({ file, threads, dims }: TrialTask): Promise<Runtime> {
  const { backends, loadEngine } = await import('presisi');
  await backends(); // loads the addon and its libraries, as importing the other runtime does
  return {
    async load() {
      const engine = await loadEngine(file, { threads });
      const [input, output] = [engine.inputs[0]?.name ?? '', engine.outputs[0]?.name ?? ''];
      return (data) => async () => {
        const results = await engine.run({ [input]: { data, dims } });
        return asFloats(results[output]?.data);
      };
    },
  };
}

async function onnxruntime({ file, threads, dims, literal }: TrialTask): Promise<Runtime> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  return {
    async load() {
      const session = await InferenceSession.create(file, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: literal ? 'disabled' : 'all',
      });
      const [input, output] = [session.inputNames[0] ?? '', session.outputNames[0] ?? ''];
      return (data) => {
        const tensor = new Tensor('float32', data, dims);
        return async () => {
          const results = await session.run({ [input]: tensor });
          return asFloats(results[output]?.data);
        };
      };
    },
  };
}

function asFloats(data: unknown): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new TypeError('Expected the first output of the network to be float32');
}

/** The pictures in the file, a batch at a time; what doesn't fill one is left out. */
function readBatches({ inputFile, dims }: TrialTask): Float32Array[] {
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

async function timed<T>(body: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const value = await body();
  return [value, performance.now() - start];
}

async function trial(task: TrialTask): Promise<TrialResult> {
  const [data, ...rest] = readBatches(task);
  if (data === undefined) throw new Error(`${task.inputFile} has less than a batch of pictures`);
  const [runtime, importMs] = await timed(() => ({ presisi, onnxruntime })[task.runtime](task));
  const [prepare, loadMs] = await timed(() => runtime.load());
  const run = prepare(data);
  const [, firstRunMs] = await timed(run);
  await timeRuns(run, task.warmUp);
  const times = await timeRuns(run, task.measure);
  const peak = peakRssBytes();
  return {
    importMs,
    loadMs,
    firstRunMs,
    medianMs: median(times),
    runs: times.length,
    peakRssBytes: peak,
    outputs: task.collectOutputs ? await collect([run, ...rest.map(prepare)]) : undefined,
  };
}

finish(await trial(await readTask<TrialTask>()));
