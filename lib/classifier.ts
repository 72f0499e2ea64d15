import type { z } from 'zod';
import { type Engine, runImages } from './engine.js';
import { PresisiError } from './errors.js';
import { type DecodedImage, decodeImages, inBatches, type NamedImage, packPixels } from './images.js';
import type { NativeRun } from './native.js';
import { batch, onBadImage, signal } from './options.js';
import {
  completePreprocessing,
  imageInput,
  nativeImages,
  type Preprocessing,
  preprocessingSchema,
} from './preprocess.js';
import type { Scope } from './signal.js';
import type { Tensor } from './tensor.js';

/** One class and how sure the network is. */
export interface Candidate {
  readonly index: number;
  readonly label?: string;
  /** Probability: softmax of the network's output, or that output itself where it already sums to 1. */
  readonly score: number;
  /** The network's own number. */
  readonly logit: number;
}

export interface Prediction {
  /** The picture's path; `#2` for the third of several pictures in memory. */
  readonly image: string;
  /** Best first. Empty when there is an `error`. */
  readonly top: readonly Candidate[];
  /** Wall seconds. `preprocess` and `run` are the picture's share of its batch. */
  readonly timings: { readonly decode: number; readonly preprocess: number; readonly run: number };
  /** Why the picture was skipped. */
  readonly error?: PresisiError;
}

/** What all functions that classify pictures take. */
export const classifierOptions = {
  preprocess: preprocessingSchema.optional(),
  batchSize: batch().optional(),
  onBadImage: onBadImage().optional(),
  signal: signal().optional(),
};

type Changes = z.infer<typeof preprocessingSchema>;

export interface ClassifierOptions {
  readonly topK: number;
  readonly labels?: readonly string[] | undefined;
  readonly preprocess?: Changes | undefined;
  readonly batchSize?: number | undefined;
  readonly onBadImage?: 'error' | 'skip' | undefined;
}

/** Runs an engine on pictures, however many: no more are held than are being decoded and computed. */
export class Classifier {
  readonly #engine: Engine;
  readonly #options: ClassifierOptions;
  readonly #scope: Scope;
  readonly #input: string;
  readonly #preprocessing: Preprocessing;
  /** The batch the network insists on; undefined where it takes any. */
  readonly #fixed: number | undefined;
  readonly #batchSize: number;
  #classes: number | undefined;

  constructor(engine: Engine, options: ClassifierOptions, scope: Scope) {
    const input = imageInput(engine.inputs);
    const fixed = input.dims[0] ?? -1;
    this.#engine = engine;
    this.#options = options;
    this.#scope = scope;
    this.#input = input.name;
    this.#fixed = fixed > 0 ? fixed : undefined;
    this.#preprocessing = completePreprocessing(overlay(engine.metadata.preprocessing, options.preprocess), input);
    this.#batchSize = this.#fixed ?? Math.min(options.batchSize ?? 8, engine.maxBatch);
  }

  /** How many classes the network tells apart; undefined before its first run. */
  get classes(): number | undefined {
    return this.#classes;
  }

  /** A group of predictions for each batch, in order. Decoding the next pictures overlaps with running the network. */
  async *classify(images: readonly NamedImage[]): AsyncGenerator<Prediction[]> {
    let earlier: Promise<Prediction[]> | undefined;
    const decoded = decodeImages(images, this.#preprocessing, this.#scope.signal);
    for await (const group of inBatches(decoded, this.#batchSize)) {
      if (earlier) yield await earlier;
      this.#scope.check();
      earlier = this.#run(group);
      earlier.catch(() => {}); // awaited in the next turn, or below
    }
    if (earlier) yield await earlier;
  }

  async #run(group: readonly DecodedImage[]): Promise<Prediction[]> {
    const bad = group.find(({ error }) => error !== undefined);
    if (bad?.error && (this.#options.onBadImage ?? 'error') === 'error') throw bad.error;
    const pictures = group.flatMap(({ pixels }) => pixels ?? []);
    if (pictures.length === 0) return group.map((decoded) => prediction(decoded, [], 0, 0));
    const count = this.#fixed ?? pictures.length;
    const pixels = packPixels(pictures, this.#preprocessing.crop, count);
    const images = nativeImages(this.#input, pixels, count, this.#preprocessing);
    const ran = await runImages(this.#engine, images, this.#scope);
    const scores = classScores(ran, count);
    const classes = scores.length / count;
    this.#classes = classes;
    const preprocess = ran.preprocessSeconds / pictures.length;
    const run = ran.seconds / pictures.length;
    let row = 0;
    return group.map((decoded) => {
      if (decoded.pixels === undefined) return prediction(decoded, [], 0, 0);
      const logits = scores.subarray(row * classes, (row + 1) * classes);
      row += 1;
      return prediction(decoded, topOf(logits, this.#options.topK, this.#options.labels), preprocess, run);
    });
  }
}

/** The engine's preprocessing with the caller's changes. A changed crop brings its own resize unless one is given. */
function overlay(own: Preprocessing | undefined, changes: Changes | undefined): Changes {
  const given = Object.fromEntries(Object.entries(changes ?? {}).filter(([, value]) => value !== undefined));
  const { resize, ...rest } = own ?? {};
  return { ...rest, ...(given.crop === undefined && resize !== undefined && { resize }), ...given };
}

const prediction = (
  { image, error, seconds }: DecodedImage,
  top: readonly Candidate[],
  preprocess: number,
  run: number,
): Prediction => ({
  image: image.name,
  top,
  timings: { decode: seconds, preprocess, run },
  ...(error && { error }),
});

/** The one output that has a row of numbers for each picture. */
function classScores({ outputs }: NativeRun, count: number): Float32Array {
  const [output] = outputs;
  const rows: Tensor['data'] | undefined = output?.data;
  if (outputs.length === 1 && rows instanceof Float32Array && output?.dims[0] === count) return rows;
  throw new PresisiError(
    'ERR_PRESISI_INVALID_ARGUMENT',
    "the network doesn't classify: pictures need one float32 output [N, classes]",
    {
      hint: 'use engine.run() and read the outputs yourself',
    },
  );
}

/** The `k` largest, best first; ties go to the lower index, and what is no number comes last. */
function topOf(logits: Float32Array, k: number, labels: readonly string[] | undefined): Candidate[] {
  const scores = probabilities(logits);
  const keys = logits.map((value) => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value));
  const order = Array.from(logits.keys()).sort((a, b) => {
    const [left, right] = [keys[a] as number, keys[b] as number];
    return left === right ? a - b : right - left;
  });
  return order.slice(0, k).map((index) => {
    const label = labels?.[index];
    return {
      index,
      ...(label !== undefined && { label }),
      score: scores[index] as number,
      logit: logits[index] as number,
    };
  });
}

/** Softmax, unless the numbers are probabilities already. */
function probabilities(logits: Float32Array): Float64Array {
  const values = Float64Array.from(logits);
  const sum = values.reduce((total, value) => total + value, 0);
  if (Math.abs(sum - 1) < 1e-3 && values.every((value) => value >= 0 && value <= 1)) return values;
  const largest = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const powers = values.map((value) => Math.exp(value - largest));
  const total = powers.reduce((all, value) => all + value, 0);
  return powers.map((value) => value / total);
}
