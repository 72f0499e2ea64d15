import { type Control, type LogEntry, native, type Progress } from './native.js';
import type { SpanRecorder } from './telemetry/spans.js';

export type ProgressListener = (progress: Progress) => void;
export type LogListener = (entry: LogEntry) => void;

export interface Cancelable {
  /** Stops the work within some 200 ms; the promise rejects with the signal's reason, and no file is left behind. */
  readonly signal?: AbortSignal;
}

/** What long work passes on: to native jobs `control`, and between its own steps `check()`. */
export interface Scope {
  readonly control: Control;
  readonly signal: AbortSignal;
  report(progress: Progress): void;
  /** Throws the reason once the work was stopped. */
  check(): void;
}

/** The same for work whose phases are recorded. */
export interface TracedScope extends Scope {
  readonly spans: SpanRecorder;
}

/**
 * Wires a signal to native jobs for as long as `body` runs. An error thrown by the progress listener stops the work
 * and is what the promise rejects with.
 */
export async function withSignal<T>(
  options: {
    signal?: AbortSignal | undefined;
    onProgress?: ProgressListener | undefined;
    onLog?: LogListener | undefined;
  },
  body: (scope: Scope) => Promise<T>,
): Promise<T> {
  const { signal, onProgress, onLog } = options;
  signal?.throwIfAborted();
  const addon = native();
  const stop = addon.createStop();
  const inner = new AbortController();
  const abort = (reason: unknown): void => {
    if (inner.signal.aborted) return;
    inner.abort(reason);
    addon.requestStop(stop);
  };
  const onAbort = (): void => abort(signal?.reason);
  /** What a listener throws stops the work. */
  const guarded =
    <T>(listener: ((value: T) => void) | undefined) =>
    (value: T): void => {
      if (inner.signal.aborted) return;
      try {
        listener?.(value);
      } catch (error) {
        abort(error);
      }
    };
  const report = guarded(onProgress);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await body({
      control: { stop, ...(onProgress && { onProgress: report }), ...(onLog && { onLog: guarded(onLog) }) },
      signal: inner.signal,
      report,
      check: () => inner.signal.throwIfAborted(),
    });
  } catch (error) {
    // What a stopped job throws is only the echo of the reason.
    throw inner.signal.aborted ? inner.signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
