import { atCaller } from '../errors.js';
import { checkTelemetry, Sampler, type TelemetryOptions } from './telemetry.js';
import type { Quantity, SamplerStatistics, SourceStatus, Timeline } from './types.js';

const RATE = 100;

/** Milliseconds between two drains; the sampler keeps ten seconds of samples, so that a busy event loop loses none. */
const DRAIN_INTERVAL = 250;

let create: (sampler: Sampler) => Recording;

/** A recording under way. It doesn't keep the process alive. */
export class Recording implements AsyncDisposable {
  readonly #sampler: Sampler;
  readonly #timer: NodeJS.Timeout;
  readonly #times: number[] = [];
  readonly #columns: (number | null)[][];
  #stopped: Promise<Timeline> | undefined;

  static {
    create = (sampler) => new Recording(sampler);
  }

  private constructor(sampler: Sampler) {
    this.#sampler = sampler;
    this.#columns = sampler.quantities.map(() => []);
    this.#timer = setInterval(() => this.#drain(), DRAIN_INTERVAL).unref();
  }

  /** What is read, in the order of the timeline's columns. */
  get quantities(): readonly Quantity[] {
    return this.#sampler.quantities;
  }

  get sources(): readonly SourceStatus[] {
    return this.#sampler.sources;
  }

  /** Takes a last sample and ends the recording. Asked again, it gives the same timeline. */
  stop(): Promise<Timeline> {
    this.#stopped ??= atCaller(this.stop, () => this.#finish());
    return this.#stopped;
  }

  /** Ends the recording; what it recorded is dropped unless {@link stop} was called. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #drain(): void {
    this.#sampler.drain((time, values) => {
      this.#times.push(time);
      for (const [i, column] of this.#columns.entries()) {
        const value = values[i] as number;
        column.push(Number.isNaN(value) ? null : value);
      }
    });
  }

  async #finish(): Promise<Timeline> {
    clearInterval(this.#timer);
    let sampler: SamplerStatistics;
    try {
      await this.#sampler.stop();
      this.#drain();
      sampler = this.#sampler.statistics();
    } finally {
      await this.#sampler.close();
    }
    const start = this.#times[0] ?? 0;
    return {
      start,
      time: this.#times.map((time) => time - start),
      columns: Object.fromEntries(this.quantities.map(({ name }, i) => [name, this.#columns[i] ?? []])),
      quantities: this.quantities,
      sources: this.sources,
      sampler,
    };
  }
}

/**
 * Starts recording the device and this process: a native thread takes samples, whatever the event loop does. Resolves when
 * the first is taken.
 *
 * @example
 * const recording = await record({ rate: 100 });
 * await quantize('model.onnx', options);
 * const timeline = await recording.stop();
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_FILE_SYSTEM
 */
export function record(options: TelemetryOptions = {}): Promise<Recording> {
  return atCaller(record, async () => create(await Sampler.start(checkTelemetry(options), RATE)));
}
