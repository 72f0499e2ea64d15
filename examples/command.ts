// What the examples' programs share: arguments, interruption, and failures told in a line instead of a stack.
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { PresisiError } from 'presisi';

/** What a program can't do, in words for its user. */
export class Failure extends Error {}

/** A command line that can't be carried out as it stands. */
export class UsageError extends Failure {}

/** Positional arguments, all of them there, and options. */
export function readArguments<const O extends NonNullable<ParseArgsConfig['options']>>(count: number, options: O) {
  try {
    const { positionals, values } = parseArgs({ options, allowPositionals: true });
    if (positionals.length === count && !positionals.includes('')) return { positionals, values };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  throw new UsageError(`expected ${count} argument${count === 1 ? '' : 's'}`);
}

/** An option that is a whole number. */
export function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new UsageError(`expected a whole number from ${least} to ${most} for --${name} but received "${text}"`);
}

/**
 * Runs a program. Wrong usage ends it with exit code 2, failure with 1, and the first Ctrl-C or SIGTERM aborts the
 * signal: what the program doesn't handle of that ends it with 130. A second one ends it at once.
 */
export async function program(usage: string, body: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const interruption = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interruption.abort());
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0); // the reader has seen enough, as `head` does
    throw error;
  });
  try {
    await body(interruption.signal);
  } catch (error) {
    process.exitCode = report(error, usage, interruption.signal);
  }
}

function report(error: unknown, usage: string, signal: AbortSignal): number {
  if (signal.aborted && error === signal.reason) {
    console.error('interrupted');
    return 130;
  }
  if (error instanceof UsageError) {
    console.error(`error: ${error.message}\nusage: ${usage}`);
    return 2;
  }
  // What has a code was foreseen, by presisi or by Node.js; the stack is for what wasn't.
  const foreseen = error instanceof Failure || (error instanceof Error && 'code' in error);
  console.error(foreseen ? `error: ${error.message}` : error);
  if (error instanceof PresisiError && error.hint !== undefined) console.error(`hint: ${error.hint}`);
  return 1;
}
