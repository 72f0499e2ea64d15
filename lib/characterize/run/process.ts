import { type ChildProcess, fork } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Trial, trialSchema } from '../results.js';
import type { TrialMessage, TrialTask } from '../task.js';
import { identityOfProcess, isRunning, type ProcessIdentity } from './lock.js';

export interface ProcessOptions {
  /** The program that carries the trial out; see trial/main.ts. */
  readonly entry: string;
  /** Seconds after which the trial counts as hanging. */
  readonly limit: number;
  readonly signal: AbortSignal;
  /** Where it is noted which process runs, for a runner that comes after this one was killed. */
  readonly note: string;
  onProgress(progress: Extract<TrialMessage, { type: 'progress' }>): void;
}

/** Why there is no result. */
export interface Failure {
  readonly code: 'TRIAL_CRASHED' | 'TRIAL_TIMEOUT' | 'TRIAL_INVALID';
  readonly message: string;
  readonly hint?: string;
}

export type Outcome = { readonly trial: Trial } | { readonly failure: Failure };

/** How long a process may take to end by itself after its result, or after it was told to stop. */
const GRACE_MILLISECONDS = 5000;
const LAST_WORDS_MILLISECONDS = 500;
/** Of what the process said last. */
const KEPT_CHARACTERS = 4000;

/**
 * Carries out a trial in a fresh process of its own, and returns when that has ended.
 *
 * @throws the reason of `signal` once that is aborted
 */
export async function runInProcess(task: TrialTask, options: ProcessOptions): Promise<Outcome> {
  options.signal.throwIfAborted();
  const child = fork(options.entry, [], {
    // A group of its own: a Ctrl-C of the terminal is the runner's to handle, and children end with the process.
    detached: true,
    // A debugger's port can't be shared.
    execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
  });
  const conversation = listen(child, options.onProgress);
  const ended = conversation.ended;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  options.signal.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => stop.abort(), options.limit * 1000);
  try {
    if (child.pid !== undefined) await writeFile(options.note, JSON.stringify(await identityOfProcess(child.pid)));
    child.send(task, () => {}); // a process that ended already is noticed by its end
    await Promise.race([conversation.result, ended, aborted(stop.signal)]);
    await end(child, ended, conversation.last() !== undefined);
    await rm(options.note, { force: true });
    const result = conversation.last();
    if (result !== undefined) return accept(task, result);
    options.signal.throwIfAborted();
    return { failure: stop.signal.aborted ? hung(task, options.limit) : crashed(task, child, conversation.said()) };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', onAbort);
    kill(child.pid);
  }
}

/** Ends the trial's process of a runner that was killed, if it still runs: two must never run at once. */
export async function endOrphan(note: string): Promise<void> {
  let orphan: ProcessIdentity;
  try {
    orphan = JSON.parse(await readFile(note, 'utf8')) as ProcessIdentity;
  } catch {
    return;
  }
  while (await isRunning(orphan)) {
    kill(orphan.pid);
    await sleep(10);
  }
  await rm(note, { force: true });
}

function listen(child: ChildProcess, onProgress: ProcessOptions['onProgress']) {
  let last: unknown;
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    text = (text + piece).slice(-KEPT_CHARACTERS);
  });
  const result = new Promise<void>((resolve) => {
    child.on('message', (message: TrialMessage) => {
      if (message.type === 'progress') return onProgress(message);
      last = message.trial;
      resolve();
    });
  });
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      text += error.message;
      if (child.pid === undefined) resolve(); // never started
    });
    // `close` would never come where the channel was closed on this side.
    child.once('exit', () => {
      if (child.stderr === null || child.stderr.closed) return resolve();
      // Its last words may still be on their way, and a child of its own may keep the pipe open.
      const patience = setTimeout(resolve, LAST_WORDS_MILLISECONDS);
      child.stderr.once('close', () => {
        clearTimeout(patience);
        resolve();
      });
    });
  });
  return { result, ended, last: () => last, said: () => text.trim() };
}

/** Lets the process end by itself, told to where it has no result yet; after a while it is ended. */
async function end(child: ChildProcess, ended: Promise<void>, hasResult: boolean): Promise<void> {
  if (child.connected) child.disconnect();
  // Work that is to be given up has nothing to tidy: what it wrote is removed with the work folder.
  if (!hasResult) kill(child.pid);
  const patience = setTimeout(() => kill(child.pid), GRACE_MILLISECONDS);
  await ended;
  clearTimeout(patience);
}

/** The process and those it started, at once. */
function kill(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

function accept(task: TrialTask, result: unknown): Outcome {
  const parsed = trialSchema.safeParse(result);
  if (parsed.success) {
    const trial = parsed.data;
    if (trial.id !== task.id || trial.attempt !== task.attempt || trial.kind !== task.kind) {
      return invalid(task, `it is of ${trial.id}, attempt ${trial.attempt}`);
    }
    if (trial.error || trial.kind === 'idle' || trial.kind in trial) return { trial };
    return invalid(task, 'it has neither a measurement nor an error');
  }
  const [issue] = parsed.error.issues;
  return invalid(task, `${issue?.path.join('.')}: ${issue?.message}`);
}

const invalid = (task: TrialTask, why: string): Outcome => ({
  failure: {
    code: 'TRIAL_INVALID',
    message: `the result of ${task.id} is not what it should be: ${why}`,
    hint: 'this is a defect of presisi; please report it',
  },
});

const hung = (task: TrialTask, limit: number): Failure => ({
  code: 'TRIAL_TIMEOUT',
  message: `${task.id} had no result after ${Math.round(limit)} s and was ended`,
  hint: 'that is many times what such a trial takes here: is the device doing something else?',
});

function crashed(task: TrialTask, { signalCode, exitCode }: ChildProcess, said: string): Failure {
  const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
  const message = `the process of ${task.id} ended ${how} before it had a result${said === '' ? '' : `: ${said}`}`;
  if (signalCode !== 'SIGKILL') return { code: 'TRIAL_CRASHED', message };
  return { code: 'TRIAL_CRASHED', message, hint: 'the kernel may have ended it for want of memory: see dmesg' };
}
