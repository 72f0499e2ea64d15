import { type ChildProcess, spawn } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { fileSystemError, PresisiError } from '../errors.js';

export interface PythonExport {
  /** A checkpoint that PyTorch or safetensors reads. */
  readonly checkpoint: string;
  /** `torchvision:NAME`, `timm:NAME`, or `module.path:callable` of one's own that returns a torch.nn.Module. */
  readonly architecture: string;
  /** Passed on as `num_classes`. Default: the architecture's own. */
  readonly classes?: number;
  readonly inputSize: number;
  /** The highest wanted; PyTorch's exporter may only reach a lower one. */
  readonly opset: number;
  /** Where the ONNX file is written; it is complete or absent. */
  readonly output: string;
  /** A path or a name. Default: `$PRESISI_PYTHON`, else `python3`, else `python`. */
  readonly python?: string;
  /** Unpickle whatever the file holds, which executes code from it. Default false. */
  readonly trustPickle?: boolean;
  readonly signal?: AbortSignal;
}

export interface PythonExported {
  readonly onnx: string;
  /** Of Python and the packages that took part: `python`, `torch`, `torchvision`, … */
  readonly versions: Readonly<Record<string, string>>;
}

/** The same from `lib` and from `dist`: the script is shipped as it lies in `lib`. */
const SCRIPT = fileURLToPath(new URL('../../lib/convert/export.py', import.meta.url));

/** The oldest the script runs on, and PyTorch 2.0 too. */
const OLDEST: readonly [number, number] = [3, 8];

/** Python says nothing for minutes while it exports; one that doesn't tell its version in this time never will. */
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

const answerSchema = z.union([
  z.object({ versions: z.record(z.string(), z.string()) }),
  z.object({ error: z.object({ code: z.enum(CODES), message: z.string(), hint: z.string().optional() }) }),
]);

/**
 * Runs `torch.onnx.export` in the user's own Python.
 *
 * @throws PresisiError `ERR_PRESISI_BACKEND_UNAVAILABLE` when Python or one of its packages is missing, with the
 *   command that installs it; other codes for what is wrong with the checkpoint or the architecture; the reason of
 *   `signal` once that is aborted. `cause` holds the last lines that Python printed.
 */
export async function exportWithPython(request: PythonExport): Promise<PythonExported> {
  const { signal, output } = request;
  signal?.throwIfAborted();
  const python = await findPython(request.python, signal);
  const partial = `${output}.${process.pid}.partial`;
  try {
    const ended = await run(python, [SCRIPT, requestText(request, partial)], { signal });
    const { versions } = readAnswer(python, ended);
    await rename(partial, output).catch((error: unknown) => {
      throw fileSystemError('write', output, error);
    });
    return { onnx: output, versions };
  } finally {
    await rm(partial, { force: true });
  }
}

function requestText(request: PythonExport, output: string): string {
  return JSON.stringify({
    checkpoint: resolve(request.checkpoint),
    architecture: request.architecture,
    classes: request.classes,
    input_size: request.inputSize,
    opset: request.opset,
    output: resolve(output),
    trust_pickle: request.trustPickle ?? false,
  });
}

/** The first of the candidates that there is; it must be able to run the script. */
async function findPython(chosen: string | undefined, signal: AbortSignal | undefined): Promise<string> {
  const fromEnvironment = process.env.PRESISI_PYTHON;
  const named = chosen ?? (fromEnvironment === '' ? undefined : fromEnvironment);
  const candidates = named === undefined ? ['python3', 'python'] : [named];
  for (const python of candidates) {
    // Understood by every Python there ever was, unlike the script.
    const program = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])";
    const ended = await run(python, ['-c', program], { signal, timeout: PROBE_MILLISECONDS });
    if ('missing' in ended) continue;
    const version = /^(\d+)\.(\d+)$/.exec(ended.stdout.trim());
    if (ended.code !== 0 || version === null) {
      throw unavailable(`${python} did not say which Python it is: ${howItEnded(ended)}`, undefined, ended.stderr);
    }
    const [major, minor] = [Number(version[1]), Number(version[2])];
    if (major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1])) return python;
    const found = `${python} is Python ${major}.${minor}; the exporter needs ${OLDEST.join('.')} or later`;
    throw unavailable(found, 'name another with options.python (--python) or PRESISI_PYTHON');
  }
  const where =
    chosen !== undefined ? ', as options.python says' : named !== undefined ? ', as PRESISI_PYTHON says' : '';
  throw unavailable(
    `there is no Python to export with: tried ${candidates.join(', ')}${where}`,
    'install Python with `pip install torch`, or name one with options.python (--python) or PRESISI_PYTHON',
  );
}

function readAnswer(python: string, ended: Ended): { versions: Record<string, string> } {
  if ('missing' in ended) throw unavailable(`there is no Python to export with: tried ${python}`);
  let answer: z.infer<typeof answerSchema> | undefined;
  try {
    answer = answerSchema.parse(JSON.parse(ended.stdout));
  } catch {
    answer = undefined;
  }
  if (answer !== undefined && 'error' in answer) {
    const { code, message, hint } = answer.error;
    throw new PresisiError(code, message, { ...(hint !== undefined && { hint }), ...causeOf(ended.stderr) });
  }
  if (answer !== undefined && ended.code === 0) return answer;
  // Killed for its memory, crashed in native code, or not the Python it says it is.
  throw new PresisiError('ERR_PRESISI_UNSUPPORTED_MODEL', `the export ended without a result: ${howItEnded(ended)}`, {
    ...(ended.signal === 'SIGKILL' && { hint: 'the system may have stopped it for want of memory' }),
    ...causeOf(ended.stderr),
  });
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
  readonly stdout: string;
  readonly stderr: string;
}

type Ended = Finished | { readonly missing: true };

/** Runs a process to its end, whatever the end is; rejects with the signal's reason once the process is gone. */
function run(
  command: string,
  args: readonly string[],
  { signal, timeout }: { signal: AbortSignal | undefined; timeout?: number },
): Promise<Ended> {
  signal?.throwIfAborted();
  return new Promise((fulfil, reject) => {
    // A group of its own, so that what Python starts ends with it. Standard input stays open for as long as anybody
    // waits for the answer.
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
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
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        streams[name] = (streams[name] + text).slice(-KEPT_CHARACTERS);
      });
    }
    child.stdin.on('error', () => {}); // a process that ends first breaks the pipe; its end says why
    child.on('close', (code, by) => settle(() => fulfil({ code, signal: by, timedOut, ...streams })));
  });
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
