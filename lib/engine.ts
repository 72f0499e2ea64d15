import { z } from 'zod';
import { auditOf, type PrecisionAudit } from './audit.js';
import type { CalibrationFingerprint } from './calibration.js';
import { atCaller, invalidArgument, PresisiError } from './errors.js';
import {
  type Decision,
  type EngineHandle,
  type Layer,
  type NativeEngine,
  type NativeImages,
  type NativeRun,
  native,
} from './native.js';
import { batch, check, flag, integer, options, present, signal, text, threads } from './options.js';
import { completePreprocessingSchema, type Preprocessing } from './preprocess.js';
import { type Cancelable, type Scope, withSignal } from './signal.js';
import { SpanRecorder } from './telemetry/spans.js';
import type { Span } from './telemetry/types.js';
import {
  type CheckedFeed,
  checkFeeds,
  type Feeds,
  nativeFeeds,
  type Tensor,
  type TensorData,
  type TensorInfo,
} from './tensor.js';
import { type TensorRtSessionOptions, tensorRtSessionSchema } from './tensorrt.js';

export interface LoadEngineOptions extends Cancelable {
  /** Threads of the computation; 0 means as many as physical cores. Default 0. */
  readonly threads?: number;
  /** The largest batch a run may have. Default: what the engine was built for. */
  readonly maxBatch?: number;
  /** For engines of the backend `tensorrt`. */
  readonly tensorrt?: TensorRtSessionOptions;
}

export interface InspectOptions extends Cancelable {
  /** Runs the engine at batch 1 and times every layer. Default false. */
  readonly profile?: boolean;
  /** How many runs the medians are of. Default 10. */
  readonly runs?: number;
}

/** What an engine file says of itself. */
export interface EngineMetadata {
  /** Version of presisi that made it. */
  readonly version: string;
  readonly backend: string;
  /** Version of the vendor's library that made it. */
  readonly backendVersion?: string | undefined;
  readonly precision: string;
  readonly maxBatch: number;
  readonly weightBytes?: number | undefined;
  /** The device it was built on. */
  readonly device?: string | undefined;
  /** What executes INT8; absent where INT8 runs emulated. */
  readonly int8Isa?: string | undefined;
  readonly model?:
    | {
        readonly name: string;
        readonly sha256: string;
        readonly bytes: number;
        readonly architecture?: string | undefined;
      }
    | undefined;
  /** Absent where the network takes no pictures. */
  readonly preprocessing?: Preprocessing | undefined;
  readonly labels?: readonly string[] | undefined;
  readonly calibration?: CalibrationFingerprint | undefined;
  readonly decisions?: readonly Decision[] | undefined;
  /** What the engine is tied to: the vendor's library, the GPU, …; absent where it is tied to nothing. */
  readonly madeWith?: Readonly<Record<string, string>> | undefined;
  /** What was asked of its layers, where the engine itself doesn't tell any more. */
  readonly built?: readonly { readonly name: string; readonly requested: string; readonly macs: number }[] | undefined;
}

export interface Inspection {
  readonly backend: string;
  readonly precision: string;
  readonly metadata: EngineMetadata;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly layers: readonly Layer[];
  readonly audit: PrecisionAudit;
  readonly weightBytes: number;
  /** Median wall time of a run at batch 1; only when profiled. */
  readonly seconds?: number;
  /** Bytes held for activations at batch 1; only when profiled. */
  readonly arenaBytes?: number;
}

const metadataSchema = z.object({
  version: z.string(),
  backend: z.string(),
  backendVersion: z.string().optional(),
  precision: z.string(),
  maxBatch: z.int().positive(),
  weightBytes: z.number().optional(),
  device: z.string().optional(),
  int8Isa: z.string().optional(),
  model: z
    .object({ name: z.string(), sha256: z.string(), bytes: z.number(), architecture: z.string().optional() })
    .optional(),
  madeWith: z.record(z.string(), z.string()).optional(),
  built: z.array(z.object({ name: z.string(), requested: z.string(), macs: z.number() })).optional(),
  preprocessing: completePreprocessingSchema.optional(),
  labels: z.array(z.string()).optional(),
  calibration: z
    .object({
      model: z.string(),
      data: z.string(),
      preprocessing: z.string(),
      method: z.string(),
      samples: z.number(),
      toolVersion: z.string(),
    })
    .optional(),
  decisions: z
    .array(z.object({ node: z.string(), op: z.string(), quantized: z.boolean(), reason: z.string() }))
    .optional(),
});

const loadSchema = options({
  threads: threads().optional(),
  maxBatch: batch().optional(),
  tensorrt: tensorRtSessionSchema.optional(),
  signal: signal().optional(),
});
const runSchema = options({ signal: signal().optional() });
const inspectSchema = options({
  profile: flag().optional(),
  runs: integer(1, 10_000).optional(),
  signal: signal().optional(),
});

/** What only this module may do: make engines, and look inside them. */
let create: (opened: NativeEngine, about: Pick<Engine, 'metadata' | 'loadedWith' | 'loadSpan'>) => Engine;
let handleOf: (engine: Engine) => EngineHandle;

/** A network ready to run. Many runs may be asked for at once: they queue. */
export class Engine implements AsyncDisposable {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  readonly metadata: EngineMetadata;
  readonly backend: string;
  readonly precision: string;
  /** The largest batch a run may have. */
  readonly maxBatch: number;
  /** What it was loaded with: `threads`, and the options of its backend. */
  readonly loadedWith: Readonly<Record<string, string | number | boolean>>;
  /** How {@link loadEngine} went, named `load`; its parts are the phases, in order. */
  readonly loadSpan: Span;
  readonly #handle: EngineHandle;
  #disposal: Promise<void> | undefined;

  static {
    create = (opened, about) => new Engine(opened, about);
    handleOf = (engine) => engine.#usable();
  }

  private constructor(opened: NativeEngine, about: Pick<Engine, 'metadata' | 'loadedWith' | 'loadSpan'>) {
    const { metadata, loadedWith, loadSpan } = about;
    this.loadedWith = loadedWith;
    this.loadSpan = loadSpan;
    this.inputs = Object.freeze(opened.inputs);
    this.outputs = Object.freeze(opened.outputs);
    this.metadata = metadata;
    this.backend = opened.backend;
    this.precision = metadata.precision;
    this.maxBatch = opened.maxBatch;
    this.#handle = opened.handle;
  }

  /** Whether {@link dispose} was called. */
  get disposed(): boolean {
    return this.#disposal !== undefined;
  }

  /**
   * Runs the network once. Inputs are read where they lie: leave them alone until the promise settles.
   * @returns each output by name, in memory that is the caller's own
   * @throws PresisiError ERR_PRESISI_SHAPE_MISMATCH, ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_DISPOSED
   */
  run(feeds: Feeds, options?: Cancelable): Promise<Record<string, Tensor>> {
    return atCaller(this.run, async () => {
      // What stops work costs tens of microseconds, as long as a small network takes: it is made where it is used.
      const checked = options && check(runSchema, options, 'options');
      const handle = this.#usable();
      const given = nativeFeeds(checkFeeds(feeds, this.inputs));
      const found = checked?.signal
        ? await withSignal(checked, ({ control }) => native().runFeeds(handle, given, control))
        : await native().runFeeds(handle, given, {});
      return outputsOf(found, this.outputs);
    });
  }

  /**
   * Runs the network once on the calling thread, which waits: nothing else happens there meanwhile, but the way to
   * another thread and back is saved. For programs that have nothing else to do, and networks that take less time than
   * that way. A run of {@link run} that is under way is waited for; those that queue come after.
   * @returns each output by name, in memory that is the caller's own
   * @throws PresisiError ERR_PRESISI_SHAPE_MISMATCH, ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_DISPOSED
   */
  runSync(feeds: Feeds): Record<string, Tensor> {
    const handle = this.#usable();
    const given = nativeFeeds(checkFeeds(feeds, this.inputs));
    return outputsOf(native().runFeedsSync(handle, given), this.outputs);
  }

  /** What the engine executes, layer by layer; with `profile`, how long each takes. */
  inspect(options: InspectOptions = {}): Promise<Inspection> {
    return atCaller(this.inspect, async () => {
      const { profile = false, runs = 10, ...checked } = check(inspectSchema, options, 'options');
      const handle = this.#usable();
      const found = await withSignal(checked, ({ control }) =>
        native().inspectEngine(handle, { profile, runs }, control),
      );
      const { backend, precision, metadata, inputs, outputs } = this;
      const layers = completeLayers(found.layers, metadata.built);
      const audit = auditOf(layers, precision);
      return { backend, precision, metadata, inputs, outputs, ...found, layers, audit };
    });
  }

  /** Waits for runs under way, then frees the engine's memory. May be called again. */
  dispose(): Promise<void> {
    this.#disposal ??= native().closeHandle(this.#handle);
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #usable(): EngineHandle {
    if (this.#disposal) throw new PresisiError('ERR_PRESISI_DISPOSED', 'the engine was disposed');
    return this.#handle;
  }
}

/** A run as the rest of the package sees it. */
export interface EngineRun {
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly preprocessSeconds: number;
  readonly seconds: number;
  /** Parts of the time by name, where the device reports them. */
  readonly stages: Readonly<Record<string, number>>;
}

function engineRun(run: NativeRun, { outputs }: Engine): EngineRun {
  const [preprocessSeconds, seconds, stages = {}] = run;
  return { outputs: outputsOf(run, outputs), preprocessSeconds, seconds, stages };
}

/** In a plain loop: `Object.fromEntries()` takes microseconds longer once a network has had the caches to itself. */
function outputsOf(run: NativeRun, outputs: readonly TensorInfo[]): Record<string, Tensor> {
  const named: Record<string, Tensor> = {};
  let next = 3;
  for (const { name, type } of outputs) {
    const data = run[next++] as TensorData;
    const dims = run[next++] as readonly number[];
    named[name] = { type, dims, data };
  }
  return named;
}

/** What a vendor's plan forgets of its layers, from when it was built. */
function completeLayers(layers: readonly Layer[], built: EngineMetadata['built']): readonly Layer[] {
  if (built === undefined) return layers;
  const known = new Map(built.map((layer) => [layer.name, layer]));
  return layers.map((layer) => {
    const { requested = layer.requested, macs = layer.macs } = known.get(layer.name) ?? {};
    return { ...layer, requested: layer.requested || requested, macs: layer.macs || macs };
  });
}

/** Runs an engine on the bytes of pictures. */
export async function runImages(engine: Engine, images: NativeImages, scope: Scope): Promise<EngineRun> {
  return engineRun(await native().runImages(handleOf(engine), images, scope.control), engine);
}

/** Runs an engine on feeds that were checked. */
export async function runFeeds(engine: Engine, feeds: readonly CheckedFeed[], scope: Scope): Promise<EngineRun> {
  return engineRun(await native().runFeeds(handleOf(engine), nativeFeeds(feeds), scope.control), engine);
}

/** Refuses what isn't an engine. */
export function requireEngine(value: unknown): Engine {
  if (value instanceof Engine) return value;
  throw invalidArgument('an engine from loadEngine()', 'engine', value);
}

function parseMetadata(path: string, json: string): EngineMetadata {
  // Zod would first compile code for the schema, which pays where it is used often: that takes longer than all the rest.
  const parsed = metadataSchema.safeParse(JSON.parse(json), { jitless: true });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new PresisiError('ERR_PRESISI_INVALID_ENGINE', `${path} has damaged metadata: ${issue?.path.join('.')}`, {
    cause: parsed.error,
  });
}

/**
 * Opens an engine file.
 *
 * @example
 * await using engine = await loadEngine('model.engine');
 * const { logits } = await engine.run({ input: { data, dims: [1, 3, 224, 224] } });
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM, ERR_PRESISI_INVALID_ENGINE, ERR_PRESISI_INCOMPATIBLE_ENGINE,
 *   ERR_PRESISI_BACKEND_UNAVAILABLE
 */
export function loadEngine(path: string, options: LoadEngineOptions = {}): Promise<Engine> {
  return atCaller(loadEngine, async () => {
    const spans = new SpanRecorder('load');
    const name = check(text('the path of an engine'), path, 'path');
    const { threads = 0, maxBatch, tensorrt, ...checked } = check(loadSchema, options, 'options');
    return withSignal(checked, async ({ control }) => {
      const settings = tensorrt && JSON.stringify(tensorrt);
      spans.lap('start');
      const opened = await spans.job(control, (traced) =>
        native().openEngine(name, { threads, ...present({ maxBatch, settings }) }, traced),
      );
      try {
        const metadata = parseMetadata(name, opened.metadata);
        spans.lap('metadata');
        const loadedWith = { threads, ...present(tensorrt ?? {}) };
        return create(opened, { metadata, loadedWith, loadSpan: spans.finish() });
      } catch (error) {
        await native().closeHandle(opened.handle);
        throw error;
      }
    });
  });
}
