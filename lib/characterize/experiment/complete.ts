import { access, constants } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { readLabels } from '../../datasets/labels.js';
import { PresisiError } from '../../errors.js';
import { withoutEnding } from '../../files.js';
import { present } from '../../options.js';
import { type Experiment, isOnnx } from '../experiment.js';
import type { Host } from '../run/host.js';
import { absoluteData, calibrationPictures } from './data.js';
import type { ExperimentSource } from './source.js';

/** What the study took for calibration. */
const STUDY_SAMPLES = 128;

/** An experiment with every default filled in, and what its author should know about that. */
export interface Completed {
  readonly experiment: Experiment;
  readonly warnings: readonly string[];
}

type Model = Experiment['models'][number];

/**
 * Fills in what an experiment leaves open and checks what its form alone doesn't say: that files are there, names
 * unique, backends and frameworks available.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_EXPERIMENT, with the line of the file where there is one
 */
export async function completeExperiment(source: ExperimentSource, host: Host): Promise<Completed> {
  const { options: given, folder, name } = source;
  const warnings: string[] = [];
  const models = await completeModels(source, host);
  const precisions = unique(given.precisions ?? (['fp32', 'fp16', 'int8'] as const));
  const experiment: Experiment = {
    name: given.name ?? name,
    models,
    backends: await completeBackends(source, host),
    precisions,
    calibration: await completeCalibration(source, precisions.includes('int8'), warnings),
    ...present({ accuracy: await completeAccuracy(source) }),
    latency: {
      batchSizes: unique(given.latency?.batchSizes ?? [1, 8]),
      threads: unique(given.latency?.threads ?? [0]),
      warmUp: given.latency?.warmUp ?? 200,
      duration: given.latency?.duration ?? 1,
      iterations: given.latency?.iterations ?? 10,
    },
    baselines: await completeBaselines(source, models, host, warnings),
    repeats: given.repeats ?? 5,
    coolDown: given.coolDown ?? 0,
    idle: given.idle ?? 3,
    seed: given.seed ?? 1,
    telemetry: {
      rate: given.telemetry?.rate ?? 100,
      ...present({
        sources: given.telemetry?.sources,
        root: given.telemetry?.root === undefined ? undefined : resolve(folder, given.telemetry.root),
      }),
    },
    disturbance: {
      clock: given.disturbance?.clock ?? 0.05,
      foreignLoad: given.disturbance?.foreignLoad ?? 0.1,
      steal: given.disturbance?.steal ?? 0.1,
      retries: given.disturbance?.retries ?? 1,
    },
  };
  return { experiment, warnings };
}

const unique = <T>(values: readonly T[]): T[] => [...new Set(values)];

async function completeModels({ options, folder, fail }: ExperimentSource, host: Host): Promise<Model[]> {
  const models: Model[] = [];
  for (const [index, given] of options.models.entries()) {
    const { path, make, seed, classes, architecture, inputSize } = given;
    const at = ['models', index];
    if ((path === undefined) === (make === undefined)) {
      throw fail(at, `Expected path or make for experiment.models[${index}] but received ${path ? 'both' : 'neither'}`);
    }
    for (const [key, value, needs] of [
      ['seed', seed, 'make'],
      ['classes', classes, 'make'],
      ['architecture', architecture, 'path'],
    ] as const) {
      if (value === undefined || given[needs] !== undefined) continue;
      throw fail([...at, key], `experiment.models[${index}].${key} is there for models with ${needs}`);
    }
    const id = given.id ?? (make ?? withoutEnding(basename(path as string))).replace(/[^A-Za-z0-9._-]+/g, '-');
    const sameId = models.findIndex((model) => model.id === id);
    if (sameId >= 0) {
      const hint = 'give each model an id of its own';
      throw fail(at, `experiment.models[${index}] and experiment.models[${sameId}] are both called ${id}`, hint);
    }
    if (make !== undefined) {
      if (!host.architectures().includes(make)) {
        const hint = '`presisi models list` names every architecture';
        throw fail([...at, 'make'], `there is no built-in architecture ${JSON.stringify(make)}`, hint);
      }
      models.push({
        id,
        make: { architecture: make, seed: seed ?? 1, classes: classes ?? 1000 },
        ...present({ inputSize }),
      });
    } else {
      const absolute = resolve(folder, path as string);
      await readable(absolute, (reason) => fail([...at, 'path'], `cannot read the model ${absolute}: ${reason}`));
      models.push({ id, path: absolute, ...present({ architecture, inputSize }) });
    }
  }
  return models;
}

async function readable(path: string, error: (reason: string) => PresisiError): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    throw error((cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (cause as Error).message);
  }
}

async function completeBackends({ options, fail }: ExperimentSource, host: Host): Promise<string[]> {
  const known = await host.backends();
  if (options.backends === undefined) {
    const best = known.find(({ available }) => available);
    if (!best) throw fail([], 'no backend is available', '`presisi doctor` says why');
    return [best.name];
  }
  for (const [index, name] of options.backends.entries()) {
    const found = known.find((backend) => backend.name === name);
    if (found?.available) continue;
    const names = known.map((backend) => backend.name).join(', ');
    throw found
      ? fail(['backends', index], `the backend ${name} is not available: ${found.reason}`, found.hint)
      : fail(['backends', index], `there is no backend ${JSON.stringify(name)}`, `there are ${names}`);
  }
  return unique(options.backends);
}

async function completeCalibration(
  { options, folder, fail }: ExperimentSource,
  needed: boolean,
  warnings: string[],
): Promise<Experiment['calibration']> {
  const { data, methods, samples, implicit = false } = options.calibration ?? {};
  const rest = { methods: unique(methods ?? (['entropy'] as const)), implicit };
  if (!needed) return { ...rest, samples: [] };
  if (data === undefined) {
    const hint = 'give a folder with pictures like those the networks will see, or leave int8 out of the precisions';
    throw fail(
      ['calibration'],
      'int8 needs pictures to calibrate with, and experiment.calibration.data is absent',
      hint,
    );
  }
  const path = absoluteData(data, folder);
  const available = (await pointingAt(['calibration', 'data'], fail, () => calibrationPictures(path))).length;
  if (available === 0) throw fail(['calibration', 'data'], `there are no pictures in ${path}`);
  for (const count of samples ?? []) {
    if (count > available) warnings.push(`there are ${available} pictures to calibrate with, not ${count}`);
  }
  return { ...rest, data: path, samples: unique((samples ?? [STUDY_SAMPLES]).map((n) => Math.min(n, available))) };
}

/** What is wrong with a file that the experiment names, with the place that names it. */
async function pointingAt<T>(path: string[], fail: ExperimentSource['fail'], body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (!(error instanceof PresisiError)) throw error;
    throw fail(path, error.message, error.hint, error);
  }
}

async function completeAccuracy({ options, folder, fail }: ExperimentSource): Promise<Experiment['accuracy']> {
  const given = options.accuracy;
  if (given === undefined) return undefined;
  const file = given.labels;
  const labels =
    file === undefined
      ? undefined
      : await pointingAt(['accuracy', 'labels'], fail, () => readLabels(resolve(folder, file)));
  return { data: absoluteData(given.data, folder), ...present({ labels }) };
}

async function completeBaselines(
  { options, folder, fail }: ExperimentSource,
  models: readonly Model[],
  host: Host,
  warnings: string[],
): Promise<Experiment['baselines']> {
  if (options.baselines === undefined) {
    const found = await host.baseline({ framework: 'onnxruntime' });
    if ('version' in found) return [{ framework: 'onnxruntime' }];
    warnings.push(`no baseline is measured: ${found.reason}${found.hint ? ` (${found.hint})` : ''}`);
    return [];
  }
  const baselines: Experiment['baselines'][number][] = [];
  for (const [index, { framework, python, architectures }] of options.baselines.entries()) {
    const at = ['baselines', index];
    if (baselines.some((other) => other.framework === framework)) throw fail(at, `${framework} is listed twice`);
    for (const [key, value] of Object.entries({ python, architectures })) {
      if (value === undefined || framework === 'pytorch') continue;
      throw fail([...at, key], `experiment.baselines[${index}].${key} is there for the framework pytorch`);
    }
    for (const id of Object.keys(architectures ?? {})) {
      const model = models.find((each) => each.id === id);
      const place = [...at, 'architectures', id];
      const hint = `the models are ${models.map((each) => each.id).join(', ')}`;
      if (!model) throw fail(place, `there is no model ${JSON.stringify(id)}`, hint);
      if (isOnnx(model.path)) throw fail(place, `PyTorch can't run ${model.path}: it is no checkpoint`);
    }
    // A name alone is looked for on the PATH.
    const absolute = python?.includes('/') ? resolve(folder, python) : python;
    const baseline = { framework, ...present({ python: absolute, architectures }) };
    const found = await host.baseline(baseline);
    if ('reason' in found) throw fail(at, `${framework} can't be used as a baseline: ${found.reason}`, found.hint);
    baselines.push(baseline);
  }
  return baselines;
}
