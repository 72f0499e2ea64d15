import { describe, expect, test } from 'vitest';
import { Durations } from '../../lib/characterize/experiment/durations.js';
import { type PlannedTrial, planOf, shuffle, variantsOf } from '../../lib/characterize/experiment/plan.js';
import { checkSupplies, needsOf } from '../../lib/characterize/experiment/preflight.js';
import type { Experiment } from '../../lib/characterize/experiment.js';
import type { Environment, Trial } from '../../lib/characterize/results.js';
import { assembleResults } from '../../lib/characterize/run/assemble.js';
import { Attempts } from '../../lib/characterize/run/attempts.js';
import { failedTrial } from '../../lib/characterize/run/failed.js';
import { differences, type ExperimentRecord } from '../../lib/characterize/run/record.js';
import { PresisiError } from '../../lib/index.js';

const environment: Environment = {
  presisi: '0.1.0',
  node: 'v20.0.0',
  os: 'PaperOS',
  kernel: '6.1',
  backends: { cpu: '1' },
  frameworks: { onnxruntime: '1.30.0', pytorch: '2.13.0' },
};

const experiment: Experiment = {
  name: 'x',
  models: [
    { id: 'a', path: '/a.onnx' },
    { id: 'b', make: { architecture: 'densenet201', seed: 1, classes: 10 } },
  ],
  backends: ['cpu'],
  precisions: ['fp32', 'int8'],
  calibration: { data: '/data', methods: ['entropy', 'mse'], samples: [64, 128], implicit: false },
  accuracy: { data: '/test' },
  latency: { batchSizes: [1, 8], threads: [0, 1], warmUp: 200, duration: 1, iterations: 10 },
  baselines: [{ framework: 'onnxruntime' }, { framework: 'pytorch', architectures: { a: 'torchvision:resnet18' } }],
  repeats: 2,
  coolDown: 1,
  idle: 3,
  seed: 1,
  telemetry: { rate: 100 },
  disturbance: { clock: 0.05, foreignLoad: 0.1, steal: 0.1, retries: 1 },
};
const models = [
  { id: 'a', source: 'a.onnx', sha256: '1', bytes: 10e6, macs: 1e9, seeded: false },
  { id: 'b', source: 'seed 1', sha256: '2', bytes: 20e6, macs: 2e9, seeded: true },
];
const variants = variantsOf(experiment, environment, () => true);
const plan = planOf(experiment, variants);
const ids = (trials: readonly PlannedTrial[]) => trials.map(({ id }) => id);
const find = (id: string) => plan.stages.flat().find((trial) => trial.id === id) as PlannedTrial;

describe('plan', () => {
  test('variants: by model, baselines first', () => {
    expect(variants.map(({ id }) => id)).toEqual([
      ...['a/onnxruntime-fp32', 'a/pytorch-fp32', 'a/cpu-fp32'],
      ...['a/cpu-int8-entropy-64', 'a/cpu-int8-entropy-128', 'a/cpu-int8-mse-64', 'a/cpu-int8-mse-128'],
      ...['b/onnxruntime-fp32', 'b/cpu-fp32'],
      ...['b/cpu-int8-entropy-64', 'b/cpu-int8-entropy-128', 'b/cpu-int8-mse-64', 'b/cpu-int8-mse-128'],
    ]);
    expect(variants[1]).toMatchObject({ framework: 'pytorch', frameworkVersion: '2.13.0', precision: 'fp32' });
    expect(variants[3]).toMatchObject({ backend: 'cpu', calibration: { method: 'entropy', samples: 64 } });
    expect(variantsOf(experiment, environment, (_, precision) => precision === 'fp32')).toHaveLength(5);
  });

  test('the idle device, then compressing, then everything that runs what was compressed', () => {
    expect(plan.stages.map((stage) => [...new Set(stage.map(({ kind }) => kind))].sort())).toEqual([
      ['idle'],
      ['compress'],
      ['accuracy', 'latency'],
    ]);
    expect(plan.stages.map((stage) => stage.length)).toEqual([1, 10 * 2, 7 + 13 * 2 * 2 * 2]);
    const all = ids(plan.stages.flat());
    expect(new Set(all).size).toBe(all.length);
    expect(all).toContain('compress/a/cpu-int8-entropy-64/2');
    expect(all).toContain('accuracy/a/onnxruntime-fp32/1');
    expect(all).toContain('latency/b/cpu-fp32/b8-t1/2');
  });

  test('random weights have no accuracy', () => {
    expect(ids(plan.stages.flat()).filter((id) => id.startsWith('accuracy/b/'))).toEqual([]);
    const { accuracy, ...without } = experiment;
    expect(ids(planOf(without, variants).stages.flat()).filter((id) => id.startsWith('accuracy'))).toEqual([]);
  });

  test('the order follows from the seed', () => {
    const again = planOf({ ...experiment }, variants);
    const other = planOf({ ...experiment, seed: 2 }, variants);
    expect(again).toEqual(plan);
    expect(ids(other.stages[2] ?? [])).not.toEqual(ids(plan.stages[2] ?? []));
    expect(ids(other.stages[2] ?? []).sort()).toEqual(ids(plan.stages[2] ?? []).sort());
  });

  test('every trial has about the same chance of every place', () => {
    const trials = ['p', 'q', 'r'].map((id) => ({ ...find('idle/1'), id }));
    const orders = new Map<string, number>();
    for (let seed = 0; seed < 600; seed += 1) {
      const order = ids(shuffle(trials, seed)).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect([...orders.keys()].sort()).toEqual(['pqr', 'prq', 'qpr', 'qrp', 'rpq', 'rqp']);
    // 100 expected; beyond 4.5 standard deviations something is wrong. The seeds are fixed, so is the outcome.
    for (const count of orders.values()) expect(Math.abs(count - 100)).toBeLessThan(41);
  });
});

const attempt = (id: string, number: number, changes: Partial<Trial> = {}): Trial =>
  ({
    ...failedTrial(find(id), number, new Date('2026-01-01T00:00:00Z'), { code: '', message: '' }),
    error: undefined,
    ...changes,
  }) as Trial;
const disturbed = { flags: [{ kind: 'steal', detail: '', value: 1, limit: 0 } as const] };

describe('durations', () => {
  const make = () => new Durations({ experiment, models, pictures: 100 });
  const [first, second] = [find('compress/a/cpu-fp32/1'), find('compress/a/cpu-fp32/2')];

  test('trials are expected to take what their like took, and their rest', () => {
    const durations = make();
    durations.add(first, attempt(first.id, 1, { seconds: 42 }));
    expect(durations.expected(second)).toBe(43);
    expect(durations.limit(second)).toBe(840);
  });

  test('guesses are scaled by what others took', () => {
    const durations = make();
    const other = find('latency/b/cpu-fp32/b1-t0/1');
    const before = durations.expected(other) - experiment.coolDown;
    const guess = durations.expected(first) - experiment.coolDown;
    durations.add(first, attempt(first.id, 1, { seconds: 3 * guess }));
    expect(durations.expected(other) - experiment.coolDown).toBeCloseTo(3 * before);
  });

  test('a failed trial teaches nothing, and a first one has an hour', () => {
    const durations = make();
    const before = durations.expected(second);
    durations.add(first, attempt(first.id, 1, { seconds: 1000, error: { code: 'X', message: 'x' } }));
    expect(durations.expected(second)).toBe(before);
    expect(durations.limit(second)).toBe(3600);
  });
});

describe('preflight', () => {
  const pending = plan.stages.flat();
  const needs = needsOf(pending, models, new Durations({ experiment, models, pictures: 100 }));
  const plenty = { disk: 1e12, memory: 1e12, time: 1e9 };
  const refusal = (supplies: Parameters<typeof checkSupplies>[1]) => {
    try {
      checkSupplies(needs, supplies);
    } catch (error) {
      if (error instanceof PresisiError && error.code === 'ERR_PRESISI_INVALID_EXPERIMENT') return error.message;
      throw error;
    }
    return undefined;
  };

  test('adds up what the experiment itself says', () => {
    const resting = pending.length * experiment.coolDown;
    expect(needs.leastSeconds).toBeCloseTo(resting + 3 + 13 * 2 * 2 * 2 * 1.2);
    expect(needs.seconds).toBeGreaterThan(needs.leastSeconds);
    // Two repeats: everything twice, or once where builds are repeatable; the originals once.
    const engines = 30e6 * (1.1 + 4 * 0.4);
    expect(needs.disk).toBeCloseTo(30e6 + pending.length * 200e3 + 2 * engines);
    expect(needs.leastDisk).toBeCloseTo(30e6 + pending.length * 200e3 + engines);
  });

  test('enough is enough', () => {
    expect(checkSupplies(needs, plenty)).toEqual([]);
    expect(checkSupplies(needs, { disk: 1e12 })).toEqual([]);
  });

  test.each([
    ['disk', needs.leastDisk, needs.disk, /needs \d+ MB of disk and there are \d+ MB/, /^disk is tight/],
    ['memory', needs.leastMemory, needs.memory, /needs \d+ MB of memory and there are/, /^memory is tight/],
    ['time', needs.leastSeconds, needs.seconds, /measuring alone takes [\d.]+ minutes/, /^time is tight/],
  ] as const)('%s: clearly too little is refused, little is said', (what, least, comfortable, refused, tight) => {
    expect(refusal({ ...plenty, [what]: least - 1 })).toMatch(refused);
    const warnings = checkSupplies(needs, { ...plenty, [what]: (least + comfortable) / 2 });
    expect(warnings).toEqual([expect.stringMatching(tight)]);
  });
});

const record: ExperimentRecord = {
  schema: 'presisi-experiment',
  version: 1,
  started: '2026-01-01T00:00:00.000Z',
  device: { name: 'paper', cpu: 'paper', cores: 2, memory: 8e9 },
  environment,
  experiment,
  models,
  data: { calibration: { pictures: 3, sha256: 'c' } },
};

describe('what keeps an experiment from going on', () => {
  test('where things lie does not', () => {
    const [a, b] = experiment.models as [Experiment['models'][number], Experiment['models'][number]];
    const moved = {
      ...record,
      started: '2027-01-01T00:00:00.000Z',
      device: { ...record.device, memory: 8.01e9 },
      experiment: {
        ...experiment,
        models: [{ ...a, path: '/elsewhere/a.onnx' }, b],
        calibration: { ...experiment.calibration, data: '/elsewhere' },
      },
    };
    expect(differences(record, moved)).toEqual([]);
  });

  test('every other change does, and is named', () => {
    const { memory, ...device } = record.device;
    const changed: ExperimentRecord = {
      ...record,
      device,
      environment: { ...environment, node: 'v22.0.0', backends: { cpu: '2' } },
      experiment: { ...experiment, repeats: 3, latency: { ...experiment.latency, batchSizes: [1] } },
      models: models.map((model) => (model.id === 'b' ? { ...model, sha256: '3' } : model)),
      data: { calibration: { pictures: 4, sha256: 'd' } },
    };
    expect(differences(record, changed)).toEqual([
      'device.memory: 8000000000 then, absent now',
      'environment.node: v20.0.0 then, v22.0.0 now',
      'environment.backends.cpu: 1 then, 2 now',
      'experiment.latency.batchSizes.1: 8 then, absent now',
      'experiment.repeats: 2 then, 3 now',
      'models.b.sha256: 2 then, 3 now',
      'data.calibration.pictures: 3 then, 4 now',
      'data.calibration.sha256: c then, d now',
    ]);
  });
});

describe('results', () => {
  const idle = attempt('idle/1', 1, {
    resources: {
      seconds: 3,
      energy: [{ scope: 'board', rails: ['r'], estimated: false, joules: 6, meanWatts: 2, seconds: 3 }],
    },
  });
  const run = { min: 1, mean: 1, p50: 1, p90: 1, p95: 1, p99: 1, max: 1, jitter: 0 };
  const timed = attempt('latency/a/cpu-fp32/b1-t0/1', 1, {
    kind: 'latency',
    batch: 1,
    threads: 0,
    seconds: 90,
    latency: {
      ...{ runs: 1, seconds: 1, throughput: 100, run, stages: {}, samples: [1], loadSeconds: 1, firstRunSeconds: 1 },
      energyPerSample: [
        { scope: 'board', joules: 0.05 },
        { scope: 'gpu', joules: 0.01 },
      ],
      warnings: [],
    },
  });

  test('what the idle device draws is taken off, where it is known', () => {
    const { trials } = assembleResults(record, plan, new Attempts([timed, idle]), []);
    expect(trials.map(({ id }) => id)).toEqual(['idle/1', timed.id]);
    expect(trials[1]).toMatchObject({
      // 0.05 J a sample less 2 W for 10 ms.
      latency: {
        energyPerSample: [
          { scope: 'board', aboveIdle: 0.05 - 0.02 },
          { scope: 'gpu', joules: 0.01 },
        ],
      },
    });
    expect(JSON.stringify(trials[1])).toContain('{"scope":"gpu","joules":0.01}');
  });

  test('say when they end and whether anything is missing', () => {
    const some = assembleResults(record, plan, new Attempts([timed]), []);
    expect(some).toMatchObject({ partial: true, planned: 132, finished: '2026-01-01T00:01:30.000Z' });
    const every = plan.stages.flat().map(({ id }) => (id === 'idle/1' ? idle : attempt(id, 1)));
    const flagged = every.map((trial) => (trial.id === 'idle/1' ? { ...trial, ...disturbed } : trial));
    const failed = every.map((trial) =>
      trial.id === 'idle/1' ? attempt('idle/1', 1, { error: { code: 'X', message: 'x' } }) : trial,
    );
    const partial = (trials: Trial[]) => assembleResults(record, plan, new Attempts(trials), []).partial;
    expect(partial(every)).toBe(false);
    expect(partial(flagged)).toBe(true); // it is to be repeated once
    expect(partial([...flagged, attempt('idle/1', 2, disturbed)])).toBe(false);
    expect(partial(failed)).toBe(true);
  });
});
