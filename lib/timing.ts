import { mean, quantile } from './statistics.js';

/** Milliseconds. */
export interface Latency {
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly median: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  /** Standard deviation by mean. */
  readonly variation: number;
}

export function latencyOf(values: readonly number[]): Latency {
  const centre = mean(values);
  const variance = mean(values.map((value) => (value - centre) ** 2));
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => quantile(sorted, share);
  return {
    min: at(0),
    max: at(1),
    mean: centre,
    median: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    variation: Math.sqrt(variance) / centre,
  };
}

/** How long is warmed up and measured. */
export interface TimingRules {
  /** Milliseconds of runs that aren't counted; one is made in any case. */
  readonly warmUp: number;
  /** Seconds measured at least. */
  readonly duration: number;
  /** Runs measured at least. */
  readonly iterations: number;
}

export interface Timed<T> {
  readonly runs: readonly T[];
  /** Seconds of the monotonic clock when the first counted run began. */
  readonly start: number;
  /** Wall seconds of all counted runs. */
  readonly seconds: number;
}

/** Seconds of the monotonic clock, which telemetry's times are of. */
export const monotonicSeconds = (): number => Number(process.hrtime.bigint()) / 1e9;

/** trtexec's rules: a warm-up by time, then runs one after the other until both a duration and a number are reached. */
export async function timeRuns<T>(once: () => Promise<T>, rules: TimingRules): Promise<Timed<T>> {
  const warm = performance.now();
  do await once();
  while (performance.now() - warm < rules.warmUp);
  const runs: T[] = [];
  const start = monotonicSeconds();
  while (runs.length < rules.iterations || monotonicSeconds() - start < rules.duration) runs.push(await once());
  return { runs, start, seconds: monotonicSeconds() - start };
}
