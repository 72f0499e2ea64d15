import { performance } from 'node:perf_hooks';
import { type Engine, infer, type Prediction } from 'presisi';
import { quantile } from './statistics.js';

export interface TestImage {
  readonly path: string;
  readonly label: number;
}

export interface Accuracy {
  readonly correct: number;
  readonly predictions: readonly Prediction[];
}

/** Classifies every picture; a prediction counts when its best class is the true one. */
export async function accuracy(engine: Engine, images: readonly TestImage[]): Promise<Accuracy> {
  const predictions = await infer(
    engine,
    images.map((image) => image.path),
    { topK: 1 },
  );
  const correct = predictions.filter((prediction, i) => prediction.top[0]?.index === images[i]?.label).length;
  return { correct, predictions };
}

/** Milliseconds of `engine.run` at batch 1, after a warm-up: what a caller waits, the way to the native code included. */
export async function latency(engine: Engine, runs = 300): Promise<{ median: number; p99: number }> {
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
