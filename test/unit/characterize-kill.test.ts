import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { ExperimentOptions } from '../../lib/characterize/experiment.js';
import { type Behaviour, idsOf, newFolder, readResults, run, smallExperiment } from './characterize-support.js';
import { ROOT, sleep, temporaryFolder } from './support.js';

const KILLS = 50;

const folder = await temporaryFolder();
const RUN = join(ROOT, 'test', 'fixtures', 'characterize', 'run.mjs');

/** Numbers between 0 and 1 from a seed, so that a failure can be looked into: Lehmer's generator. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

interface Started {
  kill(): Promise<void>;
  readonly ended: Promise<number | null>;
}

function start(experiment: ExperimentOptions, output: string, behaviour: Behaviour): Started {
  const child = spawn(process.execPath, [RUN, JSON.stringify({ experiment, output })], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, PRESISI_FAKE_TRIALS: JSON.stringify(behaviour) },
  });
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return {
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const trialsStarted = async (journal: string): Promise<number> =>
  (await readFile(journal, 'utf8').catch(() => '')).split('\n').filter((line) => line.startsWith('start')).length;

/** Some moment: while the runner starts, or around a trial or two. */
async function someMoment(random: () => number, journal: string, ended: Promise<unknown>): Promise<void> {
  if (random() < 0.2) return sleep(random() * 600);
  const target = (await trialsStarted(journal)) + 1 + Math.floor(random() * 2);
  const over = ended.then(() => true);
  while ((await trialsStarted(journal)) < target) {
    if (await Promise.race([over, sleep(5)])) return;
  }
  return sleep(random() * 120);
}

test(`killed at ${KILLS} random moments, experiments end with the trials of undisturbed ones`, async () => {
  const random = randomFrom(20240917);
  // Which trials are disturbed and fail is part of an experiment's outcome, too.
  const behaviour = { flag: 'fp32/.*/1~1$', fail: 'compress/model/cpu-int8-entropy-3/2' };
  const experiment = await smallExperiment(folder);
  const undisturbed = await run({ experiment, output: await newFolder(folder) }, behaviour);
  const expected = idsOf(undisturbed.results.trials);
  let killed = 0;
  let experiments = 0;
  for (; killed < KILLS; experiments += 1) {
    const output = await newFolder(folder);
    const journal = `${output}.journal`;
    const watched = { ...behaviour, journal };
    for (;;) {
      const runner = start(experiment, output, watched);
      await someMoment(random, journal, runner.ended);
      await runner.kill();
      // A kill that comes after the end shows nothing.
      if ((await readdir(output)).includes('results.json')) break;
      killed += 1;
    }
    expect(await start(experiment, output, watched).ended).toBe(0);

    const results = await readResults(output);
    expect(idsOf(results.trials)).toEqual(expected);
    expect(results).toMatchObject({ planned: undisturbed.results.planned, partial: true });
    for (const id of expected) {
      const shape = (trials: typeof results.trials) =>
        trials
          .filter((trial) => trial.id === id)
          .map(({ attempt, flags, error }) => [attempt, flags.length, error?.code]);
      expect(shape(results.trials)).toEqual(shape(undisturbed.results.trials));
    }
    for (const trial of results.trials) {
      if (trial.kind !== 'compress' || !trial.compress) continue;
      const { size } = await stat(join(output, 'engines', `${trial.compress.engineSha256}.engine`));
      expect(size).toBe(trial.compress.engineBytes);
    }
    const left = (await readdir(output, { recursive: true })).filter((name) => /lock|running|tmp|work\//.test(name));
    expect(left).toEqual([]);
  }
  expect(experiments).toBeGreaterThan(2);
}, 300_000);

test('a trial that outlives its runner is ended by the next one, before anything else runs', async () => {
  const output = await newFolder(folder);
  const journal = `${output}.journal`;
  const experiment = await smallExperiment(folder);
  const runner = start(experiment, output, { hang: '.', stubborn: true, journal });
  while ((await trialsStarted(journal)) === 0) await sleep(5);
  const pid = Number((await readFile(journal, 'utf8')).split(' ')[1]);
  await runner.kill();
  // A zombie has ended; it only waits for somebody to notice.
  const isAlive = (): boolean =>
    existsSync(`/proc/${pid}/stat`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z');
  expect(isAlive()).toBe(true);
  let aliveAtStart: boolean | undefined;
  const { results } = await run({
    output,
    resume: true,
    onProgress: ({ event }) => {
      if (event === 'trial') aliveAtStart ??= isAlive();
    },
  });
  expect({ aliveAtStart, alive: isAlive() }).toEqual({ aliveAtStart: false, alive: false });
  expect(results.partial).toBe(false);
});
