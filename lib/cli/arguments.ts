import { InvalidArgumentError, Option } from 'commander';
import { type DatasetSource, parseDatasetSource } from '../datasets/source.js';
import { PresisiError } from '../errors.js';
import type { Preprocessing } from '../preprocess.js';
import { UsageError } from './context.js';

/** Parsers for options' values; what they throw becomes a usage error. */
export const integer =
  (low: number, high = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < low || value > high) {
      const bound = high === Number.MAX_SAFE_INTEGER ? `of at least ${low}` : `between ${low} and ${high}`;
      throw new InvalidArgumentError(`Expected an integer ${bound}.`);
    }
    return value;
  };

export const number = (text: string): number => {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.');
  return value;
};

export const jsonObject = (text: string): object => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw new InvalidArgumentError('Expected a JSON object, such as \'{"fallback": "fp16"}\'.');
};

const threeNumbers = (text: string): readonly [number, number, number] => {
  const [a, b, c, ...rest] = text.split(',').map(number);
  if (a === undefined || b === undefined || c === undefined || rest.length > 0) {
    throw new InvalidArgumentError('Expected three numbers with commas between.');
  }
  return [a, b, c];
};

/** One option for each number of the preprocessing. */
export const preprocessOptions = (): Option[] => [
  new Option('--resize <pixels>', 'shorter side after scaling').argParser(integer(1, 8192)),
  new Option('--crop <pixels>', 'side of the square cut from the middle').argParser(integer(1, 8192)),
  new Option('--kernel <name>', 'interpolation').choices([
    'nearest',
    'linear',
    'cubic',
    'mitchell',
    'lanczos2',
    'lanczos3',
  ]),
  new Option('--scale <number>', 'what bytes are multiplied with').argParser(number),
  new Option('--mean <a,b,c>', 'subtracted from each channel').argParser(threeNumbers),
  new Option('--std <a,b,c>', 'each channel is divided by it').argParser(threeNumbers),
  new Option('--layout <layout>', "order of the network's input").choices(['NCHW', 'NHWC']),
  new Option('--channels <order>', 'order of the channels').choices(['RGB', 'BGR']),
];

export interface PreprocessFlags extends Partial<Preprocessing> {}

/** The preprocessing among a command's options; undefined when none was given. */
export function preprocessOf(flags: PreprocessFlags): Partial<Preprocessing> | undefined {
  const { resize, crop, kernel, scale, mean, std, layout, channels } = flags;
  const given = Object.entries({ resize, crop, kernel, scale, mean, std, layout, channels }).filter(
    ([, value]) => value !== undefined,
  );
  return given.length === 0 ? undefined : (Object.fromEntries(given) as Partial<Preprocessing>);
}

/** A data set as a command takes it. */
export function datasetSource(text: string): DatasetSource {
  try {
    return parseDatasetSource(text);
  } catch (error) {
    throw error instanceof PresisiError ? new UsageError(error.message) : error;
  }
}

export { readLabels } from '../datasets/labels.js';
export { withoutEnding } from '../files.js';
