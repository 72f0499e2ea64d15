import type { z } from 'zod';
import { type Engine, requireEngine, runImages } from './engine.js';
import { atCaller, PresisiError } from './errors.js';
import { type DecodedImage, decodeImages, type Images, inBatches, packPixels, resolveImages } from './images.js';
import type { NativeRun } from './native.js';
import { batch, check, integer, onBadImage, options, signal, strings } from './options.js';
import {
  completePreprocessing,
  imageInput,
  nativeImages,
  type Preprocessing,
  preprocessingSchema,
} from './preprocess.js';
import { type Cancelable, type Scope, withSignal } from './signal.js';
import type { Tensor } from './tensor.js';

export interface InferOptions extends Cancelable {
  /** How many classes to give for each picture, best first. Default 5. */
  readonly topK?: number;
  /** Names of the classes. Default: the engine's. */
  readonly labels?: readonly string[];
  /** Replaces parts of the engine's own preprocessing. */
  readonly preprocess?: Partial<Preprocessing>;
  /** Pictures per run. Default: what the engine was built for, at most 8. */
  readonly batchSize?: number;
  /** What to do about a picture that can't be decoded: reject, or give it an `error`. Default `error`. */
  readonly onBadImage?: 'error' | 'skip';
}

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

const schema = options({
  topK: integer(1, 1_000_000).optional(),
  labels: strings().optional(),
  preprocess: preprocessingSchema.optional(),
  batchSize: batch().optional(),
  onBadImage: onBadImage().optional(),
  signal: signal().optional(),
});

type Checked = z.infer<typeof schema>;

/**
 * Classifies pictures. Decoding the next ones overlaps with running the network.
 *
 * @param images a folder (with its subfolders), a picture, or several; paths or encoded bytes
 * @returns one prediction a picture, in order
 *
 * @example
 * const [{ top }] = await infer(engine, 'flower.jpg');
 * console.log(top[0].label, top[0].score);
 */
export function infer(engine: Engine, images: Images, options: InferOptions = {}): Promise<Prediction[]> {
  return atCaller(infer, async () => {
    requireEngine(engine);
    const checked = check(schema, options, 'options');
    return withSignal(checked, async (scope) => {
      const classifier = new Classifier(engine, checked, scope);
      const named = await resolveImages(images, 'images');
      const predictions: Prediction[] = [];
      let earlier: Promise<Prediction[]> | undefined;
      for await (const group of inBatches(
        decodeImages(named, classifier.preprocessing, scope.signal),
        classifier.batchSize,
      )) {
        if (earlier) predictions.push(...(await earlier));
        scope.check();
        earlier = classifier.classify(group);
        earlier.catch(() => {}); // awaited in the next turn, or below
      }
      if (earlier) predictions.push(...(await earlier));
      return predictions;
    });
  });
}

class Classifier {
  readonly preprocessing: Preprocessing;
  readonly batchSize: number;
  readonly #engine: Engine;
  readonly #options: Checked;
  readonly #scope: Scope;
  readonly #labels: readonly string[] | undefined;
  readonly #input: string;
  /** The batch the network insists on; undefined where it takes any. */
  readonly #fixed: number | undefined;

  constructor(engine: Engine, options: Checked, scope: Scope) {
    const input = imageInput(engine.inputs);
    const fixed = input.dims[0] ?? -1;
    this.#engine = engine;
    this.#options = options;
    this.#scope = scope;
    this.#labels = options.labels ?? engine.metadata.labels;
    this.#input = input.name;
    this.#fixed = fixed > 0 ? fixed : undefined;
    this.preprocessing = completePreprocessing(overlay(engine.metadata.preprocessing, options.preprocess), input);
    this.batchSize = this.#fixed ?? Math.min(options.batchSize ?? 8, engine.maxBatch);
  }

  async classify(group: readonly DecodedImage[]): Promise<Prediction[]> {
    const bad = group.find(({ error }) => error !== undefined);
    if (bad?.error && (this.#options.onBadImage ?? 'error') === 'error') throw bad.error;
    const pictures = group.flatMap(({ pixels }) => pixels ?? []);
    if (pictures.length === 0) return group.map((decoded) => prediction(decoded, [], 0, 0));
    const count = this.#fixed ?? pictures.length;
    const pixels = packPixels(pictures, this.preprocessing.crop, count);
    const images = nativeImages(this.#input, pixels, count, this.preprocessing);
    const ran = await runImages(this.#engine, images, this.#scope);
    const scores = classScores(ran, count);
    const preprocess = ran.preprocessSeconds / pictures.length;
    const run = ran.seconds / pictures.length;
    let row = 0;
    return group.map((decoded) => {
      if (decoded.pixels === undefined) return prediction(decoded, [], 0, 0);
      const logits = scores.subarray((row * scores.length) / count, ((row + 1) * scores.length) / count);
      row += 1;
      return prediction(decoded, topOf(logits, this.#options.topK ?? 5, this.#labels), preprocess, run);
    });
  }
}

/** The engine's preprocessing with the caller's changes. A changed crop brings its own resize unless one is given. */
function overlay(own: Preprocessing | undefined, changes: Checked['preprocess']): NonNullable<Checked['preprocess']> {
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
    "the network doesn't classify: infer() needs one float32 output [N, classes]",
    {
      hint: 'use engine.run() and read the outputs yourself',
    },
  );
}

/** The `k` largest, best first; ties go to the lower index. */
function topOf(logits: Float32Array, k: number, labels: readonly string[] | undefined): Candidate[] {
  const scores = probabilities(logits);
  const order = Array.from(logits.keys()).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b);
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
