import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { fileSystemError, PresisiError } from '../../errors.js';
import { writeDurably } from '../../files.js';
import { accuracyPictures, calibrationPictures, type DataFacts, hashPictures } from '../experiment/data.js';
import { type Experiment, hasAccuracy } from '../experiment.js';
import { type Device, type Environment, type ExperimentModel, resultsSchema } from '../results.js';
import type { Host } from './host.js';

const dataFacts = z.object({ pictures: z.number(), sha256: z.string() });

const schema = z.object({
  schema: z.literal('presisi-experiment'),
  version: z.literal(1),
  /** ISO 8601. */
  started: z.string(),
  device: resultsSchema.shape.device,
  environment: resultsSchema.shape.environment,
  // Written by this version, or by one that `environment` tells apart.
  experiment: z.custom<Experiment>((value) => typeof value === 'object' && value !== null),
  models: resultsSchema.shape.models,
  data: z.object({ calibration: dataFacts.optional(), accuracy: dataFacts.optional() }),
});

/**
 * `experiment.json`: what is carried out, on what, with what. Written before the first trial; going on with the
 * experiment needs all of it unchanged.
 */
export interface ExperimentRecord {
  readonly schema: 'presisi-experiment';
  readonly version: 1;
  readonly started: string;
  readonly device: Device;
  readonly environment: Environment;
  readonly experiment: Experiment;
  readonly models: readonly ExperimentModel[];
  readonly data: { readonly calibration?: DataFacts; readonly accuracy?: DataFacts };
}

export interface Described {
  readonly record: ExperimentRecord;
  readonly warnings: readonly string[];
}

/** Looks at everything the experiment's outcome depends on. */
export async function describeExperiment(experiment: Experiment, host: Host, signal: AbortSignal): Promise<Described> {
  const warnings: string[] = [];
  const { calibration, accuracy, telemetry } = experiment;
  const models: ExperimentModel[] = [];
  for (const model of experiment.models) models.push(await host.describeModel(model, signal));
  const calibrated =
    calibration.data !== undefined && (await hashPictures(await calibrationPictures(calibration.data), signal));
  const measured =
    accuracy &&
    experiment.models.some(({ id }) => hasAccuracy(experiment, id)) &&
    (await hashPictures(await accuracyPictures(accuracy.data, accuracy.labels), signal));
  if (calibrated && measured) {
    const shared = [...calibrated.each].filter((sha256) => measured.each.has(sha256)).length;
    if (shared > 0) {
      warnings.push(`${shared} pictures are calibrated with and measured on: the accuracy will look better than it is`);
    }
  }
  const facts = ({ pictures, sha256 }: DataFacts): DataFacts => ({ pictures, sha256 });
  return {
    record: {
      schema: 'presisi-experiment',
      version: 1,
      started: new Date().toISOString(),
      device: await host.device(telemetry.root),
      environment: await host.environment(experiment.baselines, telemetry.root),
      experiment,
      models,
      data: { ...(calibrated && { calibration: facts(calibrated) }), ...(measured && { accuracy: facts(measured) }) },
    },
    warnings,
  };
}

export async function readRecord(path: string): Promise<ExperimentRecord> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileSystemError('read', path, error);
  });
  try {
    return schema.parse(JSON.parse(text)) as ExperimentRecord;
  } catch (cause) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `${path} is damaged, or of another version of presisi`, {
      hint: 'start the experiment anew, in another folder',
      cause,
    });
  }
}

export const writeRecord = (path: string, record: ExperimentRecord): Promise<void> =>
  writeDurably(path, `${JSON.stringify(record, null, 2)}\n`);

/**
 * What keeps results of two records from standing side by side, one line each: `environment.node: v20.11.0 then, v22.1.0
 * now`. Where models and pictures lie doesn't count, only what they are.
 */
export function differences(then: ExperimentRecord, now: ExperimentRecord): string[] {
  const before = flatten(comparable(then));
  const after = flatten(comparable(now));
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [old, fresh] = [before.get(key), after.get(key)];
    if (old === fresh || (key === 'device.memory' && nearlySame(old, fresh))) return [];
    return [`${key}: ${old ?? 'absent'} then, ${fresh ?? 'absent'} now`];
  });
}

function comparable({ device, environment, experiment, models, data }: ExperimentRecord): unknown {
  const { name, calibration, accuracy, telemetry, ...rest } = experiment;
  return {
    device,
    environment,
    experiment: {
      ...rest,
      models: experiment.models.map(({ path, ...model }) => model),
      calibration: { ...calibration, data: undefined },
      accuracy: accuracy && { labels: accuracy.labels ?? 'their own' },
      telemetry: { ...telemetry, root: telemetry.root !== undefined },
    },
    models: Object.fromEntries(models.map(({ id, sha256 }) => [id, { sha256 }])),
    data,
  };
}

/** Leaves by path, as JSON shows them. */
function flatten(value: unknown, path = '', into = new Map<string, string>()): Map<string, string> {
  if (typeof value === 'object' && value !== null) {
    for (const [key, part] of Object.entries(value)) flatten(part, path === '' ? key : `${path}.${key}`, into);
  } else if (value !== undefined) {
    into.set(path, String(value));
  }
  return into;
}

/** What the kernel keeps for itself varies by some pages from start to start. */
const nearlySame = (a: string | undefined, b: string | undefined): boolean =>
  Math.abs(Number(a) - Number(b)) <= 0.01 * Number(a);
