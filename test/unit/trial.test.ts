import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runTrial } from '../../lib/characterize/trial/run.js';
import type { Span } from '../../lib/telemetry/types.js';
import { rejection, temporaryFolder } from './support.js';
import {
  BLOSSOM,
  engineVariant,
  experiment,
  fewPictures,
  LABELS,
  MOBILENET,
  ORIN,
  taskOf,
  trialOf,
} from './trial-support.js';

const folder = await temporaryFolder();
const file = (name: string): string => join(folder, name);
const size = async (path: string): Promise<number> => (await stat(path)).size;
const withFincore = spawnSync('fincore', ['--version']).status === 0;

let calibration: string;
let pictures: string;
beforeAll(async () => {
  calibration = await fewPictures(folder, 'calibration', 1);
  pictures = await fewPictures(folder, 'test', 2);
});

const names = (spans: readonly Span[]): string[] => spans.map(({ name }) => name);
const sum = (spans: readonly Span[]): number => spans.reduce((total, { seconds }) => total + seconds, 0);

describe('compress', () => {
  test('a checkpoint, both phases: spans, resources, sizes, and what the first repeat alone keeps', async () => {
    const [onnx, network] = [file('int8.onnx'), file('int8.engine')];
    const seen = new Set<string>();
    const { compress, resources, error, conditions, sampler } = await trialOf(
      taskOf('compress', {
        network,
        onnx,
        variant: engineVariant('int8'),
        experiment: experiment({
          calibration: { data: calibration, methods: ['minmax'], samples: [8], implicit: false },
          accuracy: { data: pictures, labels: LABELS },
        }),
      }),
      ({ phase }) => seen.add(phase),
    );
    expect(error).toBeUndefined();
    if (!compress) throw new Error('nothing was compressed');
    expect(compress).toMatchObject({
      checkpointBytes: await size(MOBILENET),
      onnxBytes: await size(onnx),
      engineBytes: await size(network),
      engineSha256: createHash('sha256')
        .update(await readFile(network))
        .digest('hex'),
      calibration: { method: 'minmax', samples: 8 },
      warnings: [],
    });
    expect(compress.weightBytes).toBeLessThan(compress.engineBytes);
    // A byte for each element of convolutions' and products' weights: the others of 605,496 parameters are biases and
    // normalisation's. Padding comes on top.
    expect(compress.weightBytes).toBeGreaterThanOrEqual(595_504);
    // Phases, one after the other, and what they are made of.
    expect(names(compress.spans)).toEqual(['phase 1', 'phase 2']);
    const [first, second] = compress.spans as [Span, Span];
    expect(second.start).toBeGreaterThanOrEqual(first.start + first.seconds);
    expect(names(first.spans)).toEqual(expect.arrayContaining(['read', 'write']));
    expect(names(second.spans)).toEqual(expect.arrayContaining(['calibrate', 'solve', 'build']));
    expect(sum(second.spans) / second.seconds).toBeCloseTo(1, 1);
    expect([...seen]).toEqual(expect.arrayContaining(['calibrate', 'build']));
    // Telemetry over each, and over both.
    expect(Object.keys(compress.resources)).toEqual(['phase 1', 'phase 2']);
    expect(compress.resources['phase 2']?.seconds).toBeCloseTo(second.seconds, 6);
    expect(compress.resources['phase 2']?.cpu?.cores).toBeGreaterThan(0);
    expect(resources?.seconds).toBeCloseTo(second.start + second.seconds - first.start, 6);
    expect(resources?.memory?.peakRss).toBeGreaterThan(50e6);
    expect(sampler?.rate).toBe(100);
    // Of the first repeat.
    const { timeline, layers = [], verdict } = compress;
    expect(timeline?.start).toBeLessThanOrEqual(first.start);
    expect((timeline?.start ?? 0) + (timeline?.time.at(-1) ?? 0)).toBeGreaterThanOrEqual(second.start + second.seconds);
    expect(layers.every(({ seconds }) => seconds !== undefined)).toBe(true);
    expect(layers.filter(({ op, precision }) => op === 'Conv' && precision === 'int8').length).toBeGreaterThan(20);
    expect(verdict).toMatch(/^(nearly )?all multiply-accumulates run in int8/);
    // The device, before and after; the files of a trial are in the page cache once it has read and written them.
    expect(conditions.before.memoryAvailable).toBeGreaterThan(0);
    if (withFincore) {
      expect(conditions.before.pageCache?.size).toBe(await size(MOBILENET));
      const all = (await size(MOBILENET)) + (await size(onnx)) + (await size(network));
      expect(conditions.after.pageCache?.size).toBe(all);
      expect(conditions.after.pageCache?.cached).toBeGreaterThan(all / 2);
    }
  });

  test('an ONNX file passes through phase 1; a later repeat keeps neither timeline nor layers', async () => {
    const { compress } = await trialOf(
      taskOf('compress', {
        model: { id: 'm', path: BLOSSOM },
        network: file('a.engine'),
        onnx: file('a.onnx'),
        repeat: 2,
      }),
    );
    expect(compress).toMatchObject({ checkpointBytes: await size(BLOSSOM), warnings: [] });
    expect(compress).not.toHaveProperty('timeline');
    expect(compress).not.toHaveProperty('layers');
    expect(compress).not.toHaveProperty('verdict');
    expect(compress).not.toHaveProperty('calibration');
    expect(names(compress?.spans ?? [])).toEqual(['phase 1', 'phase 2']);
  });

  test('a network made from a seed: there is no checkpoint, and that is said', async () => {
    const make = { architecture: 'mobilenet_v3_small_minimalistic', seed: 3, classes: 10 };
    const model = { id: 'm', make, inputSize: 64 };
    const { compress } = await trialOf(taskOf('compress', { model, network: file('s.engine'), onnx: file('s.onnx') }));
    expect(compress?.checkpointBytes).toBe(await size(file('s.onnx')));
    expect(compress?.warnings).toEqual([expect.stringMatching('made from a seed')]);
    expect(compress?.verdict).toBe('all multiply-accumulates run in fp32');
  });

  test('what goes wrong is the trial’s error, and what was seen until then stays', async () => {
    await writeFile(file('damaged.pth'), 'PK\u0003\u0004 and nothing else');
    const task = { model: { id: 'm', path: file('damaged.pth') }, network: file('d.engine'), onnx: file('d.onnx') };
    const trial = await trialOf(taskOf('compress', task));
    expect(trial.error).toMatchObject({
      code: 'ERR_PRESISI_INVALID_MODEL',
      message: expect.stringMatching('damaged.pth'),
    });
    expect(trial).not.toHaveProperty('compress');
    expect(trial).not.toHaveProperty('resources');
    expect(trial.sampler?.samples).toBeGreaterThan(0);
    const noData = taskOf('compress', {
      variant: engineVariant('int8'),
      network: file('d.engine'),
      onnx: file('d.onnx'),
    });
    expect((await trialOf(noData)).error).toMatchObject({ code: 'ERR_PRESISI_INVALID_EXPERIMENT' });
    const noSource = taskOf('idle', {
      network: '',
      experiment: experiment({ telemetry: { rate: 100, sources: ['moon'] } }),
    });
    expect((await trialOf(noSource)).error).toMatchObject({ code: 'ERR_PRESISI_INVALID_ARGUMENT' });
  });
});

describe('with engines', () => {
  const network = file('fp32.engine');
  beforeAll(async () => {
    const asked = experiment({ accuracy: { data: pictures, labels: LABELS } });
    const { error } = await trialOf(taskOf('compress', { network, onnx: file('fp32.onnx'), experiment: asked }));
    if (error) throw new Error(error.message);
  });

  test('latency: runs of the batch asked for, and what they used while they were counted', async () => {
    const { latency, resources, error, ...rest } = await trialOf(taskOf('latency', { network, batch: 2, build: 4 }));
    expect(error).toBeUndefined();
    expect(rest).toMatchObject({ batch: 2, threads: 0 });
    if (!latency) throw new Error('nothing was measured');
    expect(latency).toMatchObject({ runs: 12, build: 4 });
    expect(latency.samples).toHaveLength(12);
    expect(latency.throughput).toBeCloseTo(24 / latency.seconds, 6);
    const { min, p50, p90, p95, p99, max, mean, jitter } = latency.run;
    expect([min, p50, p90, p95, p99, max]).toEqual([min, p50, p90, p95, p99, max].sort((a, b) => a - b));
    expect([min, max]).toEqual([Math.min(...latency.samples), Math.max(...latency.samples)]);
    const squares = latency.samples.map((sample) => (sample - mean) ** 2);
    expect(jitter).toBeCloseTo(Math.sqrt(squares.reduce((total, square) => total + square, 0) / 12), 6);
    // The runs fill the time they were counted in.
    expect(latency.samples.reduce((total, sample) => total + sample, 0) / 1000).toBeLessThanOrEqual(latency.seconds);
    expect(resources?.seconds).toBeCloseTo(latency.seconds, 6);
    expect(latency.loadSeconds).toBeGreaterThan(0);
    expect(latency.firstRunSeconds).toBeGreaterThan(0);
    expect(latency).not.toHaveProperty('energyPerSample'); // nothing here measures it
  });

  test('latency: no more than a thousand runs are kept, evenly', async () => {
    const latencies = { batchSizes: [1], threads: [1], warmUp: 0, duration: 0, iterations: 1500 };
    const asked = experiment({ latency: latencies, accuracy: { data: pictures, labels: LABELS } });
    const make = { architecture: 'mobilenet_v3_small_minimalistic', seed: 1, classes: 2 };
    const model = { id: 'm', make, inputSize: 32 };
    const tiny = file('tiny.engine');
    const unlabelled = experiment({ latency: latencies });
    await trialOf(taskOf('compress', { model, network: tiny, onnx: file('tiny.onnx'), experiment: unlabelled }));
    const { latency } = await trialOf(taskOf('latency', { model, network: tiny, threads: 1, experiment: asked }));
    expect(latency?.runs).toBe(1500);
    expect(latency?.samples).toHaveLength(1000);
  });

  test('latency: without a result it still says of what', async () => {
    const trial = await trialOf(taskOf('latency', { network: file('nothing.engine'), batch: 2, threads: 1 }));
    expect(trial).toMatchObject({ batch: 2, threads: 1, error: { code: 'ERR_PRESISI_FILE_SYSTEM' } });
    expect(trial).not.toHaveProperty('latency');
  });

  test('on a recorded Jetson: energy, GPU, clocks and temperatures are its', async () => {
    const asked = experiment({ telemetry: { rate: 100, root: ORIN } });
    const { latency, resources, conditions } = await trialOf(taskOf('latency', { network, experiment: asked }));
    const [energy] = resources?.energy ?? [];
    expect(energy).toMatchObject({ scope: 'board', rails: ['power.VDD_IN'], estimated: false });
    expect(energy?.meanWatts).toBeGreaterThan(1);
    expect(latency?.energyPerSample?.[0]?.joules).toBeCloseTo((energy?.joules ?? 0) / 12, 9);
    expect(latency?.energyPerSample?.[0]).not.toHaveProperty('aboveIdle'); // for whoever knows what idle draws
    expect(resources?.gpu?.meanLoad).toBeGreaterThan(0);
    expect(conditions.before.clocks).toHaveLength(6);
    expect(conditions.before.gpuClock).toBeGreaterThan(1e8);
    expect(Object.keys(conditions.after.temperatures ?? {})).toContain('gpu-thermal');
    expect(conditions.before.memoryAvailable).toBeLessThan(8e9);
  });

  test('accuracy: what is answered for every picture, in order, and how long each step of one takes', async () => {
    const asked = experiment({ accuracy: { data: pictures, labels: LABELS } });
    const { accuracy, error } = await trialOf(taskOf('accuracy', { network, experiment: asked }));
    expect(error).toBeUndefined();
    if (!accuracy) throw new Error('nothing was measured');
    const { truth, predicted, top1, top5, breakdown } = accuracy;
    expect(accuracy).toMatchObject({ classes: 24, labels: LABELS, skipped: 0 });
    expect(truth).toEqual([...LABELS].sort().flatMap((label) => [LABELS.indexOf(label), LABELS.indexOf(label)]));
    const right = predicted.filter((answer, index) => answer === truth[index]).length;
    expect(top1).toMatchObject({ correct: right, total: 48 });
    expect(right).toBeGreaterThan(40); // 96 % of all 720
    expect(top5).toMatchObject({ k: 5, total: 48 });
    expect(top5.correct).toBeGreaterThanOrEqual(right);
    if (!breakdown) throw new Error('no breakdown');
    const { total, ...steps } = breakdown;
    expect(Object.keys(steps)).toEqual(['decode', 'preprocess', 'compute', 'postprocess', 'dispatch']);
    const seconds = Object.values(steps).map((step) => step ?? Number.NaN);
    expect(seconds.every((step) => step > 0)).toBe(true);
    expect(seconds.reduce((all, step) => all + step, 0) / total).toBeCloseTo(1, 1);
  });
});

test('idle: the device is watched for as long as asked, and nothing is done', async () => {
  const asked = experiment({ idle: 0.3, telemetry: { rate: 100, root: ORIN } });
  const { resources, ...trial } = await trialOf(taskOf('idle', { network: '', experiment: asked }));
  expect(trial).not.toHaveProperty('error');
  expect(resources?.seconds).toBeGreaterThanOrEqual(0.3);
  expect(resources?.energy?.[0]).toMatchObject({ scope: 'board', seconds: resources?.seconds });
});

test('given up on: the reason, and no trial', async () => {
  const controller = new AbortController();
  const asked = experiment({ idle: 60 });
  const outcome = rejection(
    runTrial(
      taskOf('idle', { network: '', experiment: asked }),
      () => controller.abort(new Error('enough')),
      controller.signal,
    ),
  );
  expect((await outcome).message).toBe('enough');
});
