import { once } from 'node:events';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { type Ended, findPython, type PythonPurpose, type Running, readAnswer, startProcess } from '../../python.js';
import type { TimingRules } from '../../timing.js';
import type { FrameworkNetwork, TimedNetwork } from './network.js';

/** The network that PyTorch is to run. */
export interface PytorchModel {
  /** `torchvision:NAME`, `timm:NAME`, or `module:function` that returns a torch.nn.Module. */
  readonly architecture: string;
  /** Default: random weights. */
  readonly checkpoint?: string;
  /** Passed on as `num_classes`. Default: the architecture's own. */
  readonly classes?: number;
  /** Of one picture: channels, height, width. */
  readonly dims: readonly number[];
  /** A path or a name. Default: `$PRESISI_PYTHON`, else `python3`, else `python`. */
  readonly python?: string;
  /** 0: as many as PyTorch takes. */
  readonly threads: number;
  /** `cuda`: the GPU where PyTorch has one. */
  readonly device: 'cpu' | 'cuda';
}

/** The same from `lib` and from `dist`: the script is shipped as it lies in `lib`. */
const SCRIPT = fileURLToPath(new URL('../../../lib/characterize/baseline/pytorch.py', import.meta.url));

const PURPOSE: PythonPurpose = {
  who: 'the baseline',
  verb: 'run PyTorch',
  job: 'PyTorch',
  option: 'baselines[].python',
  hint: 'baselines[].python',
};

/** Every time of a long measurement: some twenty characters for each run. */
const KEPT_CHARACTERS = 1 << 28;

const versions = z.record(z.string(), z.string());
const aboutSchema = z.object({ versions });
const seconds = z.number().nonnegative();
const timedSchema = z.object({
  versions,
  device: z.string(),
  load_seconds: seconds,
  first_run_seconds: seconds,
  start: z.number(),
  seconds,
  times: z.array(z.number().nonnegative()).min(1),
});
const batchSchema = z.object({ logits: z.string(), seconds });

async function start(
  python: string | undefined,
  request: object,
  signal: AbortSignal | undefined,
  onLine?: (line: string) => void,
): Promise<Running & { readonly python: string }> {
  const found = await findPython(python, PURPOSE, signal);
  const options = { signal, kept: KEPT_CHARACTERS, ...(onLine && { onLine }) };
  return { python: found, ...startProcess(found, [SCRIPT, JSON.stringify(request)], options) };
}

const requestOf = ({ checkpoint, architecture, classes, dims, threads, device }: PytorchModel) => ({
  checkpoint: checkpoint && resolve(checkpoint),
  architecture,
  classes,
  dims,
  threads,
  device,
});

/**
 * The version of PyTorch.
 *
 * @throws PresisiError ERR_PRESISI_BACKEND_UNAVAILABLE where there is no Python, or no PyTorch that loads, with the command
 *   that installs it
 */
export async function pytorchVersion(python: string | undefined, signal?: AbortSignal): Promise<string> {
  const running = await start(python, { mode: 'versions' }, signal);
  return readAnswer(aboutSchema, running.python, await running.ended, PURPOSE).versions.torch ?? 'unknown';
}

/** Times PyTorch by the rules of benchmark(), within Python: what is timed is the framework and nothing else. */
export async function timePytorch(
  model: PytorchModel,
  batch: number,
  { warmUp, duration, iterations }: TimingRules,
  signal: AbortSignal,
): Promise<TimedNetwork> {
  const rules = { warm_up: warmUp, duration, iterations };
  const running = await start(model.python, { mode: 'latency', ...requestOf(model), batch, ...rules }, signal);
  const answer = readAnswer(timedSchema, running.python, await running.ended, PURPOSE);
  return {
    loadSeconds: answer.load_seconds,
    firstRunSeconds: answer.first_run_seconds,
    start: answer.start,
    seconds: answer.seconds,
    times: answer.times,
    stages: {},
    warnings: answer.device === 'cpu' ? [] : [`PyTorch ran on ${answer.device}`],
  };
}

/** A network in PyTorch that classifies pictures; they go to Python through a pipe. */
export class PytorchNetwork implements FrameworkNetwork {
  readonly dims: readonly number[];
  readonly #running: Running & { readonly python: string };
  readonly #lines: Lines;

  private constructor(dims: readonly number[], running: Running & { readonly python: string }, lines: Lines) {
    this.dims = [-1, ...dims];
    this.#running = running;
    this.#lines = lines;
  }

  /** @throws PresisiError as {@link pytorchVersion}, and for what is wrong with the checkpoint or the architecture */
  static async open(model: PytorchModel, signal: AbortSignal): Promise<PytorchNetwork> {
    const lines = new Lines();
    const request = { mode: 'classify', ...requestOf(model) };
    const running = await start(model.python, request, signal, (line) => lines.push(line));
    running.ended.then(
      (ended) => lines.end(ended),
      (reason: unknown) => lines.fail(reason),
    );
    const network = new PytorchNetwork(model.dims, running, lines);
    await network.#next(aboutSchema);
    return network;
  }

  async run(pictures: Float32Array, count: number): Promise<{ logits: Float32Array; seconds: number }> {
    const header = new Uint8Array(4);
    new DataView(header.buffer).setUint32(0, count, true);
    await this.#write(header);
    await this.#write(new Uint8Array(pictures.buffer, pictures.byteOffset, pictures.byteLength));
    const answer = await this.#next(batchSchema);
    const bytes = Uint8Array.from(Buffer.from(answer.logits, 'base64'));
    return { logits: new Float32Array(bytes.buffer), seconds: answer.seconds };
  }

  /** A process that is gone says why in its answer. */
  async #write(bytes: Uint8Array): Promise<void> {
    const { stdin } = this.#running;
    if (stdin?.writable && !stdin.write(bytes)) {
      await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]).catch(() => {});
    }
  }

  async #next<T>(schema: z.ZodType<T>): Promise<T> {
    return readAnswer(schema, this.#running.python, await this.#lines.next(), PURPOSE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#running.stdin?.end();
    await this.#running.ended.catch(() => {});
  }
}

/** Lines as they come, each as if it were all a process had to say; then how that ended. */
class Lines {
  readonly #ready: string[] = [];
  #last: Promise<Ended> | undefined;
  #wake: () => void = () => {};

  push(line: string): void {
    this.#ready.push(line);
    this.#wake();
  }

  end(ended: Ended): void {
    this.#last = Promise.resolve(ended);
    this.#wake();
  }

  fail(reason: unknown): void {
    this.#last = Promise.reject(reason);
    this.#last.catch(() => {}); // of whoever asks
    this.#wake();
  }

  async next(): Promise<Ended> {
    while (this.#ready.length === 0 && this.#last === undefined) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    const stdout = this.#ready.shift();
    if (stdout !== undefined) return { code: 0, signal: null, timedOut: false, stdout, stderr: '' };
    return this.#last as Promise<Ended>;
  }
}
