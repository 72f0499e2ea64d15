import { performance } from 'node:perf_hooks';
import type { Engine } from 'presisi';
import { quantile } from './statistics.js';

/** Milliseconds. */
export interface Latency {
  readonly median: number;
  readonly p99: number;
}

/** Of `engine.run` at batch 1, after a warm-up: what a caller waits, the way to the native code included. */
export async function latency(engine: Engine, runs = 200): Promise<Latency> {
  const [input] = engine.inputs;
  if (input === undefined) throw new Error('the engine has no input');
  const dims = input.dims.map((dim) => (dim < 0 ? 1 : dim));
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1)).map((_, i) => Math.sin(i));
  const times: number[] = [];
  for (let i = 0; i < runs + 30; i++) {
    const start = performance.now();
    await engine.run({ [input.name]: { data, dims } });
    if (i >= 30) times.push(performance.now() - start);
  }
  return { median: quantile(times, 0.5), p99: quantile(times, 0.99) };
}
