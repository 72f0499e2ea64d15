// One trial of an experiment, in a process of its own that was forked for it. The first message is the task; progress and the
// result are sent back. Nobody waits for the result once the channel is closed, and then nothing here goes on.
import type { TrialMessage, TrialTask } from '../task.js';
import { runTrial } from './run.js';

/** Of progress within one phase. */
const INTERVAL_MILLISECONDS = 100;

const stop = new AbortController();
let done = false;

process.on('disconnect', () => {
  if (done) process.exit(0);
  // Not process.exit(): that waits for native work to notice. Python sees its standard input end, and goes as well.
  process.kill(process.pid, 'SIGKILL');
});
// Ctrl-C in a terminal reaches every process there; whoever started this one decides what becomes of it.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => stop.abort(new Error('SIGTERM')));
process.once('message', (task: TrialTask) => {
  if (!process.connected) process.exit(1); // closed before this module was loaded
  carryOut(task).catch((error: unknown) => {
    if (!stop.signal.aborted) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  });
});

async function carryOut(task: TrialTask): Promise<void> {
  const trial = await runTrial(task, throttled(), stop.signal);
  const { timeOrigin } = performance;
  const started = new Date(timeOrigin).toISOString();
  done = true; // the channel may be closed as soon as the result is there
  await send({ type: 'result', trial: { ...trial, started, seconds: (Date.now() - timeOrigin) / 1000 } });
  process.exit(0);
}

/** The first message of every phase, and others now and then. */
function throttled(): (progress: TrialMessage) => void {
  let phase = '';
  let last = 0;
  return (progress) => {
    if (progress.type !== 'progress') return;
    const now = performance.now();
    if (progress.phase === phase && now - last < INTERVAL_MILLISECONDS) return;
    phase = progress.phase;
    last = now;
    send(progress).catch(() => {});
  };
}

const send = (message: TrialMessage): Promise<void> =>
  new Promise((resolve, reject) => {
    process.send?.(message, undefined, {}, (error) => (error ? reject(error) : resolve()));
  });
