import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { atCaller, fileSystemError, invalidArgument } from '../errors.js';
import { type NativeSampler, native } from '../native.js';
import { check, integer, number, options, present, signal, text } from '../options.js';
import { type Cancelable, withSignal } from '../signal.js';
import type { Quantity, Sample, SamplerStatistics, SourceStatus } from './types.js';

export interface TelemetryOptions {
  /** Samples a second, 0.1 to 1000. Default: 100 for {@link record}, 2 for {@link monitor}. */
  readonly rate?: number;
  /** Names of the sources to read, see {@link Quantity.source}. Default: all there are. */
  readonly sources?: readonly string[];
  /** The process that is watched, with its children. Default: this one. */
  readonly pid?: number;
  /** A folder that holds `proc` and `sys` of a recorded device, read in place of this one's. */
  readonly root?: string;
  /** The command `tegrastats`. Default: where the system finds it. */
  readonly tegrastats?: string;
  /** NVML's library. Default: `libnvidia-ml.so.1`. */
  readonly nvml?: string;
}

const fields = {
  rate: number('samples a second, 0.1 to 1000', (value) => value >= 0.1 && value <= 1000).optional(),
  sources: text('the name of a source').array().min(1, { error: 'at least one source' }).optional(),
  pid: integer(1, 2 ** 31 - 1).optional(),
  root: text('a folder').optional(),
  tegrastats: text('a command').optional(),
  nvml: text('a path').optional(),
};
const schema = options(fields);
const cancelableSchema = options({ ...fields, signal: signal().optional() });

export const checkTelemetry = (given: unknown) => check(schema, given, 'options');
export const checkCancelableTelemetry = (given: unknown) => check(cancelableSchema, given, 'options');

/** Options that were checked. */
export type CheckedTelemetry = ReturnType<typeof checkCancelableTelemetry>;

/** Rows taken out of the sampler in one go: a few milliseconds' work. */
const DRAIN = 4096;

/** A native sampler at work. Ends with {@link Sampler.close}; else with its thread of JavaScript, or when it is forgotten. */
export class Sampler {
  readonly rate: number;
  readonly quantities: readonly Quantity[];
  readonly sources: readonly SourceStatus[];
  readonly #handle: NativeSampler['handle'];
  #closing: Promise<void> | undefined;

  private constructor(rate: number, { handle, quantities, sources }: NativeSampler) {
    this.rate = rate;
    this.quantities = quantities;
    this.sources = sources;
    this.#handle = handle;
  }

  /** Opens the sensors and takes the first sample. */
  static async start({ signal, ...asked }: CheckedTelemetry, defaultRate: number): Promise<Sampler> {
    const { root = '', pid } = asked;
    if (root !== '') await requireFolder(root);
    if (pid !== undefined && !(await exists(join(root, '/proc', String(pid))))) {
      throw invalidArgument('the id of a living process', 'options.pid', pid);
    }
    const rate = asked.rate ?? defaultRate;
    const started = await withSignal(present({ signal }), async ({ control, check }) => {
      const sampler = await native().startSampler({ ...present(asked), rate }, control);
      check();
      return sampler;
    });
    return new Sampler(rate, started);
  }

  /** Calls `take` for each sample since the last time: its moment, and its row in `values`, NaN where absent. */
  drain(take: (time: number, values: Float64Array) => void): void {
    const width = this.quantities.length;
    for (;;) {
      const { times, values } = native().drainSampler(this.#handle, DRAIN);
      for (const [row, time] of times.entries()) take(time, values.subarray(row * width, (row + 1) * width));
      if (times.length < DRAIN) return;
    }
  }

  /** The samples since the last time. */
  samples(): Sample[] {
    const samples: Sample[] = [];
    this.drain((time, row) => {
      const values: Record<string, number> = {};
      for (const [i, { name }] of this.quantities.entries()) {
        const value = row[i] as number;
        if (!Number.isNaN(value)) values[name] = value;
      }
      samples.push({ time, values });
    });
    return samples;
  }

  statistics(): SamplerStatistics {
    return { rate: this.rate, ...native().samplerStatistics(this.#handle) };
  }

  /** Takes a last sample. What was taken can still be drained. */
  stop(): Promise<void> {
    return native().stopSampler(this.#handle);
  }

  /** Stops it and frees its memory. May be called again. */
  close(): Promise<void> {
    this.#closing ??= native().closeHandle(this.#handle);
    return this.#closing;
  }
}

/**
 * What can be measured here: every source that was looked for, there or absent for a reason, and the quantities that the
 * ones there give.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_FILE_SYSTEM
 */
export function telemetrySources(
  options: Omit<TelemetryOptions, 'rate'> & Cancelable = {},
): Promise<{ readonly sources: readonly SourceStatus[]; readonly quantities: readonly Quantity[] }> {
  return atCaller(telemetrySources, async () => {
    const sampler = await Sampler.start(checkCancelableTelemetry(options), 1);
    await sampler.close();
    return { sources: sampler.sources, quantities: sampler.quantities };
  });
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

async function requireFolder(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
  } catch (error) {
    throw fileSystemError('read the device recorded in', path, error);
  }
}
