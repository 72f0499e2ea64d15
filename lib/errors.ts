/** Every code a {@link PresisiError} can have; the native engine and this library share the list. */
export type PresisiErrorCode =
  /** An option or a call is wrong. */
  | 'ERR_PRESISI_INVALID_ARGUMENT'
  /** The ONNX file is truncated, corrupt, or contradicts itself. */
  | 'ERR_PRESISI_INVALID_MODEL'
  /** A node whose operator, version or attribute is outside the supported set. */
  | 'ERR_PRESISI_UNSUPPORTED_OPERATOR'
  /** A valid model that needs something presisi does not do. */
  | 'ERR_PRESISI_UNSUPPORTED_MODEL'
  /** A tensor's shape, element type or name is not what the model declares. */
  | 'ERR_PRESISI_SHAPE_MISMATCH'
  /** No calibration data, data that breaks the network, or a table made for something else. */
  | 'ERR_PRESISI_INVALID_CALIBRATION'
  /** An image can't be decoded. */
  | 'ERR_PRESISI_INVALID_IMAGE'
  /** A data set is damaged, incomplete, or contradicts itself. */
  | 'ERR_PRESISI_INVALID_DATASET'
  /** An experiment can't be carried out as it is written, or its folder is in use or holds another one. */
  | 'ERR_PRESISI_INVALID_EXPERIMENT'
  /** The results of an experiment are damaged, something else, or of a newer version. */
  | 'ERR_PRESISI_INVALID_RESULTS'
  /** An engine file is damaged. */
  | 'ERR_PRESISI_INVALID_ENGINE'
  /** An engine made by another version, for another backend, or for another device. */
  | 'ERR_PRESISI_INCOMPATIBLE_ENGINE'
  /** A backend is not built or its vendor's library can't be loaded; or the Python that was to export can't. */
  | 'ERR_PRESISI_BACKEND_UNAVAILABLE'
  /** A file can't be read or written. */
  | 'ERR_PRESISI_FILE_SYSTEM'
  /** An allocation failed. */
  | 'ERR_PRESISI_OUT_OF_MEMORY'
  /** The work was stopped. Callers who aborted a signal see the signal's reason instead. */
  | 'ERR_PRESISI_CANCELED'
  /** A handle was used after it was disposed. */
  | 'ERR_PRESISI_DISPOSED'
  /** The native addon can't be loaded. */
  | 'ERR_PRESISI_LOAD_FAILED'
  /** A defect of presisi: please report it. */
  | 'ERR_PRESISI_INTERNAL';

export interface PresisiErrorOptions {
  readonly hint?: string;
  readonly cause?: unknown;
}

/** What everything in presisi throws and rejects with, but for an aborted signal's own reason. */
export class PresisiError extends Error {
  readonly code: PresisiErrorCode;
  /** What to do about it, where there is something to say. */
  declare readonly hint?: string;

  constructor(code: PresisiErrorCode, message: string, options: PresisiErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options.hint !== undefined) Object.assign(this, { hint: options.hint });
  }

  /** What JSON shows of an error: the message, too, which Error leaves out. */
  toJSON(): { code: PresisiErrorCode; message: string; hint?: string } {
    const { code, message, hint } = this;
    return { code, message, ...(hint !== undefined && { hint }) };
  }
}
// On the prototype, as built-in errors have it: not a property of each error.
Object.defineProperty(PresisiError.prototype, 'name', { value: 'PresisiError', configurable: true, writable: true });

/** `string`, `null`, `array`, `Float32Array`: what a value is, as messages say it. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'object') return value.constructor?.name ?? 'object';
  return typeof value;
}

/** A value as a message shows it: short, on one line, whatever it is. */
export function showValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value);
  if (typeof value === 'function') return value.name === '' ? 'a function' : value.name;
  if (typeof value !== 'object' || value === null) return String(value);
  if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
  try {
    const text = JSON.stringify(value) ?? 'a value';
    return text.length > 60 ? `${text.slice(0, 57)}...` : text;
  } catch {
    return 'an object';
  }
}

/** The one form every wrong argument is reported in. */
export function invalidArgument(expected: string, name: string, value: unknown): PresisiError {
  return new PresisiError(
    'ERR_PRESISI_INVALID_ARGUMENT',
    value === undefined
      ? `Expected ${expected} for ${name} but received undefined`
      : `Expected ${expected} for ${name} but received ${showValue(value)} of type ${typeName(value)}`,
  );
}

/** A Node.js file system error in presisi's words. */
export function fileSystemError(action: string, path: string, cause: unknown): PresisiError {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or folder',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'it is not a folder',
    EROFS: 'the file system is read-only',
    ENOSPC: 'no space left on the device',
  };
  const reason = (code && reasons[code]) ?? (cause instanceof Error ? cause.message : String(cause));
  const hint = code === 'ENOENT' ? 'check the path; relative paths start at the current working directory' : undefined;
  return new PresisiError('ERR_PRESISI_FILE_SYSTEM', `cannot ${action} ${path}: ${reason}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}

const traced = new WeakSet<Error>();

/**
 * Runs a public function's body. Errors that come from native threads have no stack of their own: the frames of
 * whoever called `caller` are appended, so that a stack always points at the user's line.
 */
// biome-ignore lint/complexity/noBannedTypes: what Error.captureStackTrace takes
export async function atCaller<T>(caller: Function, body: () => Promise<T>): Promise<T> {
  const here: { stack?: string } = {};
  Error.captureStackTrace(here, caller);
  try {
    return await body();
  } catch (error) {
    if (error instanceof PresisiError && !traced.has(error)) {
      traced.add(error);
      const frames = here.stack?.split('\n').slice(1).join('\n') ?? '';
      if (frames !== '' && !error.stack?.includes(frames)) error.stack = `${error.stack}\n${frames}`;
    }
    throw error;
  }
}
