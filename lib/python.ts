import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { z } from 'zod';
import { PresisiError } from './errors.js';

/** What a Python script of presisi's is run for, in the words of its messages. */
export interface PythonPurpose {
  /** What needs Python: `the exporter`. */
  readonly who: string;
  /** What there is none to do with: `export`. */
  readonly verb: string;
  /** What ends without a result: `the export`. */
  readonly job: string;
  /** Where the caller names one: `options.python`; and how hints say it, with the command line's. */
  readonly option: string;
  readonly hint: string;
}

/** The oldest the scripts run on, and PyTorch 2.0 too. */
const OLDEST: readonly [number, number] = [3, 8];

/** Python says nothing for minutes while it works; one that doesn't tell its version in this time never will. */
const PROBE_MILLISECONDS = 30_000;

/** How long a process may take to end after SIGTERM. */
const GRACE_MILLISECONDS = 2_000;

/** Both streams' ends are kept, however much is printed. */
const KEPT_CHARACTERS = 64 * 1024;

const CODES = [
  'ERR_PRESISI_BACKEND_UNAVAILABLE',
  'ERR_PRESISI_INVALID_ARGUMENT',
  'ERR_PRESISI_INVALID_MODEL',
  'ERR_PRESISI_UNSUPPORTED_MODEL',
  'ERR_PRESISI_FILE_SYSTEM',
  'ERR_PRESISI_OUT_OF_MEMORY',
] as const;

const failureSchema = z.object({
  error: z.object({ code: z.enum(CODES), message: z.string(), hint: z.string().optional() }),
});

/** The first of the candidates that there is; it must be able to run the scripts. */
export async function findPython(
  chosen: string | undefined,
  purpose: PythonPurpose,
  signal: AbortSignal | undefined,
): Promise<string> {
  const fromEnvironment = process.env.PRESISI_PYTHON;
  const named = chosen ?? (fromEnvironment === '' ? undefined : fromEnvironment);
  const candidates = named === undefined ? ['python3', 'python'] : [named];
  for (const python of candidates) {
    // Understood by every Python there ever was, unlike the scripts.
    const program = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])";
    const ended = await startProcess(python, ['-c', program], { signal, timeout: PROBE_MILLISECONDS }).ended;
    if ('missing' in ended) continue;
    const version = /^(\d+)\.(\d+)$/.exec(ended.stdout.trim());
    if (ended.code !== 0 || version === null) {
      throw unavailable(`${python} did not say which Python it is: ${howItEnded(ended)}`, undefined, ended.stderr);
    }
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return python;
    const found = `${python} is Python ${major}.${minor}; ${purpose.who} needs ${OLDEST.join('.')} or later`;
    throw unavailable(found, `name another with ${purpose.hint} or PRESISI_PYTHON`);
  }
  const where =
    chosen !== undefined ? `, as ${purpose.option} says` : named !== undefined ? ', as PRESISI_PYTHON says' : '';
  throw unavailable(
    `there is no Python to ${purpose.verb} with: tried ${candidates.join(', ')}${where}`,
    `install Python with \`pip install torch\`, or name one with ${purpose.hint} or PRESISI_PYTHON`,
  );
}

/**
 * What a script answered: one line of JSON, in the form of `schema` or with an error.
 *
 * @throws PresisiError the script's own, or `ERR_PRESISI_UNSUPPORTED_MODEL` where it ended without an answer; `cause`
 *   holds the last lines that Python printed
 */
export function readAnswer<T>(schema: z.ZodType<T>, python: string, ended: Ended, purpose: PythonPurpose): T {
  if ('missing' in ended) throw unavailable(`there is no Python to ${purpose.verb} with: tried ${python}`);
  let answer: unknown;
  try {
    answer = JSON.parse(ended.stdout);
  } catch {
    // said below
  }
  const failure = failureSchema.safeParse(answer);
  if (failure.success) {
    const { code, message, hint } = failure.data.error;
    throw new PresisiError(code, message, { ...(hint !== undefined && { hint }), ...causeOf(ended.stderr) });
  }
  const found = schema.safeParse(answer);
  if (found.success && ended.code === 0) return found.data;
  // Killed for its memory, crashed in native code, or not the Python it says it is.
  throw new PresisiError(
    'ERR_PRESISI_UNSUPPORTED_MODEL',
    `${purpose.job} ended without a result: ${howItEnded(ended)}`,
    {
      ...(ended.signal === 'SIGKILL' && { hint: 'the system may have stopped it for want of memory' }),
      ...causeOf(ended.stderr),
    },
  );
}

const unavailable = (message: string, hint?: string, stderr = ''): PresisiError =>
  new PresisiError('ERR_PRESISI_BACKEND_UNAVAILABLE', message, {
    ...(hint !== undefined && { hint }),
    ...causeOf(stderr),
  });

/** What Python printed last, as the error's cause. */
function causeOf(stderr: string): { cause?: Error } {
  const lines = stderr.trimEnd().split('\n').slice(-20).join('\n').trim();
  return lines === '' ? {} : { cause: new Error(lines) };
}

const howItEnded = ({ code, signal, timedOut }: Finished): string =>
  timedOut ? 'it did not answer' : signal !== null ? `it was ended by ${signal}` : `exit code ${code}`;

interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** The ends of what was printed. */
  readonly stdout: string;
  readonly stderr: string;
}

export type Ended = Finished | { readonly missing: true };

export interface ProcessOptions {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds. Default: none. */
  readonly timeout?: number;
  /** How many characters of standard output are kept. */
  readonly kept?: number;
  /** Called with each line of standard output, none of which is kept then. */
  readonly onLine?: (line: string) => void;
}

export interface Running {
  /** Stays open until the process ends: the scripts take its end for that of whoever waits for them. */
  readonly stdin: Writable | undefined;
  /** The process's end, whatever it is; rejects with the signal's reason once the process is gone. */
  readonly ended: Promise<Ended>;
}

export function startProcess(command: string, args: readonly string[], options: ProcessOptions): Running {
  const { signal, timeout, kept = KEPT_CHARACTERS, onLine } = options;
  if (signal?.aborted) return { stdin: undefined, ended: Promise.reject(signal.reason) };
  // A group of its own, so that what Python starts ends with it.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<Ended>((fulfil, reject) => {
    const end = stopper(child);
    let timedOut = false;
    const timer = setTimeout(
      () => {
        timedOut = true;
        end.stop();
      },
      timeout ?? 2 ** 31 - 1,
    );
    const onAbort = (): void => end.stop();
    signal?.addEventListener('abort', onAbort, { once: true });
    const settle = (then: () => void): void => {
      clearTimeout(timer);
      end.done();
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted) reject(signal.reason);
      else then();
    };
    child.on('error', (error: NodeJS.ErrnoException) => {
      settle(() => {
        if (error.code === 'ENOENT') fulfil({ missing: true });
        else reject(unavailable(`cannot run ${command}: ${error.message}`));
      });
    });
    if (child.pid === undefined) return; // it never started, and may have no streams
    const streams = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      streams.stdout += text;
      if (onLine === undefined) streams.stdout = streams.stdout.slice(-kept);
      else streams.stdout = passLines(streams.stdout, onLine);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      streams.stderr = (streams.stderr + text).slice(-KEPT_CHARACTERS);
    });
    child.stdin.on('error', () => {}); // a process that ends first breaks the pipe; its end says why
    child.on('close', (code, by) => settle(() => fulfil({ code, signal: by, timedOut, ...streams })));
  });
  return { stdin: child.pid === undefined ? undefined : child.stdin, ended };
}

/** Passes on every whole line; what is left of the last. */
function passLines(text: string, onLine: (line: string) => void): string {
  const lines = text.split('\n');
  const rest = lines.pop() as string;
  for (const line of lines) onLine(line);
  return rest;
}

/** SIGTERM to the process and those it started, then SIGKILL. */
function stopper(child: ChildProcess): { stop: () => void; done: () => void } {
  let later: NodeJS.Timeout | undefined;
  const send = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // All of them ended already.
    }
  };
  return {
    stop: () => {
      send('SIGTERM');
      later ??= setTimeout(() => send('SIGKILL'), GRACE_MILLISECONDS);
    },
    done: () => clearTimeout(later),
  };
}
