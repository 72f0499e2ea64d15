import { backends } from '../../backends.js';
import { benchmark } from '../../benchmark.js';
import { loadEngine } from '../../engine.js';
import { present } from '../../options.js';
import { thin } from '../../statistics.js';
import { resourcesOf } from '../../telemetry/resources.js';
import { zeros } from '../../tensor.js';
import { type Latency, latencyOf, monotonicSeconds } from '../../timing.js';
import type { TimedNetwork } from '../baseline/network.js';
import type { LatencyStatistics, LatencyTrial, Resources } from '../results.js';
import type { Measured, TrialContext } from './measured.js';

const MOST_SAMPLES = 1000;

/** Runs a network again and again: an engine of presisi's, or the original one in its framework, by the same rules. */
export async function measureLatency(context: TrialContext): Promise<Measured> {
  const { task, report } = context;
  report('measure', 0, 1);
  const timed = await timeNetwork(context);
  const window = { from: timed.start, to: timed.start + timed.seconds };
  return {
    window,
    steady: window,
    finish: async (timeline) => {
      const { energy } = resourcesOf(timeline, window.from, window.to);
      return { latency: summarize(timed, task.batch ?? 1, task.build, energy) };
    },
  };
}

async function timeNetwork(context: TrialContext): Promise<TimedNetwork> {
  const { task, signal } = context;
  const { batch = 1, threads = 0, network, experiment } = task;
  if (task.variant.framework === 'presisi') return timeEngine(context);
  if (task.variant.framework === 'onnxruntime') {
    const { OrtNetwork } = await import('../baseline/onnxruntime.js');
    await using session = await OrtNetwork.open(network, threads);
    return await session.time(batch, experiment.latency, signal);
  }
  const [{ timePytorch }, { pytorchModel }] = await Promise.all([
    import('../baseline/pytorch.js'),
    import('./pytorch-model.js'),
  ]);
  return timePytorch(await pytorchModel(task, threads, signal), batch, experiment.latency, signal);
}

async function timeEngine({ task, signal }: TrialContext): Promise<TimedNetwork> {
  const { batch = 1, threads = 0, network, experiment } = task;
  await backends(); // their libraries, as a framework's are loaded before it opens a file
  const opening = monotonicSeconds();
  const engine = await loadEngine(network, { threads, maxBatch: batch, signal });
  const opened = monotonicSeconds();
  try {
    const feeds = Object.fromEntries(
      engine.inputs.map((input) => {
        const { name, data, dims } = zeros(input, batch);
        return [name, { data, dims }];
      }),
    );
    await engine.run(feeds, { signal });
    const ran = monotonicSeconds();
    const { warmUp, duration, iterations } = experiment.latency;
    const rules = { warmUp, duration, iterations };
    const {
      start,
      seconds,
      samples = [],
      stages,
      warnings,
    } = await benchmark(engine, {
      batch,
      ...rules,
      samples: true,
      signal,
    });
    const loadSeconds = opened - opening;
    return { loadSeconds, firstRunSeconds: ran - opened, start, seconds, times: samples, stages, warnings };
  } finally {
    await engine.dispose();
  }
}

function summarize(
  timed: TimedNetwork,
  batch: number,
  build: number | undefined,
  energy: Resources['energy'],
): NonNullable<LatencyTrial['latency']> {
  const { times, seconds, stages, loadSeconds, firstRunSeconds, warnings } = timed;
  const samples = times.length * batch;
  return {
    runs: times.length,
    seconds,
    throughput: samples / seconds,
    run: statisticsOf(latencyOf(times)),
    stages: Object.fromEntries(Object.entries(stages).map(([name, stage]) => [name, statisticsOf(stage)])),
    samples: [...thin(times, MOST_SAMPLES)],
    loadSeconds,
    firstRunSeconds,
    ...present({
      build,
      energyPerSample: energy?.map(({ scope, joules }) => ({ scope, joules: joules / samples })),
    }),
    warnings: [...warnings],
  };
}

const statisticsOf = ({ median, variation, ...rest }: Latency): LatencyStatistics => ({
  ...rest,
  p50: median,
  jitter: variation * rest.mean,
});
