import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { trialSchema } from '../../lib/characterize/results.js';
import type { TrialMessage, TrialTask } from '../../lib/characterize/task.js';
import { fixture, ROOT, temporaryFolder } from './support.js';
import { baselineVariant, experiment, taskOf } from './trial-support.js';

const ENTRY = join(ROOT, 'dist', 'characterize', 'trial', 'main.js');

const folder = await temporaryFolder();
const file = (name: string): string => join(folder, name);

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A trial's process, and what it sends. */
function start(task: TrialTask, env: NodeJS.ProcessEnv = {}) {
  const child = fork(ENTRY, [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    serialization: 'advanced',
    env: { ...process.env, ...env },
  });
  started.push(child);
  const messages: TrialMessage[] = [];
  child.on('message', (message: TrialMessage) => messages.push(message));
  child.send(task);
  return { child, messages, ended: once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]> };
}

/** Something that takes longer than the test has. */
const endless = (network: string, more: Partial<TrialTask> = {}): TrialTask =>
  taskOf('idle', { network, experiment: experiment({ idle: 600 }), ...more });

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('carries out its task, tells how far it is, sends the result and ends', async () => {
  const make = { architecture: 'mobilenet_v3_small_minimalistic', seed: 1, classes: 4 };
  const { messages, ended } = start(
    taskOf('compress', { model: { id: 'm', make, inputSize: 64 }, network: file('m.engine'), onnx: file('m.onnx') }),
  );
  expect(await ended).toEqual([0, null]);
  const phases = messages.flatMap((message) => (message.type === 'progress' ? [message.phase] : []));
  expect(phases).toEqual(expect.arrayContaining(['build', 'write']));
  const last = messages.at(-1);
  if (last?.type !== 'result') throw new Error('the last message is no result');
  const trial = trialSchema.parse(last.trial);
  expect(trial).toMatchObject({ kind: 'compress', compress: { engineBytes: expect.any(Number) } });
  // The whole process counts, from before the first line of it ran.
  const { compress } = trial as Extract<typeof trial, { kind: 'compress' }>;
  expect(trial.seconds).toBeGreaterThan((compress?.spans[1]?.seconds ?? 0) + 0.05);
});

test('what fails in a trial is a result, too', async () => {
  const { messages, ended } = start(taskOf('latency', { network: file('nothing.engine') }));
  expect(await ended).toEqual([0, null]);
  expect(messages.at(-1)).toMatchObject({ type: 'result', trial: { error: { code: 'ERR_PRESISI_FILE_SYSTEM' } } });
});

test('ends at once when nobody waits for it any more', async () => {
  const { child, messages, ended } = start(endless(''));
  await vi.waitFor(() => expect(messages).toContainEqual(expect.objectContaining({ phase: 'idle' })), 10_000);
  child.disconnect();
  expect(await ended).toEqual([null, 'SIGKILL']);
});

test('does not even begin when nobody waited for it to be loaded', async () => {
  const { child, messages, ended } = start(endless(''));
  child.disconnect();
  await ended;
  expect(messages).toEqual([]);
});

test('goes on when Ctrl-C reaches it, and ends when it is told to', async () => {
  const { child, messages, ended } = start(endless(''));
  await vi.waitFor(() => expect(messages).toContainEqual(expect.objectContaining({ phase: 'idle' })), 10_000);
  child.kill('SIGINT');
  child.kill('SIGTERM');
  expect(await ended).toEqual([1, null]);
  expect(messages.filter(({ type }) => type === 'result')).toEqual([]);
});

const interpreter = ['python3', 'python'].find((name) => spawnSync(name, ['-c', 'import torch']).status === 0);
if (interpreter === undefined) console.log('trial-process: SKIPPED, there is no Python with torch here: its end');

test.skipIf(interpreter === undefined)('its Python ends with it, however it ends', { timeout: 60_000 }, async () => {
  const nets = `
import os, torch
def make():
    with open(${JSON.stringify(file('pid.new'))}, "w") as note:
        note.write(str(os.getpid()))
    os.rename(${JSON.stringify(file('pid.new'))}, ${JSON.stringify(file('pid'))})
    return torch.nn.Flatten()
`;
  await writeFile(file('nets.py'), nets);
  const task = taskOf('latency', {
    network: fixture('classifier'),
    variant: baselineVariant('pytorch'),
    model: { id: 'm', make: { architecture: 'x', seed: 1, classes: 2 } },
    experiment: experiment({
      baselines: [{ framework: 'pytorch', python: interpreter as string, architectures: { m: 'nets:make' } }],
      latency: { batchSizes: [1], threads: [1], warmUp: 0, duration: 600, iterations: 1 },
    }),
  });
  const { child, ended } = start(task, { PYTHONPATH: folder });
  const python = Number(await vi.waitFor(() => readFile(file('pid'), 'utf8'), { timeout: 40_000, interval: 100 }));
  expect(isAlive(python)).toBe(true);
  child.kill('SIGKILL');
  await ended;
  await vi.waitFor(() => expect(isAlive(python)).toBe(false), { timeout: 10_000 });
});
