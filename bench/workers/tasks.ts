import type { BackendInfo, Layer, QuantizeOptions, TensorInfo } from 'presisi';
import type { Cost, Extent, Resident } from './measure.js';

/** A file, and what runs it. */
export interface Subject {
  readonly runtime: 'presisi' | 'onnxruntime';
  /** Engine or ONNX file. */
  readonly file: string;
  readonly threads: number;
  /** Whether ONNX Runtime runs every node as it is written, to find out what a file means. */
  readonly literal?: boolean;
}

export interface LatencyTask {
  readonly subject: Subject;
  /** Pictures as raw float32 values; the first batch is measured. */
  readonly inputFile: string;
  readonly dims: readonly number[];
  readonly warmUp: Extent;
  readonly measure: Extent;
  /** Whether to run all pictures, at the end, and give what came out. */
  readonly collectOutputs: boolean;
}

export interface LatencyResult {
  /** Of the measured runs. */
  readonly medianMs: number;
  readonly runs: number;
  readonly peakRssBytes: number;
  /** First output for all pictures: float32 values, base64. */
  readonly outputs?: string | undefined;
}

export interface LoadTask {
  readonly subject: Subject;
  readonly dims: readonly number[];
  /**
   * Another network, loaded and run before memory is looked at: the rest is then what this one takes, and not what
   * libraries, threads and compilers take once.
   */
  readonly before?: { readonly subject: Subject; readonly dims: readonly number[] };
}

export interface LoadResult {
  /** From the file to something that can run, the runtime's libraries being in memory. */
  readonly loadMs: number;
  readonly firstRunMs: number;
  /** Resident after the first run, more than before loading. */
  readonly grown: Resident;
}

export interface CompressTask {
  readonly model: string;
  readonly options: Omit<QuantizeOptions, 'signal' | 'onProgress' | 'onLog'> & { readonly output: string };
}

export interface CompressResult {
  readonly seconds: number;
  /** Seconds by phase. */
  readonly phases: Readonly<Record<string, number>>;
  readonly peakRssBytes: number;
  readonly backend: string;
  readonly backends: readonly BackendInfo[];
  readonly warnings: readonly string[];
}

export interface InspectTask {
  readonly engine: string;
  readonly threads: number;
  /** How many runs the layers' times are medians of. */
  readonly runs: number;
}

export interface InspectResult {
  readonly inputs: readonly TensorInfo[];
  readonly layers: readonly Layer[];
  /** Multiply-accumulates of one picture. */
  readonly macs: number;
  readonly weightBytes: number;
  readonly arenaBytes: number;
  /** Of a profiled run. */
  readonly seconds: number;
}

/** From files to labels. */
export interface InferTask {
  readonly engine: string;
  readonly images: readonly string[];
  readonly batchSize: number;
  readonly threads: number;
  /** How many of the pictures go through before time is taken. */
  readonly warmUp: number;
}

/** From files to pixels, as `infer()` does it with this engine. */
export interface DecodeTask {
  readonly engine: string;
  readonly images: readonly string[];
  readonly warmUp: number;
}

export interface OverheadTask {
  readonly engine: string;
  readonly call: 'run' | 'runSync';
  readonly threads: number;
  readonly warmUp: Extent;
  readonly measure: Extent;
}

export interface OverheadResult {
  /** Medians over the runs: what a caller waits, what the backend says of it, and the difference run by run. */
  readonly wallMs: number;
  readonly nativeMs: number;
  readonly overheadUs: number;
  readonly runs: number;
}

/** Latency of an engine on zeros. */
export interface SpeedTask {
  readonly engine: string;
  readonly threads: number;
  readonly seconds: number;
  readonly runs: number;
}

export interface SpeedResult {
  readonly medianMs: number;
}

/** Every program that runs in a process of its own, by name: what it is told, and what it answers. */
export interface Workers {
  readonly latency: [LatencyTask, LatencyResult];
  readonly load: [LoadTask, LoadResult];
  readonly compress: [CompressTask, CompressResult];
  readonly inspect: [InspectTask, InspectResult];
  readonly infer: [InferTask, Cost];
  readonly decode: [DecodeTask, Cost];
  readonly overhead: [OverheadTask, OverheadResult];
  readonly speed: [SpeedTask, SpeedResult];
}
