import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { compare, compareResults } from '../../lib/characterize/compare/compare.js';
import type { ComparedFigure, ComparedQuantity, Comparison } from '../../lib/characterize/compare/comparison.js';
import type { Results } from '../../lib/characterize/results.js';
import { type SyntheticOptions, syntheticResults } from './results-support.js';
import { answersOf, builds, latencies } from './summary-support.js';
import { cli, presisiRejection, temporaryFolder } from './support.js';

const MODELS = ['mobilenet_v3_small', 'densenet201'];
const XAVIER = { name: 'Jetson Xavier NX', gpu: { name: 'Volta', cores: 384 } };
const ORIN = { name: 'Jetson Orin Nano', gpu: { name: 'Ampere', cores: 1024 } };

const xavier = (options: SyntheticOptions = {}): Results =>
  syntheticResults({ models: MODELS, device: XAVIER, energy: 'board', slowness: 2, ...options });
const orin = (options: SyntheticOptions = {}): Results =>
  syntheticResults({ models: MODELS, device: ORIN, energy: 'board', seed: 2, ...options });

function figure(comparison: Comparison, ending: string, quantity: ComparedQuantity, batch = 1): ComparedFigure {
  const variant = comparison.variants.find(({ ids }) => ids[0]?.endsWith(ending));
  const found = variant?.figures.find((each) => each.quantity === quantity && (each.batch ?? batch) === batch);
  if (!found) throw new Error(`no ${quantity} of ${ending}`);
  return found;
}

describe('two devices', () => {
  const comparison = compareResults([xavier(), orin()]);

  test('every common variant, its figures and their ratios to the first', () => {
    expect(comparison.results.map(({ label }) => label)).toEqual(['Jetson Xavier NX', 'Jetson Orin Nano']);
    expect(comparison.variants).toHaveLength(8);
    expect(comparison.leftOut).toEqual([[], []]);
    for (const quantity of ['latency', 'overhead', 'phase 1', 'phase 2', 'energy'] as const) {
      const { ratios, values } = figure(comparison, 'densenet201/tensorrt-fp16', quantity);
      expect(ratios[0]).toBeNull();
      expect(ratios[1]?.value, quantity).toBeCloseTo(0.5, 1);
      expect(ratios[1]?.beyondNoise, quantity).toBe(true);
      expect((values[1]?.value ?? 0) / (values[0]?.value ?? 0)).toBeCloseTo(ratios[1]?.value ?? 0, 9);
    }
    expect(figure(comparison, 'densenet201/tensorrt-fp16', 'throughput', 8).ratios[1]?.value).toBeCloseTo(2, 1);
    expect(figure(comparison, 'densenet201/tensorrt-fp16', 'size').ratios[1]).toEqual({
      value: 1,
      interval: [1, 1],
      beyondNoise: false,
    });
    // The support file's memory is the same on both but for its noise of 1 %.
    const memory = figure(comparison, 'densenet201/tensorrt-fp16', 'memory').ratios[1]?.interval ?? [0, 0];
    expect(memory[0]).toBeGreaterThan(0.97);
    expect(memory[1]).toBeLessThan(1.03);
  });

  test('accuracies are compared picture by picture', () => {
    const [a, b] = [xavier(), orin()];
    const [before, now] = [a, b].map((each) => answersOf(each, 'densenet201/tensorrt-fp16'));
    now?.predicted.splice(0, 200, ...(before?.predicted ?? []));
    const right = now?.truth.findIndex((answer, index) => now.predicted[index] === answer) ?? 0;
    if (now) now.predicted[right] = -1;
    const variant = compareResults([a, b]).variants.find(({ ids }) => ids[0] === 'densenet201/tensorrt-fp16');
    expect(variant?.accuracy?.drops[0]).toBeNull();
    expect(variant?.accuracy?.drops[1]).toMatchObject({ value: 1 / 200, beyondNoise: false });
  });

  test('more GPU cores, less overhead and latency: the study’s claim', () => {
    expect(comparison.claims.map(({ id, verdict }) => [id, verdict])).toEqual([
      ['overhead-gpu-cores', 'holds'],
      ['latency-gpu-cores', 'holds'],
    ]);
    expect(comparison.claims[0]?.here).toMatch(
      /^time of both phases -5\d\.\d % to -4\d\.\d % with 2\.7 times the cores$/,
    );
    const [overhead, latency] = compareResults([xavier(), orin({ slowness: 2 })]).claims;
    expect(overhead).toMatchObject({ verdict: 'does not hold', detail: /for 0 of 6/ });
    expect(latency?.verdict).toBe('does not hold');
  });

  test('the claim is about the number of cores, whatever the order of the files', () => {
    const reversed = compareResults([orin(), xavier()]);
    expect(reversed.claims[0]?.here).toMatch(/^time of both phases -5.*2\.7 times the cores$/);
    expect(reversed.claims[0]?.verdict).toBe('holds');
    expect(figure(reversed, 'densenet201/tensorrt-fp16', 'latency').ratios[1]?.value).toBeCloseTo(2, 1);
  });

  test('without the number of cores, or with the same, it is not measured', () => {
    const unknown = compareResults([xavier({ device: { name: 'a laptop' } }), orin()]);
    expect(unknown.claims[0]).toMatchObject({ verdict: 'not measured', detail: /not known of a laptop/ });
    const same = compareResults([orin(), orin({ seed: 3 })]);
    expect(same.claims[1]).toMatchObject({ verdict: 'not measured', detail: /same number/ });
  });

  test('nothing makes it doubtful', () => {
    expect(comparison.warnings).toEqual([]);
    expect(comparison.differences.map(({ what }) => what)).toEqual(['GPU', 'GPU cores']);
  });
});

describe('one device, before and after', () => {
  test('what may be noise is said to be', () => {
    const comparison = compareResults([orin({ noise: 0.05 }), orin({ noise: 0.05, seed: 9 })]);
    const found = comparison.variants.flatMap(({ figures }) =>
      figures.filter(({ quantity }) => quantity === 'latency').map(({ ratios }) => ratios[1]?.beyondNoise),
    );
    // One in twenty is expected to look real.
    expect(found).toHaveLength(16);
    expect(found.filter((beyond) => beyond === false).length).toBeGreaterThanOrEqual(13);
  });

  test('a change of a tenth is seen, and the versions that differ are named', () => {
    const after = orin({ slowness: 0.9, environment: { presisi: '0.2.0', backends: { tensorrt: '10.3' } } });
    const comparison = compareResults([orin({ name: 'before' }), { ...after, name: 'after' }]);
    expect(comparison.results.map(({ label }) => label)).toEqual([
      'Jetson Orin Nano, before',
      'Jetson Orin Nano, after',
    ]);
    expect(figure(comparison, 'densenet201/tensorrt-fp16', 'latency').ratios[1]?.beyondNoise).toBe(true);
    expect(comparison.differences).toEqual([
      { what: 'presisi', values: ['0.1.0', '0.2.0'] },
      { what: 'backend tensorrt', values: ['1.0', '10.3'] },
    ]);
  });

  test('the same names are told apart by time, else by number', () => {
    const later = { ...orin(), started: '2025-02-01T10:30:00.000Z' };
    expect(compareResults([orin(), later]).results[1]?.label).toBe('Jetson Orin Nano, 2025-02-01 10:30');
    expect(compareResults([orin(), orin()]).results[1]?.label).toBe('Jetson Orin Nano (2)');
  });

  test('with fewer than three repeats there is no telling', () => {
    const comparison = compareResults([orin({ repeats: 2 }), orin({ repeats: 2, slowness: 0.5 })]);
    const ratio = figure(comparison, 'densenet201/tensorrt-fp16', 'latency').ratios[1];
    expect(ratio?.value).toBeCloseTo(0.5, 1);
    expect(ratio).not.toHaveProperty('beyondNoise');
  });
});

describe('experiments that differ', () => {
  test('in method are warned of', () => {
    const other = orin();
    Object.assign(other.experiment.latency as object, { duration: 10 });
    const { warnings } = compareResults([xavier(), other]);
    expect(warnings).toContain(
      'The experiments differ in seconds measured: 1 (Jetson Xavier NX), 10 (Jetson Orin Nano).',
    );
  });

  test('in calibration have INT8 variants of their own, which are left out', () => {
    const { leftOut, variants, warnings } = compareResults([
      xavier(),
      orin({ calibrations: [{ method: 'mse', samples: 64 }] }),
    ]);
    expect(variants).toHaveLength(6);
    expect(leftOut).toEqual([
      MODELS.map((model) => `${model}/tensorrt-int8-entropy-128`),
      MODELS.map((model) => `${model}/tensorrt-int8-mse-64`),
    ]);
    expect(warnings.join()).toContain(
      'differ in calibration methods: entropy (Jetson Xavier NX), mse (Jetson Orin Nano)',
    );
  });

  test('in the models’ files, the pictures or what the energy covers are warned of', () => {
    const other = orin({ energy: 'package' });
    Object.assign(other.models[0] ?? {}, { sha256: 'other' });
    for (const trial of other.trials) if (trial.kind === 'accuracy' && trial.accuracy) trial.accuracy.dataset = 'other';
    const comparison = compareResults([xavier(), other]);
    const warnings = comparison.warnings.join('\n');
    expect(warnings).toContain('Not the same files, though called the same: mobilenet_v3_small');
    expect(warnings).toContain('not measured with the same pictures');
    expect(warnings).toContain('board (Jetson Xavier NX), package (Jetson Orin Nano)');
    expect(comparison.variants[0]?.accuracy?.drops).toEqual([null, null]);
    const { values, ratios } = figure(comparison, 'densenet201/tensorrt-fp16', 'energy');
    expect(values[0]?.value).toBeGreaterThan(0);
    expect([values[1], ratios[1]]).toEqual([null, null]);
  });

  test('in the backend are compared where each has one', () => {
    const { variants, warnings } = compareResults([xavier({ backend: 'cpu' }), orin()]);
    expect(variants).toHaveLength(8);
    expect(variants[1]?.ids).toEqual(['mobilenet_v3_small/cpu-fp32', 'mobilenet_v3_small/tensorrt-fp32']);
    expect(warnings).toContain('Different backends are compared: cpu and tensorrt.');
  });

  test('in everything have nothing in common', () => {
    const { variants, warnings } = compareResults([xavier(), orin({ models: ['efficientnet_b1'] })]);
    expect(variants).toEqual([]);
    expect(warnings[0]).toContain('no variant in common');
  });
});

test('what only one device measured has no ratio', () => {
  const other = orin();
  other.trials = other.trials.filter((trial) => !(trial.kind === 'latency' && trial.batch === 8));
  for (const trial of builds(other, 'fp16')) delete trial.compress;
  const comparison = compareResults([xavier(), other]);
  const latency = figure(comparison, 'densenet201/tensorrt-fp16', 'latency', 8);
  expect([latency.values[1], latency.ratios[1]]).toEqual([null, null]);
  expect(figure(comparison, 'densenet201/tensorrt-fp16', 'overhead').ratios[1]).toBeNull();
  expect(JSON.parse(JSON.stringify(comparison))).toEqual(comparison);
});

test('three devices: each step to more cores must help', () => {
  const agx = syntheticResults({
    models: MODELS,
    device: { name: 'AGX', gpu: { name: 'Ampere', cores: 2048 } },
    slowness: 0.6,
  });
  const comparison = compareResults([xavier(), agx, orin()]);
  expect(comparison.claims[0]).toMatchObject({ verdict: 'holds', here: /with 2\.7 times and 2\.0 times the cores$/ });
  for (const trial of latencies(agx, 'fp16')) if (trial.latency) trial.latency.run.p50 *= 3;
  expect(compareResults([xavier(), agx, orin()]).claims[1]?.verdict).toBe('does not hold');
});

test('it takes two results', async () => {
  const error = await presisiRejection(compare(orin()), 'ERR_PRESISI_INVALID_ARGUMENT');
  expect(error.message).toBe('Expected at least two results but received 1');
});

describe('the command line', async () => {
  const folder = await temporaryFolder();
  const [a, b] = [join(folder, 'a'), join(folder, 'b')];
  beforeAll(async () => {
    for (const [path, results] of [
      [a, xavier()],
      [b, orin({ repeats: 2 })],
    ] as const) {
      await mkdir(path);
      await writeFile(join(path, 'results.json'), JSON.stringify(results));
    }
  });

  test('prints tables, and warnings apart', async () => {
    const { code, stdout, stderr } = await cli('compare', a, join(b, 'results.json'));
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: Jetson Orin Nano: Nothing was repeated 3 times/);
    expect(stdout).toMatch(/^Latency, median\n\nvariant +batch +Jetson Xavier NX +Jetson Orin Nano +ratio\n/);
    expect(stdout).toMatch(/densenet201, FP16 +1 +\d+\.\d\d ms +\d+\.\d\d ms +0\.[45]\d\d\n/);
    expect(stdout).toContain('Overhead, both phases');
    expect(stdout).toContain('with 2.7 times the cores');
  });

  test('prints Markdown with the warnings in it', async () => {
    const { code, stdout, stderr } = await cli('compare', a, b, '--markdown');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^# Jetson Xavier NX and Jetson Orin Nano\n/);
    expect(stdout).toContain('- Jetson Orin Nano: Nothing was repeated 3 times');
    const rows = stdout.split('\n').filter((line) => line.startsWith('| densenet201, FP16 | 1 |'));
    // Latency, memory and energy.
    expect(rows).toHaveLength(3);
    expect(rows[0]?.split('|')).toHaveLength(7);
  });

  test('prints JSON and nothing else', async () => {
    const { code, stdout, stderr } = await cli('compare', a, b, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).variants).toHaveLength(8);
  });

  test('is used wrongly with one file, or two forms', async () => {
    expect((await cli('compare', a)).code).toBe(2);
    expect((await cli('compare', a, b, '--json', '--markdown')).code).toBe(2);
  });
});
