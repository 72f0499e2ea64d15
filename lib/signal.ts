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

/** A listener whose errors stop the work; after that it hears no more. */
export type Guard = <T>(listener: ((value: T) => void) | undefined) => (value: T) => void;

/**
 * Gives `body` a signal that the caller's aborts, and so does what a guarded listener throws: that is what the promise
 * rejects with then. `onStop` is called at once when either happens.
 */
export async function stoppable<T>(
  outer: AbortSignal | undefined,
  body: (signal: AbortSignal, guarded: Guard) => Promise<T>,
  onStop?: () => void,
): Promise<T> {
  outer?.throwIfAborted();
  const inner = new AbortController();
  const abort = (reason: unknown): void => {
    if (inner.signal.aborted) return;
    inner.abort(reason);
    onStop?.();
  };
  const onAbort = (): void => abort(outer?.reason);
  const guarded: Guard = (listener) => (value) => {
    if (inner.signal.aborted) return;
    try {
      listener?.(value);
    } catch (error) {
      abort(error);
    }
  };
  outer?.addEventListener('abort', onAbort, { once: true });
  try {
    return await body(inner.signal, guarded);
  } catch (error) {
    // What stopped work throws is only the echo of the reason.
    throw inner.signal.aborted ? inner.signal.reason : error;
  } finally {
    outer?.removeEventListener('abort', onAbort);
  }
}

/** Wires a signal to native jobs for as long as `body` runs; see {@link stoppable}. */
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
  return stoppable(
    signal,
    (inner, guarded) => {
      const report = guarded(onProgress);
      return body({
        control: { stop, ...(onProgress && { onProgress: report }), ...(onLog && { onLog: guarded(onLog) }) },
        signal: inner,
        report,
        check: () => inner.throwIfAborted(),
      });
    },
    () => addon.requestStop(stop),
  );
}
