import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PresisiError } from '../../errors.js';
import { type ElementType, type TensorInfo, zeros } from '../../tensor.js';
import { monotonicSeconds, type TimingRules, timeRuns } from '../../timing.js';
import { physicalCores } from '../device/system.js';
import type { FrameworkNetwork, TimedNetwork } from './network.js';

/** The part of onnxruntime-node that is used: it is an optional peer, so that its types may be absent. */
interface OnnxRuntime {
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(path: string, options: object): Promise<OrtSession> };
}
interface OrtTensor {
  readonly data: unknown;
  readonly dims: readonly number[];
}
interface OrtSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly { readonly type?: string; readonly shape?: readonly (number | string)[] }[];
  run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>>;
  release(): Promise<void>;
}

const PACKAGE = 'onnxruntime-node';

/** The first that tells the shapes of a network's inputs. */
const OLDEST: readonly [number, number] = [1, 22];

const unavailable = (message: string, hint: string, cause?: unknown): PresisiError =>
  new PresisiError('ERR_PRESISI_BACKEND_UNAVAILABLE', message, { hint, cause });

/** The user's own, else one installed beside presisi. */
function locate(): string {
  for (const from of [join(process.cwd(), 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve(PACKAGE);
    } catch {
      // Not there.
    }
  }
  throw unavailable(`${PACKAGE} is not installed`, `npm install ${PACKAGE}`);
}

async function load(): Promise<{ readonly runtime: OnnxRuntime; readonly version: string }> {
  const path = locate();
  const version = await versionOf(path);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const message = `${PACKAGE} ${version} is too old: ${OLDEST.join('.')} or later is needed`;
    throw unavailable(message, `npm install ${PACKAGE}@latest`);
  }
  try {
    const loaded = (await import(pathToFileURL(path).href)) as OnnxRuntime & { readonly default?: OnnxRuntime };
    return { runtime: loaded.default ?? loaded, version };
  } catch (cause) {
    throw unavailable(`${PACKAGE} does not load: ${reasonOf(cause)}`, `reinstall it: npm install ${PACKAGE}`, cause);
  }
}

async function versionOf(path: string): Promise<string> {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const { name, version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
      if (name === PACKAGE) return String(version);
    } catch {
      // Further up.
    }
  }
  throw unavailable(`${path} belongs to no package`, `reinstall it: npm install ${PACKAGE}`);
}

/**
 * The version that {@link OrtNetwork.open} would run.
 *
 * @throws PresisiError ERR_PRESISI_BACKEND_UNAVAILABLE
 */
export const onnxruntimeVersion = async (): Promise<string> => (await load()).version;

/** An ONNX file in ONNX Runtime, on the CPU, with every optimisation it has. */
export class OrtNetwork implements FrameworkNetwork {
  readonly inputs: readonly TensorInfo[];
  /** From opening the file. */
  readonly loadSeconds: number;
  readonly #runtime: OnnxRuntime;
  readonly #session: OrtSession;

  private constructor(runtime: OnnxRuntime, session: OrtSession, loadSeconds: number) {
    this.#runtime = runtime;
    this.#session = session;
    this.loadSeconds = loadSeconds;
    this.inputs = session.inputNames.map((name, index) => {
      const { type, shape } = session.inputMetadata[index] ?? {};
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' && dim > 0 ? dim : -1));
      return { name, type: (type ?? 'float32') as ElementType, dims };
    });
  }

  /**
   * @param threads 0: as many as physical cores, as presisi takes
   * @throws PresisiError ERR_PRESISI_BACKEND_UNAVAILABLE, or ERR_PRESISI_UNSUPPORTED_MODEL for what it can't load
   */
  static async open(path: string, threads = 0): Promise<OrtNetwork> {
    const { runtime } = await load();
    const options = {
      graphOptimizationLevel: 'all',
      executionMode: 'sequential',
      intraOpNumThreads: threads || (await physicalCores()),
      interOpNumThreads: 1,
    };
    const start = monotonicSeconds();
    try {
      const session = await runtime.InferenceSession.create(path, options);
      return new OrtNetwork(runtime, session, monotonicSeconds() - start);
    } catch (cause) {
      throw failure(`can't load ${path}`, cause);
    }
  }

  get dims(): readonly number[] {
    return this.inputs[0]?.dims ?? [];
  }

  async run(pictures: Float32Array, count: number): Promise<{ logits: Float32Array; seconds: number }> {
    const [input] = this.inputs;
    const feeds = {
      [input?.name ?? '']: new this.#runtime.Tensor('float32', pictures, [count, ...this.dims.slice(1)]),
    };
    const start = monotonicSeconds();
    const outputs = await this.#run(feeds);
    const seconds = monotonicSeconds() - start;
    const [output] = Object.values(outputs);
    if (this.#session.outputNames.length !== 1 || !(output?.data instanceof Float32Array)) {
      throw new PresisiError(
        'ERR_PRESISI_INVALID_ARGUMENT',
        "the network doesn't classify: it needs one float32 output",
      );
    }
    return { logits: output.data, seconds };
  }

  /** On zeros that are made once, as presisi's engines are timed. */
  async time(batch: number, rules: TimingRules, signal: AbortSignal): Promise<TimedNetwork> {
    const feeds = Object.fromEntries(
      this.inputs.map((input) => {
        const { type, data, dims } = zeros(input, batch);
        return [input.name, new this.#runtime.Tensor(type, data, dims)];
      }),
    );
    const once = async (): Promise<number> => {
      signal.throwIfAborted();
      const start = performance.now();
      await this.#run(feeds);
      return performance.now() - start;
    };
    const firstRunSeconds = (await once()) / 1000;
    const { runs, start, seconds } = await timeRuns(once, rules);
    return { loadSeconds: this.loadSeconds, firstRunSeconds, start, seconds, times: runs, stages: {}, warnings: [] };
  }

  async #run(feeds: Readonly<Record<string, OrtTensor>>): Promise<Readonly<Record<string, OrtTensor>>> {
    try {
      return await this.#session.run(feeds);
    } catch (cause) {
      throw failure("can't run the network", cause);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#session.release();
  }
}

const failure = (what: string, cause: unknown): PresisiError =>
  new PresisiError('ERR_PRESISI_UNSUPPORTED_MODEL', `ONNX Runtime ${what}: ${reasonOf(cause)}`, { cause });

const reasonOf = (cause: unknown): string =>
  (cause instanceof Error ? cause.message.split('\n')[0] : undefined) ?? String(cause);
