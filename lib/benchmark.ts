import { type Engine, requireEngine, runFeeds } from './engine.js';
import { atCaller, PresisiError } from './errors.js';
import { batch, check, flag, integer, number, options, present, signal } from './options.js';
import { type Cancelable, type Scope, withSignal } from './signal.js';
import { type CheckedFeed, zeros } from './tensor.js';
import { type Latency, latencyOf, type Timed, type TimingRules, timeRuns } from './timing.js';

export type { Latency } from './timing.js';

export interface BenchmarkOptions extends Cancelable {
  /** Samples per run. Default 1. */
  readonly batch?: number;
  /** Runs that aren't counted, in milliseconds. Default 200, as trtexec's. */
  readonly warmUp?: number;
  /** How long is measured at least, in seconds. Default 3, as trtexec's. */
  readonly duration?: number;
  /** How many runs are measured at least. Default 10, as trtexec's. */
  readonly iterations?: number;
  /** Keep the time of every run: memory grows with their number. Default false. */
  readonly samples?: boolean;
}

export interface Benchmark {
  readonly backend: string;
  readonly precision: string;
  readonly batch: number;
  readonly runs: number;
  /** Seconds of the monotonic clock (`process.hrtime()`) when the first measured run began. */
  readonly start: number;
  /** Wall seconds of all measured runs. */
  readonly seconds: number;
  /** Samples per second, one run after the other. */
  readonly throughput: number;
  /** What a caller of `engine.run()` waits. */
  readonly endToEnd: Latency;
  /** The same of every run, in order; only when asked for. */
  readonly samples?: readonly number[];
  /** The backend's part: without the way from and to JavaScript. */
  readonly run: Latency;
  /** Parts of `run` where the device reports them: `h2d`, `compute`, `d2h`, `enqueue`. */
  readonly stages: Readonly<Record<string, Latency>>;
  readonly warnings: readonly string[];
  /** Everything that decides the numbers: what was asked for, and what it was measured by. */
  readonly conditions: Readonly<Record<string, string | number | boolean>>;
}

const schema = options({
  batch: batch().optional(),
  warmUp: number('milliseconds, 0 or more', (value) => value >= 0 && value <= 600_000).optional(),
  duration: number('seconds, 0 or more', (value) => value >= 0 && value <= 3600).optional(),
  iterations: integer(1, 10_000_000).optional(),
  samples: flag().optional(),
  signal: signal().optional(),
});

/** trtexec's bounds: beyond them a median says little, or the CPU is what was measured. */
const STEADY = 0.025;
const ENQUEUE_SHARE = 0.8;

interface Sample {
  readonly endToEnd: number;
  readonly run: number;
  readonly stages: Readonly<Record<string, number>>;
}

/**
 * Measures an engine by trtexec's rules: a warm-up by time, then runs one after the other until both a duration and a
 * number of runs are reached; on zeros, since kernels don't branch on their data.
 *
 * @throws PresisiError ERR_PRESISI_DISPOSED, ERR_PRESISI_SHAPE_MISMATCH
 */
export function benchmark(engine: Engine, options: BenchmarkOptions = {}): Promise<Benchmark> {
  return atCaller(benchmark, async () => {
    requireEngine(engine);
    const checked = check(schema, options, 'options');
    const { batch: size = 1, warmUp = 200, duration = 3, iterations = 10, samples = false, ...rest } = checked;
    if (size > engine.maxBatch) {
      throw new PresisiError(
        'ERR_PRESISI_SHAPE_MISMATCH',
        `the engine runs at most ${engine.maxBatch} samples, not ${size}`,
      );
    }
    const feeds = engine.inputs.map((input) => zeros(input, size));
    return withSignal(rest, async (scope) => {
      const rules = { warmUp, duration, iterations };
      const timed = await timeRuns(() => once(engine, feeds, scope), rules);
      return {
        ...summarize(engine, timed, { batch: size, ...rules }),
        ...(samples && { samples: timed.runs.map(({ endToEnd }) => endToEnd) }),
      };
    });
  });
}

async function once(engine: Engine, feeds: readonly CheckedFeed[], scope: Scope): Promise<Sample> {
  scope.check();
  const start = performance.now();
  const { seconds, stages } = await runFeeds(engine, feeds, scope);
  return { endToEnd: performance.now() - start, run: seconds * 1000, stages };
}

function summarize(
  engine: Engine,
  { runs: samples, start, seconds }: Timed<Sample>,
  asked: TimingRules & { readonly batch: number },
): Benchmark {
  const names = Object.keys(samples[0]?.stages ?? {});
  const stages = Object.fromEntries(
    names.map((name) => [name, latencyOf(samples.map((sample) => (sample.stages[name] ?? Number.NaN) * 1000))]),
  );
  const { metadata } = engine;
  const run = latencyOf(samples.map((sample) => sample.run));
  return {
    backend: engine.backend,
    precision: engine.precision,
    batch: asked.batch,
    runs: samples.length,
    start,
    seconds,
    throughput: (samples.length * asked.batch) / seconds,
    endToEnd: latencyOf(samples.map(({ endToEnd }) => endToEnd)),
    run,
    stages,
    warnings: warningsOf(stages, run),
    conditions: {
      'warm-up, ms': asked.warmUp,
      'duration, s': asked.duration,
      'least runs': asked.iterations,
      transfers: true,
      ...present({ device: metadata.device, library: metadata.backendVersion, made: metadata.version }),
      ...engine.loadedWith,
    },
  };
}

function warningsOf(stages: Readonly<Record<string, Latency>>, run: Latency): string[] {
  const { compute, enqueue } = stages;
  const warnings: string[] = [];
  const what = compute === undefined ? 'run' : 'GPU';
  const { variation } = compute ?? run;
  if (variation > STEADY) {
    warnings.push(
      `the ${what} time varies by ${(variation * 100).toFixed(1)} % (more than ${STEADY * 100} %): lock the clocks, or measure longer`,
    );
  }
  if (compute && enqueue && enqueue.median > ENQUEUE_SHARE * compute.median) {
    warnings.push('launching the kernels takes about as long as they run: try cudaGraph, or a larger batch');
  }
  return warnings;
}
