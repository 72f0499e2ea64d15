import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CompressTrial, Trial } from '../../lib/characterize/results.js';
import { type Behaviour, idsOf, newFolder, readResults, run, smallExperiment } from './characterize-support.js';
import { presisiRejection, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const experiment = await smallExperiment(folder);
const output = () => newFolder(folder);

const EVERY = [
  'compress/model/cpu-fp32/1',
  'compress/model/cpu-fp32/2',
  'compress/model/cpu-int8-entropy-3/1',
  'compress/model/cpu-int8-entropy-3/2',
  'idle/1',
  'latency/model/cpu-fp32/b1-t0/1',
  'latency/model/cpu-fp32/b1-t0/2',
  'latency/model/cpu-int8-entropy-3/b1-t0/1',
  'latency/model/cpu-int8-entropy-3/b1-t0/2',
  'latency/model/onnxruntime-fp32/b1-t0/1',
  'latency/model/onnxruntime-fp32/b1-t0/2',
];

const attempts = (trials: readonly Trial[], id: string) => trials.filter((trial) => trial.id === id);
const journal = async (path: string) =>
  (await readFile(path, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => line.split(' '));

describe('a whole experiment', () => {
  test('carries out every trial, each in a process of its own, one after the other', async () => {
    const to = await output();
    const notes = join(folder, 'journal-whole');
    const { results, events, warnings } = await run({ experiment, output: to }, { journal: notes });
    expect(warnings).toEqual([]);
    expect(await readResults(to)).toEqual(JSON.parse(JSON.stringify(results)));
    expect(results).toMatchObject({
      partial: false,
      planned: 11,
      name: 'experiment',
      device: { name: 'Device of paper' },
    });
    expect(results.sources).toEqual([{ name: 'rapl', available: false, reason: 'made up' }]);
    expect(idsOf(results.trials)).toEqual(EVERY);
    const lines = await journal(notes);
    expect(lines.map(([what]) => what)).toEqual(EVERY.flatMap(() => ['start', 'end']));
    expect(new Set(lines.map(([, pid]) => pid)).size).toBe(EVERY.length);
    // No lock, no note of a running process, nothing half done.
    expect((await readdir(to)).sort()).toEqual([
      'engines',
      'experiment.json',
      'originals',
      'results.json',
      'trials',
      'work',
    ]);
    expect(await readdir(join(to, 'work'))).toEqual([]);
    expect((await readdir(join(to, 'trials'))).length).toBe(EVERY.length);

    expect(events[0]).toMatchObject({ event: 'start', completed: 0, planned: 11, elapsed: expect.any(Number) });
    expect(events.filter(({ event }) => event === 'end').map(({ completed }) => completed)).toEqual(
      EVERY.map((_, index) => index + 1),
    );
    expect(events.find(({ event }) => event === 'step')).toMatchObject({
      trial: { id: 'idle/1', attempt: 1 },
      step: { phase: 'work', completed: 1, total: 2 },
    });
    expect(events.at(-1)).toMatchObject({ event: 'end', completed: 11, remaining: 0 });
  });

  test('latency of a repeat is measured on that repeat’s build; identical builds are one file', async () => {
    const to = await output();
    const notes = join(folder, 'journal-builds');
    const { results } = await run({ experiment, output: to }, { journal: notes });
    const built = (id: string) => (attempts(results.trials, id)[0] as CompressTrial).compress?.engineSha256;
    expect(built('compress/model/cpu-fp32/1')).toBe(built('compress/model/cpu-fp32/2'));
    expect(built('compress/model/cpu-int8-entropy-3/1')).not.toBe(built('compress/model/cpu-int8-entropy-3/2'));
    expect(await readdir(join(to, 'engines'))).toHaveLength(3);
    const networks = new Map(
      (await journal(notes)).flatMap(([what, , name, network]) => (what === 'start' ? [[name, network]] : [])),
    );
    for (const repeat of [1, 2]) {
      const sha256 = built(`compress/model/cpu-int8-entropy-3/${repeat}`);
      const id = `latency/model/cpu-int8-entropy-3/b1-t0/${repeat}`;
      expect(networks.get(`${id}~1`)).toBe(join(to, 'engines', `${sha256}.engine`));
      expect(attempts(results.trials, id)).toMatchObject([{ latency: { build: repeat } }]);
    }
    expect(networks.get('latency/model/onnxruntime-fp32/b1-t0/1~1')).toBe(join(folder, 'model.onnx'));
  });

  test('the original of what is no ONNX file is exported once, or its baseline is skipped with the reason', async () => {
    const checkpoint = join(folder, 'checkpoint.pth');
    await writeFile(checkpoint, 'weights');
    const models = [{ path: checkpoint }, { make: 'densenet201', id: 'seeded' }];
    const to = await output();
    const { results } = await run({ experiment: { ...experiment, models }, output: to }, {}, { noOriginal: 'seeded' });
    expect(await readdir(join(to, 'originals'))).toEqual(['checkpoint.onnx']);
    const baseline = (id: string) => attempts(results.trials, `latency/${id}/onnxruntime-fp32/b1-t0/1`);
    expect(baseline('checkpoint')).toMatchObject([{ latency: {} }]);
    expect(baseline('seeded')).toMatchObject([
      {
        error: {
          code: 'TRIAL_SKIPPED',
          message: "the original network can't be written as ONNX: no such operator",
        },
      },
    ]);
    expect(results.partial).toBe(true);
  });
});

describe('what goes wrong with a trial', () => {
  const outcome = async (behaviour: Behaviour, changes: Partial<typeof experiment> = {}) =>
    (await run({ experiment: { ...experiment, ...changes }, output: await output() }, behaviour)).results;

  test('a disturbed one is repeated, after the others of its stage; all attempts are kept', async () => {
    const notes = join(folder, 'journal-flags');
    const retried = 'compress/model/cpu-fp32/1';
    const hopeless = 'latency/model/cpu-fp32/b1-t0/1';
    const { trials, partial } = await outcome(
      { flag: `${retried}~1|${hopeless}~`, journal: notes },
      {
        disturbance: { retries: 2 },
      },
    );
    expect(partial).toBe(false);
    expect(attempts(trials, retried).map(({ attempt, flags }) => [attempt, flags.length])).toEqual([
      [1, 1],
      [2, 0],
    ]);
    expect(attempts(trials, hopeless).map(({ attempt, flags }) => [attempt, flags.length])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ]);
    const order = (await journal(notes)).filter(([what]) => what === 'start').map(([, , name]) => name as string);
    expect(order.slice(1, 6).every((name) => name.startsWith('compress/'))).toBe(true);
    expect(order[5]).toBe(`${retried}~2`);
    expect(order.slice(-2)).toEqual([`${hopeless}~2`, `${hopeless}~3`]);
  });

  test('a failed one is kept with its error, and what needs it is skipped with the reason', async () => {
    const failed = 'compress/model/cpu-int8-entropy-3/2';
    const accuracy = { data: join(folder, 'pictures') };
    const { trials, partial } = await outcome({ fail: failed }, { accuracy });
    expect(partial).toBe(true);
    expect(attempts(trials, failed)).toMatchObject([{ attempt: 1, error: { message: 'no luck' } }]);
    expect(attempts(trials, 'latency/model/cpu-int8-entropy-3/b1-t0/2')).toMatchObject([
      { error: { code: 'TRIAL_SKIPPED', message: `there is no engine: ${failed} failed` } },
    ]);
    // The other build did well, and accuracy is the same for all.
    expect(attempts(trials, 'latency/model/cpu-int8-entropy-3/b1-t0/1')).toMatchObject([{ latency: {} }]);
    expect(attempts(trials, 'accuracy/model/cpu-int8-entropy-3/1')).toMatchObject([{ accuracy: { classes: 2 } }]);
  });

  test('accuracy is measured on the first build there is', async () => {
    const accuracy = { data: join(folder, 'pictures') };
    const first = 'compress/model/cpu-int8-entropy-3/1';
    const { trials } = await outcome({ fail: first }, { accuracy });
    expect(attempts(trials, 'accuracy/model/cpu-int8-entropy-3/1')).toMatchObject([{ accuracy: { classes: 2 } }]);
    const neither = await outcome({ fail: 'compress/model/cpu-int8' }, { accuracy });
    expect(attempts(neither.trials, 'accuracy/model/cpu-int8-entropy-3/1')).toMatchObject([
      { error: { message: 'there is no engine: every compress/model/cpu-int8-entropy-3 failed' } },
    ]);
  });

  test('a crash, and a result that is none', async () => {
    const { trials } = await outcome({ crash: 'fp32/b1-t0/1', nonsense: 'compress/model/cpu-int8-entropy-3/1' });
    const [crashed] = attempts(trials, 'latency/model/cpu-fp32/b1-t0/1');
    expect(crashed?.error).toMatchObject({
      code: 'TRIAL_CRASHED',
      message: expect.stringMatching(/SIGABRT.*out of luck/s),
    });
    const [nonsense] = attempts(trials, 'compress/model/cpu-int8-entropy-3/1');
    expect(nonsense?.error).toMatchObject({ code: 'TRIAL_INVALID', hint: expect.stringContaining('report') });
  });
});

describe('going on', () => {
  test('a folder with an experiment is not touched unless that is asked for', async () => {
    const to = await output();
    await run({ experiment, output: to });
    const before = await stat(join(to, 'results.json'));
    const error = await presisiRejection(run({ experiment, output: to }), 'ERR_PRESISI_INVALID_EXPERIMENT');
    expect(error.message).toContain('holds an experiment already');
    expect(error.hint).toContain('--resume');
    expect((await stat(join(to, 'results.json'))).mtimeMs).toBe(before.mtimeMs);
    await presisiRejection(run({ experiment, output: folder }), 'ERR_PRESISI_INVALID_EXPERIMENT');
    await presisiRejection(run({ output: await output(), resume: true }), 'ERR_PRESISI_INVALID_EXPERIMENT');
  });

  test('with what is complete changes nothing, with or without naming the experiment', async () => {
    const to = await output();
    const first = await run({ experiment, output: to });
    const again = await run({ experiment, output: to, resume: true });
    const unnamed = await run({ output: to, resume: true });
    expect(again.results).toEqual(first.results);
    expect(unnamed.results).toEqual(first.results);
    expect(unnamed.events.map(({ event }) => event)).toEqual(['start']);
  });

  test('carries out what is missing, and removes what is half written', async () => {
    const to = await output();
    const notes = join(folder, 'journal-missing');
    const first = await run({ experiment, output: to });
    const trials = join(to, 'trials');
    await rm(join(trials, 'idle+1~1.json'));
    await writeFile(join(trials, 'latency+model+cpu-fp32+b1-t0+1~1.json'), '{"kind":');
    await writeFile(join(trials, '.compress+model+cpu-fp32+1~2.json.1.tmp'), '{');
    await writeFile(join(to, 'work', 'built.engine'), 'half');
    await writeFile(join(to, 'engines', 'nobody.engine'), 'x');
    const { results, warnings } = await run({ experiment, output: to, resume: true }, { journal: notes });
    expect(warnings).toEqual([expect.stringMatching(/fp32\+b1-t0\+1~1\.json was damaged/)]);
    expect((await journal(notes)).map(([, , name]) => name)).toEqual([
      ...['idle/1~1', 'idle/1~1', 'latency/model/cpu-fp32/b1-t0/1~1', 'latency/model/cpu-fp32/b1-t0/1~1'],
    ]);
    expect(idsOf(results.trials)).toEqual(EVERY);
    expect(results.started).toBe(first.results.started);
    expect((await readdir(trials)).filter((name) => !name.endsWith('.json'))).toEqual([]);
    expect(await readdir(join(to, 'engines'))).toHaveLength(3);
  });

  test('an engine that is gone is built again where it is needed', async () => {
    const to = await output();
    await run({ experiment, output: to });
    const remove = 'latency+model+cpu-int8-entropy-3+b1-t0+2~1.json';
    await rm(join(to, 'trials', remove));
    await rm(join(to, 'engines'), { recursive: true });
    const { results } = await run({ experiment, output: to, resume: true });
    expect(results.partial).toBe(false);
    expect(attempts(results.trials, 'compress/model/cpu-int8-entropy-3/2').map(({ attempt }) => attempt)).toEqual([
      1, 2,
    ]);
    expect(attempts(results.trials, 'compress/model/cpu-int8-entropy-3/1')).toHaveLength(1);
    expect(await readdir(join(to, 'trials'))).toContain(remove);
  });

  test('failed trials are tried again when that is asked for', async () => {
    const to = await output();
    const failed = 'compress/model/cpu-int8-entropy-3/2';
    await run({ experiment, output: to }, { fail: failed });
    const kept = await run({ experiment, output: to, resume: true });
    expect(kept.results.partial).toBe(true);
    const { results } = await run({ experiment, output: to, resume: true, retryFailed: true });
    expect(results.partial).toBe(false);
    expect(attempts(results.trials, failed).map(({ error }) => error === undefined)).toEqual([false, true]);
    expect(attempts(results.trials, 'latency/model/cpu-int8-entropy-3/b1-t0/2')).toMatchObject([
      { attempt: 1, error: { code: 'TRIAL_SKIPPED' } },
      { attempt: 2, latency: {} },
    ]);
  });

  test('results are never mixed: what changed is listed', async () => {
    const to = await output();
    await run({ experiment, output: to });
    const error = await presisiRejection(
      run(
        { experiment: { ...experiment, repeats: 3 }, output: to, resume: true },
        {},
        {
          environment: { node: 'v22.0.0' },
          device: { name: 'Device of stone' },
        },
      ),
      'ERR_PRESISI_INVALID_EXPERIMENT',
    );
    expect(error.message).toContain('- device.name: Device of paper then, Device of stone now');
    expect(error.message).toContain('- environment.node: v20.0.0 then, v22.0.0 now');
    expect(error.message).toContain('- experiment.repeats: 2 then, 3 now');
    const other = await smallExperiment(folder);
    await writeFile(join(folder, 'model.onnx'), 'another model');
    await writeFile(join(folder, 'pictures', 'one', '1.png'), await readFile(join(folder, 'pictures', 'one', '2.png')));
    const changed = await presisiRejection(run({ output: to, resume: true }), 'ERR_PRESISI_INVALID_EXPERIMENT');
    expect(changed.message).toMatch(
      /- models\.model\.sha256: \w{64} then, \w{64} now\n {2}- data\.calibration\.sha256/,
    );
    await smallExperiment(folder);
    expect((await run({ experiment: other, output: to, resume: true })).results.partial).toBe(false);
  });
});

describe('stopping', () => {
  test('a signal ends the running trial; what is done is there as partial results, and can be gone on with', async () => {
    const to = await output();
    const stop = new AbortController();
    const reason = new Error('enough');
    const whole = await run({ experiment, output: await output() });
    const fourth = whole.events.filter(({ event }) => event === 'trial')[3]?.trial?.id;
    const stopping = run(
      {
        experiment,
        output: to,
        signal: stop.signal,
        onProgress: ({ event, trial }) => {
          if (event === 'step' && trial?.id === fourth) stop.abort(reason);
        },
      },
      { hang: `${fourth}~` },
    );
    expect(await rejection(stopping)).toBe(reason);
    const partial = await readResults(to);
    expect(partial).toMatchObject({ partial: true, planned: 11 });
    expect(partial.trials).toHaveLength(3);
    expect((await readdir(to)).filter((name) => /lock|running/.test(name))).toEqual([]);
    const { results } = await run({ output: to, resume: true });
    expect(idsOf(results.trials)).toEqual(EVERY);
    expect(results.partial).toBe(false);
  });
});
