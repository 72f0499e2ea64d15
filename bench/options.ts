import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KNOWN_SEED } from './models/model.js';

export interface Options {
  readonly models: readonly string[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly trials: number;
  /** A trial measures at least so many runs and so many seconds, but stops at the limit. */
  readonly runs: number;
  readonly seconds: number;
  readonly limitSeconds: number;
  readonly seed: number;
  readonly calibrationImages: number;
  readonly unsignedActivations: boolean;
  /** What ONNX Runtime runs in INT8: a file in the form it has kernels for, or presisi's export. */
  readonly ortInt8: 'own' | 'export';
  /** Where models and engines are kept. */
  readonly folder: string;
  readonly json: string | undefined;
  readonly markdown: string | undefined;
  readonly updateReadme: boolean;
  /** Results of an earlier run to show again. */
  readonly from: string | undefined;
}

function positive(text: string, name: string, whole = true): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && (!whole || Number.isSafeInteger(value))) return value;
  throw new Error(`Expected a positive ${whole ? 'integer' : 'number'} for --${name} but received ${text}`);
}

const list = (text: string): string[] => text.split(',').filter((item) => item !== '');

/** From the command line. */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: 'blossom,mobilenet-v2,resnet50' },
      batch: { type: 'string', default: '1,8' },
      threads: { type: 'string', default: String(availableParallelism()) },
      trials: { type: 'string', default: '7' },
      runs: { type: 'string', default: '30' },
      seconds: { type: 'string', default: '1.5' },
      'limit-seconds': { type: 'string', default: '10' },
      seed: { type: 'string', default: String(KNOWN_SEED) },
      'calibration-images': { type: 'string', default: '32' },
      'unsigned-activations': { type: 'boolean', default: false },
      'ort-int8': { type: 'string', default: 'own' },
      folder: { type: 'string', default: join(tmpdir(), 'presisi-bench') },
      json: { type: 'string' },
      markdown: { type: 'string' },
      'update-readme': { type: 'boolean', default: false },
      from: { type: 'string' },
    },
  });
  const models = list(values.models);
  const batches = list(values.batch).map((text) => positive(text, 'batch'));
  const ortInt8 = values['ort-int8'];
  if (ortInt8 !== 'own' && ortInt8 !== 'export') {
    throw new Error(`Expected own or export for --ort-int8 but received ${ortInt8}`);
  }
  if (models.length === 0) throw new Error('Expected the names of models for --models');
  if (batches.length === 0) throw new Error('Expected sizes of batches for --batch');
  return {
    models,
    batches,
    threads: positive(values.threads, 'threads'),
    trials: positive(values.trials, 'trials'),
    runs: positive(values.runs, 'runs'),
    seconds: positive(values.seconds, 'seconds', false),
    limitSeconds: positive(values['limit-seconds'], 'limit-seconds', false),
    seed: positive(values.seed, 'seed'),
    calibrationImages: positive(values['calibration-images'], 'calibration-images'),
    unsignedActivations: values['unsigned-activations'],
    ortInt8,
    folder: values.folder,
    json: values.json,
    markdown: values.markdown,
    updateReadme: values['update-readme'],
    from: values.from,
  };
}
