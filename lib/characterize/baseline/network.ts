import type { Latency } from '../../timing.js';

/** A network in the hands of a framework, for pictures. */
export interface FrameworkNetwork extends AsyncDisposable {
  /** Its input; -1 is any size. */
  readonly dims: readonly number[];
  /** What it computes of `count` pictures in a row, and how long the framework took. */
  run(pictures: Float32Array, count: number): Promise<{ readonly logits: Float32Array; readonly seconds: number }>;
}

/** What timing a network gives, whatever runs it; statistics are made of it in one place. */
export interface TimedNetwork {
  /** From opening the file to a network that can run; its runtime's libraries are loaded before. */
  readonly loadSeconds: number;
  readonly firstRunSeconds: number;
  /** Seconds of the monotonic clock when the first counted run began. */
  readonly start: number;
  /** Wall seconds of all counted runs. */
  readonly seconds: number;
  /** Of every counted run, milliseconds. */
  readonly times: readonly number[];
  /** Parts of a run, where the device reports them. */
  readonly stages: Readonly<Record<string, Latency>>;
  readonly warnings: readonly string[];
}
