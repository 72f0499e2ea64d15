import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { identityOfProcess, isRunning, lockFolder } from '../../lib/characterize/run/lock.js';
import { endOrphan, runInProcess } from '../../lib/characterize/run/process.js';
import type { TrialTask } from '../../lib/characterize/task.js';
import { type Behaviour, FAKE_TRIAL, newFolder, run, smallExperiment } from './characterize-support.js';
import { presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

const task = {
  id: 'idle/1',
  kind: 'idle',
  variant: { id: 'idle', model: '', framework: 'presisi', frameworkVersion: '', precision: 'fp32' },
  repeat: 1,
  attempt: 1,
} as unknown as TrialTask;

const note = join(folder, 'running.json');

function start(behaviour: Behaviour, limit = 60, signal = new AbortController().signal) {
  process.env.PRESISI_FAKE_TRIALS = JSON.stringify(behaviour);
  let began = (): void => {};
  const working = new Promise<void>((resolve) => {
    began = resolve;
  });
  return {
    outcome: runInProcess(task, { entry: FAKE_TRIAL, limit, signal, note, onProgress: () => began() }),
    working,
  };
}

const noted = async () => JSON.parse(await readFile(note, 'utf8'));

describe('the process of a trial', () => {
  test('gives its result and has ended then', async () => {
    const { outcome, working } = start({ milliseconds: 100 });
    await working;
    const identity = await noted();
    expect(await isRunning(identity)).toBe(true);
    expect(await outcome).toMatchObject({ trial: { id: 'idle/1', resources: { seconds: 3 } } });
    expect(await isRunning(identity)).toBe(false);
    await expect(access(note)).rejects.toThrow('ENOENT');
  });

  test('is ended when it hangs, even where it wants to stay', async () => {
    const { outcome, working } = start({ hang: 'idle', stubborn: true }, 1);
    await working;
    const identity = await noted();
    expect(await outcome).toMatchObject({
      failure: { code: 'TRIAL_TIMEOUT', message: 'idle/1 had no result after 1 s and was ended' },
    });
    expect(await isRunning(identity)).toBe(false);
  });

  test('is ended when the caller stops', async () => {
    const stop = new AbortController();
    const { outcome, working } = start({ hang: 'idle', stubborn: true }, 60, stop.signal);
    await working;
    const identity = await noted();
    const reason = new Error('stop');
    stop.abort(reason);
    expect(await rejection(outcome)).toBe(reason);
    expect(await isRunning(identity)).toBe(false);
  });

  test('a result of another trial is none', async () => {
    process.env.PRESISI_FAKE_TRIALS = '{}';
    const options = { entry: FAKE_TRIAL, limit: 60, signal: new AbortController().signal, note, onProgress: () => {} };
    const wrong = join(folder, 'wrong.mjs');
    await writeFile(wrong, (await readFile(FAKE_TRIAL, 'utf8')).replace('id: task.id', "id: 'idle/2'"));
    expect(await runInProcess(task, { ...options, entry: wrong })).toMatchObject({
      failure: { code: 'TRIAL_INVALID', message: expect.stringContaining('it is of idle/2, attempt 1') },
    });
    expect(await runInProcess(task, { ...options, entry: join(folder, 'absent.mjs') })).toMatchObject({
      failure: { code: 'TRIAL_CRASHED', message: expect.stringMatching(/exit code 1 .*Cannot find module/s) },
    });
  });

  test('one that outlived its runner is ended before anything else runs', async () => {
    const orphan = fork(FAKE_TRIAL, [], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, PRESISI_FAKE_TRIALS: '{"stubborn":true}' },
    } as Parameters<typeof fork>[2]);
    children.push(orphan);
    const ended = once(orphan, 'exit');
    await writeFile(note, JSON.stringify(await identityOfProcess(orphan.pid as number)));
    await endOrphan(note);
    expect(await ended).toEqual([null, 'SIGKILL']);
    // The note of another process that happens to have the number of one that is gone harms nobody.
    await writeFile(note, JSON.stringify({ ...(await identityOfProcess(process.pid)), start: '1' }));
    await endOrphan(note);
    await expect(access(note)).rejects.toThrow('ENOENT');
  });
});

describe('a folder', () => {
  const holder = (changes: object) =>
    JSON.stringify({ host: hostname(), boot: 'b', pid: process.pid, start: '1', ...changes });

  test('is held by one, and free again after', async () => {
    const to = await newFolder(folder);
    const lock = await lockFolder(to);
    const error = await presisiRejection(lockFolder(to), 'ERR_PRESISI_INVALID_EXPERIMENT');
    expect(error.message).toBe(`${to} is in use by process ${process.pid}`);
    expect(await readdir(to)).toEqual(['lock.1']);
    await lock.release();
    expect(await readdir(to)).toEqual([]);
    await (await lockFolder(to)).release();
  });

  test.each([
    ['a process that is gone', async () => holder({ pid: 2 ** 22 + 1 })],
    ['another process of the same number', async () => holder({ boot: (await identityOfProcess(1)).boot })],
    [
      'a machine that was restarted since',
      async () => JSON.stringify({ host: hostname(), ...(await own()), boot: 'b' }),
    ],
    ['nobody, cut off by a loss of power', async () => ''],
  ])('held by %s is taken over', async (_, content) => {
    const to = await newFolder(folder);
    await writeFile(join(to, 'lock.7'), await content());
    const lock = await lockFolder(to);
    expect(await readdir(to)).toEqual(['lock.8']);
    await lock.release();
  });
  const own = () => identityOfProcess(process.pid);

  test('what processes left that were killed while they took it is removed, what others are about to use is not', async () => {
    const to = await newFolder(folder);
    const dead = 2 ** 22 + 1;
    await writeFile(join(to, `.lock.${dead}.tmp`), holder({ pid: dead }));
    await writeFile(join(to, `.lock.${dead + 1}.tmp`), '');
    const living = [`.lock.${process.ppid}.tmp`, `.lock.${dead + 2}.tmp`, `.lock.${dead + 3}.tmp`];
    await writeFile(join(to, living[0] as string), '');
    await writeFile(join(to, living[1] as string), JSON.stringify({ host: hostname(), ...(await own()) }));
    await writeFile(join(to, living[2] as string), holder({ host: 'elsewhere' }));
    const lock = await lockFolder(to);
    expect((await readdir(to)).sort()).toEqual([...living, 'lock.1'].sort());
    await lock.release();
  });

  test('held by another computer is not', async () => {
    const to = await newFolder(folder);
    await writeFile(join(to, 'lock.1'), holder({ host: 'elsewhere' }));
    const error = await presisiRejection(lockFolder(to), 'ERR_PRESISI_INVALID_EXPERIMENT');
    expect(error.hint).toContain(join(to, 'lock.1'));
  });

  test('is held by exactly one of many who want it at once, dead holder or not', async () => {
    for (const stale of [false, true]) {
      const to = await newFolder(folder);
      if (stale) await writeFile(join(to, 'lock.3'), holder({ pid: 2 ** 22 + 1 }));
      const module = JSON.stringify(join(ROOT, 'dist', 'characterize', 'run', 'lock.js'));
      const script = `const { lockFolder } = await import(${module});
        process.stdin.resume();
        try { await lockFolder(${JSON.stringify(to)}); process.stdout.write('held'); } catch (e) { process.stdout.write(e.code ?? String(e)); }`;
      const rivals = Array.from({ length: 5 }, () => spawn(process.execPath, ['--input-type=module', '-e', script]));
      children.push(...rivals);
      const said = await Promise.all(rivals.map(async ({ stdout }) => String((await once(stdout, 'data'))[0])));
      for (const rival of rivals) rival.stdin.end();
      expect(said.sort()).toEqual([...Array(4).fill('ERR_PRESISI_INVALID_EXPERIMENT'), 'held']);
    }
  });

  test('in use by a runner is refused to a second one, which leaves it alone', async () => {
    const to = await newFolder(folder);
    const experiment = await smallExperiment(folder);
    const stop = new AbortController();
    let second: Promise<Error> | undefined;
    const first = run(
      {
        experiment,
        output: to,
        signal: stop.signal,
        onProgress: ({ event }) => {
          if (event !== 'step' || second) return;
          second = rejection(run({ experiment, output: to, resume: true }));
          second.finally(() => stop.abort(new Error('seen'))).catch(() => {});
        },
      },
      { hang: 'idle' },
    );
    expect(await rejection(first)).toMatchObject({ message: 'seen' });
    expect(await second).toMatchObject({
      code: 'ERR_PRESISI_INVALID_EXPERIMENT',
      message: expect.stringContaining('in use'),
    });
  });
});
