import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { completeExperiment } from '../../lib/characterize/experiment/complete.js';
import { presetOptions } from '../../lib/characterize/experiment/presets.js';
import { experimentFrom, readExperiment } from '../../lib/characterize/experiment/source.js';
import type { ExperimentOptions } from '../../lib/characterize/experiment.js';
import { fakeHost } from '../fixtures/characterize/host.mjs';
import { smallExperiment } from './characterize-support.js';
import { presisiRejection, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const small = await smallExperiment(folder);
const host = fakeHost('');

async function file(text: string, name = 'experiment.yaml'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

const complete = async (options: unknown, changes = {}) =>
  (await completeExperiment(experimentFrom(options), fakeHost('', changes))).experiment;

const invalid = (promise: Promise<unknown>) => presisiRejection(promise, 'ERR_PRESISI_INVALID_EXPERIMENT');

describe('reading', () => {
  test.each([
    ['models: [{path: a.onnx}\n', 'line 2: Flow sequence', undefined],
    ['models:\n  - path: a.onnx\nmodels: []\n', 'line 3: Map keys must be unique', undefined],
    ['models: !!python/object x\n', 'line 1: Unresolved tag', undefined],
    ['models: *a\n', 'Unresolved alias', undefined],
    ['', 'Expected an object for experiment but received null of type null', undefined],
    ['models: []\n', 'line 1: Expected a list of at least one of models for experiment.models', undefined],
    [
      'models:\n  - path: a.onnx\nprecisions: [fp32,\n  int4]\n',
      'line 4: Expected one of fp32, fp16, int8 for experiment.precisions[1] but received "int4" of type string',
      undefined,
    ],
    [
      'models:\n  - path: a.onnx\nlatency:\n  duration: 2\n  batchsize: [1]\n',
      'line 5: experiment.latency has no option "batchsize"',
      /^did you mean batchSizes\? there are batchSizes, threads/,
    ],
    [
      'models:\n  - path: a.onnx\n    colour: red\n',
      'line 3: experiment.models[0] has no option "colour"',
      /^there are id, path, make/,
    ],
    ['models:\n  - path: a.onnx\nidle: -1\n', 'line 3: Expected seconds, 0 or more for experiment.idle', undefined],
    [
      'models:\n  - path: a.onnx\n    id: a/b\n',
      "line 3: Expected letters, digits, '.', '_' and '-', at most 64",
      undefined,
    ],
    [
      '{\n\t"models": [{"path": "a.onnx"}],\n\t"repeats": 0\n}',
      'line 3: Expected an integer between 1 and 1000',
      undefined,
    ],
  ])('%j: %s', async (text, message, hint) => {
    const error = await invalid(readExperiment(await file(text)));
    expect(error.message).toContain(join(folder, 'experiment.yaml'));
    expect(error.message).toContain(message);
    if (hint) expect(error.hint).toMatch(hint);
  });

  test('a file that is not there', async () => {
    const error = await presisiRejection(readExperiment(join(folder, 'none.yaml')), 'ERR_PRESISI_FILE_SYSTEM');
    expect(error.message).toContain('none.yaml');
  });

  test('paths are relative to the file, and so is what is said of them', async () => {
    const path = await file('name: x\nmodels:\n  - path: model.onnx\n  - path: absent.onnx\nprecisions: [fp32]\n');
    const error = await invalid(completeExperiment(await readExperiment(path), host));
    expect(error.message).toBe(`${path}, line 4: cannot read the model ${join(folder, 'absent.onnx')}: no such file`);
  });

  test('the example is a sound one', async () => {
    const example = await readExperiment(join(ROOT, 'examples', 'experiment.yaml'));
    const { experiment } = await completeExperiment(example, host);
    expect(experiment.models.map(({ id }) => id)).toContain('mobilenet_v3_small');
    expect(experiment.accuracy?.labels).toHaveLength(24);
  });
});

describe('completing', () => {
  test('fills in every default', async () => {
    const { calibration, models } = small;
    expect(await complete({ models, calibration })).toEqual({
      name: 'experiment',
      models: [{ id: 'model', path: join(folder, 'model.onnx') }],
      backends: ['cpu'],
      precisions: ['fp32', 'fp16', 'int8'],
      calibration: { data: join(folder, 'pictures', 'one'), methods: ['entropy'], samples: [3], implicit: false },
      latency: { batchSizes: [1, 8], threads: [0], warmUp: 200, duration: 1, iterations: 10 },
      baselines: [{ framework: 'onnxruntime' }],
      repeats: 5,
      coolDown: 0,
      idle: 3,
      seed: 1,
      telemetry: { rate: 100 },
      disturbance: { clock: 0.05, foreignLoad: 0.1, steal: 0.1, retries: 1 },
    });
  });

  test('a data set keeps its form and part', async () => {
    const list = await file('file,label\npictures/one/1.png,0\n', 'list.csv');
    const path = await file(
      `models: [{path: model.onnx}]\ncalibration: {data: 'manifest:list.csv'}\naccuracy: {data: 'cifar100:x/test.bin#coarse'}\n`,
    );
    const { experiment } = await completeExperiment(await readExperiment(path), host);
    expect(experiment.calibration).toMatchObject({ data: `manifest:${list}`, samples: [1] });
    expect(experiment.accuracy?.data).toBe(`cifar100:${join(folder, 'x', 'test.bin')}#coarse`);
  });

  test('more pictures than there are', async () => {
    const given = { ...small, calibration: { ...small.calibration, samples: [2, 128, 3] } };
    const { experiment, warnings } = await completeExperiment(experimentFrom(given), host);
    expect(experiment.calibration.samples).toEqual([2, 3]);
    expect(warnings).toEqual(['there are 3 pictures to calibrate with, not 128']);
  });

  test('without ONNX Runtime there is no baseline, and that is said', async () => {
    const { experiment, warnings } = await completeExperiment(
      experimentFrom(small),
      fakeHost('', { noBaseline: true }),
    );
    expect(experiment.baselines).toEqual([]);
    expect(warnings).toEqual(['no baseline is measured: onnxruntime is not installed (npm install onnxruntime)']);
  });

  const model = { path: join(folder, 'model.onnx') };
  test.each<[string, Partial<ExperimentOptions>, RegExp, RegExp?]>([
    [
      'neither path nor make',
      { models: [{}] },
      /Expected path or make for experiment\.models\[0\] but received neither/,
    ],
    ['both', { models: [{ ...model, make: 'densenet201' }] }, /received both/],
    ['a seed for a file', { models: [{ ...model, seed: 2 }] }, /models\[0\]\.seed is there for models with make/],
    ['an unknown architecture', { models: [{ make: 'densenet999' }] }, /no built-in architecture "densenet999"/],
    [
      'a name twice',
      { models: [model, model] },
      /models\[1\] and experiment\.models\[0\] are both called model/,
      /id of its own/,
    ],
    ['an unknown backend', { backends: ['gpu'] }, /no backend "gpu"/, /tensorrt, cpu, reference/],
    ['a missing backend', { backends: ['tensorrt'] }, /tensorrt is not available: there is no GPU/, /buy one/],
    ['int8 without pictures', { calibration: {} }, /int8 needs pictures/, /leave int8 out/],
    ['pictures that are not there', { calibration: { data: join(folder, 'engines') } }, /no pictures|no such/],
    ['a baseline twice', { baselines: [{ framework: 'pytorch' }, { framework: 'pytorch' }] }, /listed twice/],
    [
      'a Python for ONNX Runtime',
      { baselines: [{ framework: 'onnxruntime', python: 'python3' }] },
      /python is there for/,
    ],
    [
      'an architecture for no model',
      { baselines: [{ framework: 'pytorch', architectures: { other: 'torchvision:x' } }] },
      /no model "other"/,
      /the models are model/,
    ],
    [
      'PyTorch for an ONNX file',
      { baselines: [{ framework: 'pytorch', architectures: { model: 'torchvision:x' } }] },
      /PyTorch can't run .*model\.onnx: it is no checkpoint/,
    ],
    ['labels that are not there', { accuracy: { data: 'x', labels: 'absent.txt' } }, /cannot read the labels/],
  ])('%s', async (_, changes, message, hint) => {
    const error = await invalid(complete({ ...small, ...changes }));
    expect(error.message).toMatch(message);
    if (hint) expect(error.hint).toMatch(hint);
  });

  test('a baseline that was asked for must be there', async () => {
    const error = await invalid(
      complete({ ...small, baselines: [{ framework: 'onnxruntime' }] }, { noBaseline: true }),
    );
    expect(error.message).toContain("onnxruntime can't be used as a baseline: onnxruntime is not installed");
  });
});

describe('presets', () => {
  test.each(['study', 'study-full'] as const)('%s is a sound experiment', async (preset) => {
    const options = presetOptions(preset);
    const architectures = () => options.models.flatMap(({ make }) => (make ? [make] : []));
    const { experiment } = await completeExperiment(experimentFrom(options), { ...host, architectures });
    expect(experiment.models).toHaveLength(6);
    expect(experiment.precisions).toEqual(['fp32', 'fp16', 'int8']);
    expect(experiment.calibration.samples).toEqual([preset === 'study' ? 192 : 128]);
    expect(experiment.accuracy !== undefined).toBe(preset === 'study');
  });

  test('where the package came without models', async () => {
    const error = await invalid((async () => presetOptions('study', folder))());
    expect(error.message).toContain(join(folder, 'models', 'zoo', 'mobilenet_v3_small.pth'));
    expect(error.hint).toContain('clone the repository');
  });
});
