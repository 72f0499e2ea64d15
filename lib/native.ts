import { loadAddon } from './addon.js';
import { PresisiError } from './errors.js';
import type { Preprocessing } from './preprocess.js';
import type { Quantity, SamplerStatistics, SourceStatus, Span } from './telemetry/types.js';
import type { NativeFeeds, TensorData, TensorInfo } from './tensor.js';

declare const tag: unique symbol;
/** A native object; only the addon can look inside. */
type Handle<Name extends string> = { readonly [tag]: Name };
export type ModelHandle = Handle<'model'>;
export type CalibratorHandle = Handle<'calibrator'>;
export type EngineHandle = Handle<'engine'>;
export type SamplesHandle = Handle<'samples'>;
export type SamplerHandle = Handle<'sampler'>;
export type StopHandle = Handle<'stop'>;

/** One step of long work. `total` is 0 where it isn't known. */
export interface Progress {
  /** `read`, `assemble`, `optimize`, `calibrate`, `solve`, `quantize`, `export`, `build`, `serialize`, `write`, `evaluate` */
  readonly phase: string;
  readonly completed: number;
  readonly total: number;
}

/** What a vendor's library says while it works. */
export interface LogEntry {
  readonly level: 'error' | 'warning' | 'info' | 'verbose';
  readonly message: string;
}

/** A moment: seconds of the monotonic clock, seconds of CPU of the process, bytes resident. */
export interface Mark {
  readonly time: number;
  readonly cpu: number;
  readonly rss?: number;
}

/** The phases of a native job, and when its work began and ended. */
export interface NativeJob {
  readonly begin: Mark;
  readonly end: Mark;
  readonly spans: readonly Span[];
}

/** What every asynchronous function takes last. */
export interface Control {
  readonly stop?: StopHandle;
  readonly onProgress?: (progress: Progress) => void;
  readonly onLog?: (entry: LogEntry) => void;
  /** Has the job traced: called once before its promise settles, unless the work never began. */
  readonly onSpans?: (job: NativeJob) => void;
}

export interface NativeDevice {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface NativeBackend {
  readonly name: string;
  readonly available: boolean;
  readonly reason?: string;
  readonly hint?: string;
  readonly version: string;
  readonly precisions: readonly string[];
  readonly int8Isa: string;
  readonly int8Saturates: boolean;
  readonly devices: readonly NativeDevice[];
}

export interface NativeModel extends NativeSummary {
  readonly handle: ModelHandle;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly opset: number;
  readonly nodes: number;
}

/** Where a network comes from, and what was done to get it. */
export interface NativeSummary {
  readonly source: string;
  readonly architecture?: string;
  readonly family?: string;
  readonly configuration?: Readonly<Record<string, string>>;
  readonly parameters: number;
  readonly warnings: readonly string[];
}

export interface NativeConversion extends NativeSummary {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly opset: number;
  readonly nodes: number;
  readonly bytes: number;
}

export interface NativeConvertOptions {
  readonly architecture?: string;
  readonly classes?: number;
  readonly inputSize?: number;
  readonly growthRate?: number;
  readonly width?: number;
  readonly depth?: number;
  readonly blocks?: readonly number[];
  readonly batch?: number;
  readonly opset?: number;
  readonly foldBatchNorm?: boolean;
  readonly simplify?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface NativeArchitecture {
  readonly name: string;
  readonly family: string;
  /** One line: what it is, and where it was published. */
  readonly summary: string;
  /** Side of the square input its published weights are evaluated at. */
  readonly inputSize: number;
}

export interface NativePortrait {
  readonly family: string;
  readonly configuration: Readonly<Record<string, string>>;
  readonly classes: number;
  readonly inputSize: number;
  /** Learned numbers. */
  readonly parameters: number;
  /** Multiply-accumulates of one picture. */
  readonly macs: number;
  /** How many nodes of each operator the ONNX file has, batch normalisation folded. */
  readonly operators: Readonly<Record<string, number>>;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A picture's size after scaling, and where in that the crop begins. */
export interface Geometry extends Size {
  readonly left: number;
  readonly top: number;
}

/** The part of preprocessing that makes pixels; the rest is arithmetic on them. */
export type Resizing = Pick<Preprocessing, 'resize' | 'crop' | 'kernel'>;

export interface NativePicture {
  readonly decoded: boolean;
  /** Of a file. Absent where it couldn't be read. */
  readonly bytes?: Uint8Array;
}

export interface NativeImages {
  readonly input: string;
  readonly pixels: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly scale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly layout: 'NCHW' | 'NHWC';
  readonly channels: 'RGB' | 'BGR';
}

export interface NativeFingerprint {
  readonly model?: string;
  readonly data?: string;
  readonly preprocessing?: string;
}

/** Why a node was or was not quantized. */
export interface Decision {
  readonly node: string;
  readonly op: string;
  readonly quantized: boolean;
  readonly reason: string;
}

/** One step of a built engine. */
export interface Layer {
  readonly name: string;
  readonly op: string;
  /** Precision the graph asked for. */
  readonly requested: string;
  /** Precision it really runs in. */
  readonly precision: string;
  /** What executes it: the vendor's name of the implementation. */
  readonly kernel: string;
  /** Names of the nodes folded into it. */
  readonly fused: readonly string[];
  /** Why it does not run in the precision asked for, where it doesn't. */
  readonly reason?: string;
  /** At batch 1, as are the numbers below. */
  readonly outputDims: readonly number[];
  readonly macs: number;
  readonly weightBytes: number;
  readonly activationBytes: number;
  /** Memory layout of the output, where the backend says. */
  readonly format?: string;
  /** Only changes layout or precision between two layers. */
  readonly reformat: boolean;
  /** Median wall time of one run; only when profiled. */
  readonly seconds?: number;
}

export interface NativeBuildOptions {
  readonly precision: string;
  readonly backend: string;
  readonly threads: number;
  readonly maxBatch: number;
  readonly table?: string;
  readonly expected?: NativeFingerprint;
  /** For a backend that calibrates by itself, in place of a table. */
  readonly samples?: SamplesHandle;
  readonly method?: string;
  readonly backendCache?: string;
  /** JSON of what only the backend knows. */
  readonly settings?: string;
  readonly reduceRange?: boolean;
  readonly unsignedActivations?: boolean;
  readonly keepFloat?: readonly string[];
  readonly output?: string;
  readonly onnxOutput?: string;
  readonly metadata: string;
}

export interface NativeBuild {
  readonly backend: string;
  readonly decisions: readonly Decision[];
  readonly layers: readonly Layer[];
  readonly warnings: readonly string[];
  readonly engineBytes: number;
  readonly onnxBytes: number;
}

export interface NativeEngine {
  readonly handle: EngineHandle;
  readonly backend: string;
  readonly metadata: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly maxBatch: number;
}

/**
 * A run: seconds of making its input and of itself; parts of the latter by name, where the device reports them; then each
 * output's data and dimensions, in the engine's order. (No objects: building those takes as long as a small layer.)
 */
export type NativeRun = readonly [
  preprocessSeconds: number,
  seconds: number,
  stages: Readonly<Record<string, number>> | undefined,
  ...tensors: (TensorData | readonly number[])[],
];

export interface NativeInspection {
  readonly layers: readonly Layer[];
  readonly weightBytes: number;
  readonly seconds?: number;
  readonly arenaBytes?: number;
}

export interface NativeSamplerOptions {
  readonly rate: number;
  readonly root?: string;
  readonly pid?: number;
  readonly tegrastats?: string;
  readonly nvml?: string;
  readonly sources?: readonly string[];
  readonly capacity?: number;
}

export interface NativeSampler {
  readonly handle: SamplerHandle;
  readonly quantities: readonly Quantity[];
  readonly sources: readonly SourceStatus[];
}

export type NativeSamplerStatistics = Omit<SamplerStatistics, 'rate'>;

/** The one description of the addon's functions; binding/exports.hpp is the other side of it. */
export interface NativeAddon {
  readonly version: string;
  initialize(classes: { PresisiError: typeof PresisiError }): void;
  shutdown(): void;
  backends(): Promise<NativeBackend[]>;
  operators(): { domain: string; name: string; since: number; until: number }[];
  architectures(): NativeArchitecture[];
  describeArchitecture(name: string, choices: NativeConvertOptions, control: Control): Promise<NativePortrait>;
  convertModel(
    source: string,
    options: NativeConvertOptions & { output: string },
    control: Control,
  ): Promise<NativeConversion>;
  makeModel(
    architecture: string,
    options: NativeConvertOptions & { output: string; seed: number },
    control: Control,
  ): Promise<NativeConversion>;
  loadModel(path: string, options: NativeConvertOptions, control: Control): Promise<NativeModel>;
  createCalibrator(
    model: ModelHandle,
    options: {
      backend: string;
      threads: number;
      maxBatch: number;
      unsignedActivations?: boolean;
      keepFloat?: readonly string[];
    },
    control: Control,
  ): Promise<{ handle: CalibratorHandle; tensors: number }>;
  collectImages(calibrator: CalibratorHandle, images: NativeImages, control: Control): Promise<number>;
  collectFeeds(calibrator: CalibratorHandle, feeds: NativeFeeds, control: Control): Promise<number>;
  solveCalibration(
    calibrator: CalibratorHandle,
    options: { method: string; percentile: number; fingerprint: NativeFingerprint },
    control: Control,
  ): Promise<string>;
  parseTable(json: string, expected: NativeFingerprint, control: Control): Promise<string>;
  writeText(path: string, text: string, control: Control): Promise<number>;
  /**
   * Reads a picture. `into`, `crop`·`crop`·3 bytes, gets its pixels where it is an intact JPEG picture: upright, scaled and
   * cut, interleaved RGB.
   */
  readPicture(
    source: string | Uint8Array,
    resizing: Resizing,
    into: Uint8Array,
    options: {
      /** Bytes: larger files aren't read. */
      readonly limit: number;
      /** Whether a file's bytes are of use also where it was decoded. */
      readonly wantsBytes: boolean;
    },
  ): Promise<NativePicture>;
  /** For each path whether it is a folder; what isn't there is none. */
  areFolders(paths: readonly string[]): Promise<boolean[]>;
  /** Where pixels go. */
  pictureGeometry(size: Size, resizing: Resizing): Geometry;
  /** Interleaved RGB to `crop`×`crop` of it, as Pillow has them. */
  resamplePicture(pixels: Uint8Array, size: Size, resizing: Resizing): Promise<Uint8Array>;
  createSamples(): SamplesHandle;
  /** How many batches the handle holds. */
  addSamples(samples: SamplesHandle, images: NativeImages): number;
  buildEngine(model: ModelHandle, options: NativeBuildOptions, control: Control): Promise<NativeBuild>;
  extractPlan(path: string, output: string, control: Control): Promise<{ backend: string; bytes: number }>;
  openEngine(
    path: string,
    options: { threads: number; maxBatch?: number; settings?: string },
    control: Control,
  ): Promise<NativeEngine>;
  runFeeds(engine: EngineHandle, feeds: NativeFeeds, control: Control): Promise<NativeRun>;
  /** On the calling thread, at once. */
  runFeedsSync(engine: EngineHandle, feeds: NativeFeeds): NativeRun;
  runImages(engine: EngineHandle, images: NativeImages, control: Control): Promise<NativeRun>;
  inspectEngine(
    engine: EngineHandle,
    options: { profile: boolean; runs: number },
    control: Control,
  ): Promise<NativeInspection>;
  createStop(): StopHandle;
  requestStop(stop: StopHandle): void;
  closeHandle(handle: ModelHandle | CalibratorHandle | SamplesHandle | EngineHandle | SamplerHandle): Promise<void>;
  /** Resolves when the sensors are open and the first sample is taken, or about to be. */
  startSampler(options: NativeSamplerOptions, control: Control): Promise<NativeSampler>;
  /** At most `limit` samples, oldest first, at once. `values` has a row of quantities for each, NaN where absent. */
  drainSampler(sampler: SamplerHandle, limit: number): { times: Float64Array; values: Float64Array };
  samplerStatistics(sampler: SamplerHandle): NativeSamplerStatistics;
  /** Takes a last sample; what was taken can still be drained. */
  stopSampler(sampler: SamplerHandle): Promise<void>;
}

let loaded: NativeAddon | undefined;

/** The addon of this thread, loaded on first use. */
export function native(): NativeAddon {
  if (loaded) return loaded;
  const addon = loadAddon() as NativeAddon;
  addon.initialize({ PresisiError });
  // process.exit() runs no cleanup hooks on the main thread, but destructors of libraries that a job may be using.
  process.once('exit', () => addon.shutdown());
  loaded = addon;
  return addon;
}
