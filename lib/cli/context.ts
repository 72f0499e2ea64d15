import { PresisiError } from '../errors.js';

/** What every command gets besides its own options. */
export interface Context {
  /** Prints a command's result: JSON with --json, else the lines `render` makes of it. */
  print<T>(result: T, render: (result: T) => string): void;
  /** Something to know that is no failure; on stderr. */
  warn(message: string): void;
  readonly json: boolean;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** A command line that can't be carried out as it stands. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `nothing`: the work went well and found nothing, which a script must be able to tell from a failure. */
export const EXIT = { ok: 0, failure: 1, usage: 2, nothing: 3 } as const;

export function createContext(json: boolean, signal: AbortSignal): Context {
  return {
    json,
    signal,
    print: (result, render) => {
      process.stdout.write(json ? `${JSON.stringify(result, null, 2)}\n` : `${render(result)}\n`);
    },
    warn: (message) => {
      if (!json) process.stderr.write(`warning: ${message}\n`);
    },
  };
}

/** Reports a failure on stderr and says what the process should exit with. */
export function reportError(error: unknown, json: boolean): number {
  const { message, code, hint } = describe(error);
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, ...(hint && { hint }) } })}\n`);
  } else {
    process.stderr.write(`error: ${message} (${code})\n${hint ? `hint: ${hint}\n` : ''}`);
  }
  return error instanceof UsageError ? EXIT.usage : EXIT.failure;
}

function describe(error: unknown): { message: string; code: string; hint?: string | undefined } {
  if (error instanceof PresisiError) return { message: error.message, code: error.code, hint: error.hint };
  if (error instanceof UsageError) return { message: error.message, code: 'ERR_PRESISI_USAGE' };
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { message, code: 'ERR_PRESISI_INTERNAL', hint: 'this is a defect of presisi; please report it' };
}
