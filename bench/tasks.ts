import type { BackendInfo, QuantizeOptions, TensorInfo } from 'presisi';
import type { Extent } from './measure.js';

/** What a process for one trial is told. */
export interface TrialTask {
  readonly runtime: 'presisi' | 'onnxruntime';
  /** Engine or ONNX file. */
  readonly file: string;
  /** Pictures as raw float32 values; the first batch is measured. */
  readonly inputFile: string;
  readonly dims: readonly number[];
  readonly threads: number;
  readonly warmUp: Extent;
  readonly measure: Extent;
  /** Whether to run all pictures, at the end, and give what came out. */
  readonly collectOutputs: boolean;
  /** Whether ONNX Runtime runs every node as it is written, to find out what a file means. */
  readonly literal: boolean;
}

export interface TrialResult {
  /** To have the runtime's libraries in memory. */
  readonly importMs: number;
  /** From the file to something that can run. */
  readonly loadMs: number;
  readonly firstRunMs: number;
  /** Of the measured runs. */
  readonly medianMs: number;
  readonly runs: number;
  readonly peakRssBytes: number;
  /** First output for all pictures: float32 values, base64. */
  readonly outputs?: string | undefined;
}

/** What a process that compresses one model is told. */
export interface CompressTask {
  readonly model: string;
  readonly options: Omit<QuantizeOptions, 'signal' | 'onProgress'> & { readonly output: string };
}

export interface CompressResult {
  readonly seconds: number;
  /** Seconds by phase. */
  readonly phases: Readonly<Record<string, number>>;
  readonly peakRssBytes: number;
  readonly inputs: readonly TensorInfo[];
  readonly backend: string;
  readonly modelSha256: string;
  readonly backends: readonly BackendInfo[];
  readonly warnings: readonly string[];
}

/** What a process that quantizes for ONNX Runtime is told. */
export interface QuantizeOrtTask {
  readonly model: string;
  readonly output: string;
  /** Pictures as raw float32 values. */
  readonly inputFile: string;
  /** Of the network's input. */
  readonly dims: readonly number[];
  readonly threads: number;
}
