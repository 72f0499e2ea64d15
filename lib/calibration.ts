import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Dataset } from './datasets/dataset.js';
import { atCaller, fileSystemError, invalidArgument } from './errors.js';
import type { Images } from './images.js';
import { type Control, type NativeFingerprint, native } from './native.js';
import { batch, check, flag, integer, number, onBadImage, oneOf, options, text } from './options.js';
import type { Feeds } from './tensor.js';

export type CalibrationMethod = 'entropy' | 'percentile' | 'mse' | 'minmax';

export interface CalibrationMethodOptions {
  /**
   * How each activation's clipping threshold is chosen. Default `entropy` (least Kullback-Leibler divergence, Migacz
   * 2017). Networks with Swish often do better with `mse` or `percentile`: measured accuracy decides.
   */
  readonly method?: CalibrationMethod;
  /** For `percentile`: the share of values that are not clipped, in (0, 100]. Default 99.99. */
  readonly percentile?: number;
  /** Pictures, or feeds, per run of the network. Default 8; the result does not depend on it. */
  readonly batchSize?: number;
  /** Where to keep the thresholds, for `{ cache }` another time. */
  readonly saveCache?: string;
}

export interface ImageCalibration extends CalibrationMethodOptions {
  /** A folder (with its subfolders), paths and pictures in memory, or a data set from {@link openDataset}. */
  readonly images: Images | Dataset;
  /** How many pictures to use, evenly spread over the list. Default: all, up to 512. */
  readonly samples?: number;
  /** What to do about a picture that can't be decoded: reject, or leave it out and warn. Default `error`. */
  readonly onBadImage?: 'error' | 'skip';
  /**
   * Leave the ranges to TensorRT's own calibrator (up to 10) instead of writing them into the network: `method` is then
   * `entropy` or `minmax`, and `batchSize` 1 unless given. Default false.
   */
  readonly implicit?: boolean;
  /** With `implicit`: TensorRT's calibration cache, read where it is there and fits, else written. */
  readonly tensorrtCache?: string;
}

export interface FeedCalibration extends Omit<CalibrationMethodOptions, 'batchSize'> {
  /** Feeds for the network, each with whatever batch it has. */
  readonly batches: Iterable<Feeds> | AsyncIterable<Feeds>;
}

export interface CachedCalibration {
  /** A file written by `saveCache`; refused when it was made for another model. */
  readonly cache: string;
}

/** What calibrates an INT8 engine: pictures, tensors, or what an earlier calibration found. */
export type Calibration = ImageCalibration | FeedCalibration | CachedCalibration;

/** What one activation's calibration found. */
export interface Threshold {
  /** Clipping threshold; the scale is amax/127. */
  readonly amax: number;
  readonly min: number;
  readonly max: number;
  /** Values seen. */
  readonly samples: number;
}

/** What a calibration was made from. */
export interface CalibrationFingerprint {
  /** SHA-256 of the model file. */
  readonly model: string;
  /** SHA-256 over the calibration data. */
  readonly data: string;
  readonly preprocessing: string;
  readonly method: string;
  /** Pictures, or samples of the feeds. */
  readonly samples: number;
  readonly toolVersion: string;
}

export interface CalibrationTable {
  readonly fingerprint: CalibrationFingerprint;
  /** By tensor. */
  readonly thresholds: Readonly<Record<string, Threshold>>;
}

const common = {
  method: oneOf(['entropy', 'percentile', 'mse', 'minmax']).optional(),
  percentile: number('a number greater than 0 and at most 100', (value) => value > 0 && value <= 100).optional(),
  saveCache: text().optional(),
};
const imagesSchema = options({
  ...common,
  images: z.unknown(),
  batchSize: batch().optional(),
  samples: integer(1, 1_000_000).optional(),
  onBadImage: onBadImage().optional(),
  implicit: flag().optional(),
  tensorrtCache: text('a path').optional(),
});
const batchesSchema = options({
  ...common,
  batches: z.custom<Iterable<Feeds> | AsyncIterable<Feeds>>(
    (value) =>
      typeof value === 'object' && value !== null && (Symbol.iterator in value || Symbol.asyncIterator in value),
    { error: 'an iterable or async iterable of feeds' },
  ),
});
const cacheSchema = options({ cache: text('a path') });

/** The calibration as the caller gave it, checked. */
export function checkCalibration(value: unknown, name: string): Calibration {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument('{ images }, { batches } or { cache }', name, value);
  }
  if ('cache' in value) return check(cacheSchema, value, name);
  if ('batches' in value) return check(batchesSchema, value, name) as FeedCalibration;
  if ('images' in value) return check(imagesSchema, value, name) as ImageCalibration;
  throw invalidArgument('{ images }, { batches } or { cache }', name, value);
}

/** The table in the addon's JSON. */
export function parseTable(json: string): CalibrationTable {
  const { fingerprint, tensors } = JSON.parse(json) as {
    fingerprint: CalibrationFingerprint;
    tensors: CalibrationTable['thresholds'];
  };
  return { fingerprint, thresholds: tensors };
}

/** The table of a cache as canonical JSON; refused when it isn't one, or was made from something else. */
export async function readCache(path: string, expected: NativeFingerprint, control: Control): Promise<string> {
  let json: string;
  try {
    json = await readFile(path, 'utf8');
  } catch (error) {
    throw fileSystemError('read the calibration cache', path, error);
  }
  return native().parseTable(json, expected, control);
}

/**
 * Reads a calibration cache.
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM, or ERR_PRESISI_INVALID_CALIBRATION when it isn't a calibration cache.
 */
export function readCalibration(path: string): Promise<CalibrationTable> {
  return atCaller(readCalibration, async () => {
    const name = check(text('a path'), path, 'path');
    return parseTable(await readCache(name, {}, {}));
  });
}
