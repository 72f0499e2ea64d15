// Pictures that arrive one by one, from whoever asks, run through the network together.
import { type Engine, infer, type Prediction } from 'presisi';

interface Job {
  readonly picture: Uint8Array;
  readonly resolve: (prediction: Prediction) => void;
  readonly reject: (reason: unknown) => void;
  /** What to do when nobody waits for it any more. */
  leave: () => void;
}

/** More pictures wait than the queue holds. */
export class QueueFullError extends Error {}

/**
 * A batch starts when it is as large as the engine takes, or `wait` milliseconds after its first picture came; while one
 * runs, the next gathers. So a single picture waits a little, and many go through at the network's full speed.
 */
export class BatchingQueue {
  readonly #engine: Engine;
  readonly #wait: number;
  readonly #capacity: number;
  #waiting: Job[] = [];
  #timer: NodeJS.Timeout | undefined;
  #running = false;

  constructor(engine: Engine, wait: number, capacity = 16 * engine.maxBatch) {
    this.#engine = engine;
    this.#wait = wait;
    this.#capacity = capacity;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** Rejects with the signal's reason once that is aborted. A picture that can't be decoded has an `error`. */
  classify(picture: Uint8Array, signal: AbortSignal): Promise<Prediction> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      if (this.#waiting.length >= this.#capacity) throw new QueueFullError('too many pictures are waiting');
      const onAbort = (): void => {
        job.leave();
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const stopListening = (): void => signal.removeEventListener('abort', onAbort);
      const job: Job = {
        picture,
        resolve: (prediction) => {
          stopListening();
          resolve(prediction);
        },
        reject: (reason) => {
          stopListening();
          reject(reason);
        },
        leave: () => {
          this.#waiting = this.#waiting.filter((other) => other !== job);
        },
      };
      this.#waiting.push(job);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#running || this.#waiting.length === 0) return;
    if (this.#waiting.length >= this.#engine.maxBatch) void this.#run();
    else this.#timer ??= setTimeout(() => void this.#run(), this.#wait);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const jobs = this.#waiting.splice(0, this.#engine.maxBatch);
    if (jobs.length === 0) return;
    const everybodyLeft = new AbortController();
    let left = jobs.length;
    for (const job of jobs) {
      job.leave = () => {
        left -= 1;
        if (left === 0) everybodyLeft.abort();
      };
    }
    this.#running = true;
    try {
      const predictions = await infer(
        this.#engine,
        jobs.map(({ picture }) => picture),
        { batchSize: this.#engine.maxBatch, onBadImage: 'skip', signal: everybodyLeft.signal },
      );
      for (const [index, job] of jobs.entries()) job.resolve(predictions[index] as Prediction);
    } catch (error) {
      for (const job of jobs) job.reject(error);
    } finally {
      this.#running = false;
      this.#schedule();
    }
  }
}
