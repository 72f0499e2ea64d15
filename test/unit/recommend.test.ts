import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readResults } from '../../lib/characterize/read.js';
import type { Results } from '../../lib/characterize/results.js';
import { recommend } from '../../lib/characterize/summary/recommend.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import type { Limits, Recommendation } from '../../lib/characterize/summary.js';
import { shareOf } from '../../lib/statistics.js';
import { type SyntheticOptions, syntheticResults } from './results-support.js';
import { answersOf, latencies } from './summary-support.js';
import { cli, presisiRejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const SMALL = 'mobilenet_v3_small';
const LARGE = 'densenet201';

/** One network whose figures are round: ms, share of 100 pictures right, MB. */
interface Figures {
  readonly latency?: number;
  readonly right?: number;
  readonly energy?: number;
  readonly memory?: number;
}

function results(figures: Readonly<Record<string, Figures>> = {}, options: SyntheticOptions = {}): Results {
  const made = syntheticResults({ models: [LARGE], pictures: 100, repeats: 3, energy: 'board', ...options });
  for (const [ending, { latency, right, energy, memory }] of Object.entries(figures)) {
    for (const trial of latencies(made, ending)) {
      if (latency !== undefined && trial.latency) trial.latency.run.p50 = latency * (0.998 + trial.repeat / 1000);
      if (energy !== undefined && trial.latency) {
        trial.latency.energyPerSample = [{ scope: 'board', joules: energy, aboveIdle: energy }];
      }
      if (memory !== undefined && trial.resources?.memory) trial.resources.memory.peakRss = memory * 1e6;
    }
    if (right === undefined || options.seeded) continue;
    const answers = answersOf(made, ending);
    answers.predicted = answers.truth.map((answer, index) => (index < right ? answer : -1));
    Object.assign(answers.top1, shareOf(right, 100));
  }
  return made;
}

const FIGURES: Readonly<Record<string, Figures>> = {
  'cpu-fp32': { latency: 10, right: 93, energy: 1, memory: 300 },
  'cpu-fp16': { latency: 6, right: 92, energy: 0.5, memory: 200 },
  'cpu-int8-entropy-128': { latency: 4, right: 86, energy: 0.4, memory: 150 },
};
const choice = async (limits: Limits, from: Results = results(FIGURES)): Promise<string | undefined> =>
  (await recommend(from, limits)).best?.variant.id;
const ids = (variants: Recommendation['candidates']): string[] => variants.map(({ variant }) => variant.id);

describe('the rule', () => {
  test.each<[Limits, string | undefined]>([
    [{}, 'int8-entropy-128'],
    [{ accuracyDrop: 1 }, 'fp16'],
    [{ accuracyDrop: 7 }, 'int8-entropy-128'],
    [{ accuracyDrop: 6.99 }, 'fp16'],
    [{ accuracyDrop: 0 }, 'fp32'],
    [{ accuracy: 92 }, 'fp16'],
    [{ accuracy: 92.5 }, 'fp32'],
    [{ latency: 5, accuracy: 86 }, 'int8-entropy-128'],
    [{ latency: 5, accuracy: 90 }, undefined],
    [{ size: 40e6, accuracyDrop: 1 }, 'fp16'],
    [{ size: 30e6 }, 'int8-entropy-128'],
    [{ energy: 0.45 }, 'int8-entropy-128'],
    [{ energy: 0.45, accuracyDrop: 1 }, undefined],
    [{ memory: 200e6, accuracyDrop: 3 }, 'fp16'],
    [{ memory: 100e6 }, undefined],
  ])('%j: %s', async (limits, expected) => {
    expect(await choice(limits)).toBe(expected && `${LARGE}/cpu-${expected}`);
  });

  test('as fast within 2 % counts as equally fast, and the most accurate of them is first', async () => {
    const near = { ...FIGURES, 'cpu-int8-entropy-128': { latency: 5.9, right: 91 } };
    const found = await recommend(results(near), {});
    expect(ids(found.candidates).slice(0, 2)).toEqual([`${LARGE}/cpu-fp16`, `${LARGE}/cpu-int8-entropy-128`]);
    expect(found.why[0]).toContain('within 2 %');
    const clear = { ...FIGURES, 'cpu-int8-entropy-128': { latency: 5.85, right: 91 } };
    expect(await choice({}, results(clear))).toBe(`${LARGE}/cpu-int8-entropy-128`);
    const equal = { ...FIGURES, 'cpu-int8-entropy-128': { latency: 6, right: 92, energy: 0.6 } };
    expect(await choice({}, results(equal))).toBe(`${LARGE}/cpu-fp16`);
  });

  test('candidates are what no other beats among those that keep the limits, best first', async () => {
    const beaten = results({ ...FIGURES, 'cpu-fp32': { latency: 10, right: 91, energy: 1 } });
    expect(ids((await recommend(beaten, {})).candidates)).toEqual([
      `${LARGE}/cpu-int8-entropy-128`,
      `${LARGE}/cpu-fp16`,
    ]);
    // Without the one that beats it, it is one.
    for (const trial of latencies(beaten, 'cpu-fp16'))
      if (trial.resources?.memory) trial.resources.memory.peakRss = 4e8;
    expect(ids((await recommend(beaten, { memory: 300e6 })).candidates)).toEqual([
      `${LARGE}/cpu-int8-entropy-128`,
      `${LARGE}/cpu-fp32`,
    ]);
  });

  test('a baseline is never recommended, and where it is faster that is said', async () => {
    const from = results({ ...FIGURES, 'onnxruntime-fp32': { latency: 2, right: 93, energy: 0.1 } });
    const { best, candidates, why } = await recommend(from, {});
    expect(best?.variant.framework).toBe('presisi');
    expect(candidates.every(({ variant }) => variant.framework === 'presisi')).toBe(true);
    expect(why.join('\n')).toContain('It is slower than ONNX Runtime, by 100.0 %');
  });

  test('what is not known keeps no limit', async () => {
    const from = results(FIGURES, { energy: 'none', seeded: true });
    expect(await choice({ accuracy: 1 }, from)).toBeUndefined();
    expect(await choice({ accuracyDrop: 100 }, from)).toBeUndefined();
    const { closest } = await recommend(from, { accuracyDrop: 100 });
    expect(closest[0]?.misses).toEqual(['loss of top-1 is not known']);
  });

  test('each with the number of threads it is fastest with', async () => {
    const from = results(FIGURES, { threads: [1, 2] });
    for (const trial of latencies(from, 'cpu-fp16'))
      if (trial.threads === 2 && trial.latency) trial.latency.run.p50 = 1;
    const { best, why } = await recommend(from, {});
    expect(best?.variant.id).toBe(`${LARGE}/cpu-fp16`);
    expect(why[0]).toContain('1.00 ms at batch 1');
  });

  test('only the model asked for', async () => {
    const from = syntheticResults({ models: [SMALL, LARGE], repeats: 3 });
    expect(await choice({ model: LARGE }, from)).toMatch(new RegExp(`^${LARGE}/`));
    expect(await choice({}, from)).toMatch(new RegExp(`^${SMALL}/`));
  });

  test('the same results and limits give the same answer', async () => {
    const [a, b] = [results(FIGURES), results(FIGURES)];
    b.variants.reverse();
    b.trials.reverse();
    const answers = [a, b].map((from) => recommend(from, { accuracyDrop: 3 }));
    const [first, second] = await Promise.all(answers);
    expect(ids(second?.candidates ?? [])).toEqual(ids(first?.candidates ?? []));
    expect(second?.why).toEqual(first?.why);
  });
});

describe('why', () => {
  test('has the figures, the limits, and a warning where the interval passes a limit', async () => {
    const { why } = await recommend(results(FIGURES), { accuracyDrop: 1, latency: 8 });
    expect(why[0]).toBe(`${LARGE}, FP16 is the only variant that keeps the limits: 6.00 ms at batch 1, 37.1 MB.`);
    expect(why[1]).toBe('Its latency at batch 1 is 6.00 ms, the limit is 8.00 ms.');
    expect(why[2]).toMatch(
      /^Its loss of top-1 is 1\.00 points, the limit is 1\.00 points; its 95 % interval reaches \d/,
    );
  });

  test('names what is more accurate within the limits', async () => {
    const { why } = await recommend(results(FIGURES), { latency: 20 });
    expect(why.join('\n')).toContain(
      `More accurate within the limits: ${LARGE}, FP32, 93.0 % in place of 86.0 %, at 10.0 ms.`,
    );
  });

  test('says so where variants could not be weighed', async () => {
    const from = results(FIGURES);
    from.trials = from.trials.filter(({ kind, variant }) => !(kind === 'latency' && variant.endsWith('fp16')));
    expect((await recommend(from, {})).why.join('\n')).toContain('1 variant could not be weighed');
    from.trials = [];
    const { best, why, closest } = await recommend(from, {});
    expect(best).toBeUndefined();
    expect(closest).toEqual([]);
    expect(why[0]).toBe('No variant could be weighed.');
  });

  test('a summary recommends with a point of accuracy to lose', () => {
    expect(summarize(results(FIGURES)).recommendation.best?.variant.id).toBe(`${LARGE}/cpu-fp16`);
    const { 'cpu-int8-entropy-128': int8 = {} } = FIGURES;
    const alone = results({ 'int8-entropy-128': int8 }, { precisions: ['int8'] });
    expect(summarize(alone).recommendation.best?.variant.precision).toBe('int8');
  });
});

test('where none fits, the closest are those whose worst miss is least', async () => {
  const { closest, why } = await recommend(results(FIGURES), { latency: 5, accuracy: 95, size: 30e6 });
  expect(closest.map(({ variant }) => variant.label)).toEqual(['INT8, entropy of 128', 'FP16', 'FP32']);
  expect(closest[0]?.misses).toEqual(['top-1 86.00 %, the limit is 95.00 %, 9 % below it']);
  expect(closest[1]?.misses).toEqual([
    'latency at batch 1 6.00 ms, the limit is 5.00 ms, 20 % above it',
    'top-1 92.00 %, the limit is 95.00 %, 3 % below it',
    'engine file 37.1 MB, the limit is 30.0 MB, 24 % above it',
  ]);
  expect(why[0]).toBe(
    'No variant keeps every limit: latency at batch 1 at most 5.00 ms is kept by 1 of 3; ' +
      'top-1 at least 95.00 % is kept by 0 of 3; engine file at most 30.0 MB is kept by 1 of 3.',
  );
});

describe('errors', () => {
  test('wrong limits', async () => {
    const bad = (limits: object) =>
      presisiRejection(recommend(results(), limits as Limits), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect((await bad({ latency: -1 })).message).toBe(
      'Expected milliseconds, 0 or more for limits.latency but received -1 of type number',
    );
    expect((await bad({ accuracy: 101 })).message).toContain('between 0 and 100');
    expect((await bad({ speed: 1 })).message).toBe('limits has no option "speed"');
    expect((await bad({ model: 'resnet' })).hint).toBe(`its models are ${LARGE}`);
  });

  const write = async (name: string, content: string): Promise<string> => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };

  test('files that are no results', async () => {
    const read = (path: string) => presisiRejection(readResults(path), 'ERR_PRESISI_INVALID_RESULTS');
    const whole = JSON.stringify(results());
    expect((await read(await write('cut.json', whole.slice(0, 5000)))).message).toContain('are no JSON');
    expect((await read(await write('other.json', '{"schema": "other"}'))).message).toContain(
      'not what presisi characterize',
    );
    expect((await read(await write('null.json', 'null'))).message).toContain('not what presisi characterize');
    const newer = await read(await write('newer.json', JSON.stringify({ ...results(), version: 2 })));
    expect(newer.message).toContain('version 2 where this one reads 1');
    expect(newer.hint).toBe('update presisi');
    const damaged = results();
    Object.assign(damaged.trials[3] ?? {}, { repeat: 'two' });
    const error = await read(await write('damaged.json', JSON.stringify(damaged)));
    expect(error.message).toMatch(/damaged: results\.trials\[3\]\.repeat: /);
    await presisiRejection(readResults(join(folder, 'absent.json')), 'ERR_PRESISI_FILE_SYSTEM');
    await mkdir(join(folder, 'empty'));
    const empty = await presisiRejection(readResults(join(folder, 'empty')), 'ERR_PRESISI_FILE_SYSTEM');
    expect(empty.message).toContain('empty/results.json');
  });
});

describe('the command line', () => {
  const path = join(folder, 'results.json');
  beforeAll(() => writeFile(path, JSON.stringify(results(FIGURES))));

  test('says what to deploy, and as JSON what a scheduler needs', async () => {
    const text = await cli('recommend', folder, '--accuracy-drop', '1');
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toMatch(new RegExp(`^Deploy ${LARGE}/cpu-fp16\n`));
    const json = await cli('recommend', path, '--json', '--latency', '8', '--size', '40MB', '--model', LARGE);
    expect(json).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toMatchObject({
      best: {
        id: `${LARGE}/cpu-int8-entropy-128`,
        backend: 'cpu',
        precision: 'int8',
        calibration: { method: 'entropy', samples: 128 },
        threads: 0,
        latency: 4,
        accuracy: 86,
        accuracyDrop: 7,
        energy: 0.4,
        memory: 150e6,
      },
      candidates: [{ precision: 'int8' }, { precision: 'fp16' }],
      closest: [],
    });
  });

  test('ends with 3 where nothing fits, and still says what is closest', async () => {
    const text = await cli('recommend', path, '--memory', '100MB', '--energy', '0.1', '--accuracy', '90');
    expect(text).toMatchObject({ code: 3, stderr: '' });
    expect(text.stdout).toMatch(/No variant keeps every limit.*\n\nClosest:\n/);
    const json = await cli('recommend', path, '--memory', '1MiB', '--json');
    expect(json.code).toBe(3);
    expect(JSON.parse(json.stdout)).not.toHaveProperty('best');
    expect(JSON.parse(json.stdout).closest[0].misses).toHaveLength(1);
  });

  test.each([
    ['--size', '2XB'],
    ['--latency', '-1'],
    ['--accuracy', '101'],
    ['--memory', ''],
  ])('%s %s is a wrong command line', async (...wrong) => {
    expect((await cli('recommend', path, ...wrong)).code).toBe(2);
  });
});
