import type { z } from 'zod';
import { type Engine, type EngineRun, runImages } from './engine.js';
import { invalidArgument, PresisiError } from './errors.js';
import {
  BufferPool,
  cropBytes,
  type DecodedImage,
  decodeImage,
  decodeImages,
  inBatches,
  type NamedImage,
  packPixels,
} from './images.js';
import { batch, flag, onBadImage, signal } from './options.js';
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

/** Wall seconds of a picture; of what its batch did together, its share. */
export interface Timings {
  /** Reading, decoding, resizing and cropping. Several pictures are decoded at a time, unless `overlap` is false. */
  readonly decode: number;
  /** From pixels to the network's input: laid side by side, scaled, laid out as the network wants them. */
  readonly preprocess: number;
  /** To the device; only where it reports that. */
  readonly h2d?: number;
  /** The network: the whole run less `h2d` and `d2h`. */
  readonly compute: number;
  /** Back from the device; only where it reports that. */
  readonly d2h?: number;
  /** From the network's outputs to the best classes. */
  readonly postprocess: number;
  /** Handing over to the native thread, waiting for it while it is busy, and taking over its answer. */
  readonly dispatch: number;
  /** From asking to the answer: the sum of the above. Only where `overlap` is false. */
  readonly total?: number;
}

export interface Prediction {
  /** The picture's path; `#2` for the third of several pictures in memory. */
  readonly image: string;
  /** Best first. Empty when there is an `error`. */
  readonly top: readonly Candidate[];
  /** All but `decode` are 0 where there is an `error`. */
  readonly timings: Timings;
  /** Why the picture was skipped. */
  readonly error?: PresisiError;
}

/** What all functions that classify pictures take. */
export const classifierOptions = {
  preprocess: preprocessingSchema.optional(),
  batchSize: batch().optional(),
  overlap: flag().optional(),
  onBadImage: onBadImage().optional(),
  signal: signal().optional(),
};

/** Runs that are asked for at a time: the next begins when one ends, and doesn't wait for the event loop. */
const QUEUED = 2;

type Changes = z.infer<typeof preprocessingSchema>;

export interface ClassifierOptions {
  readonly topK: number;
  readonly labels?: readonly string[] | undefined;
  readonly preprocess?: Changes | undefined;
  readonly batchSize?: number | undefined;
  readonly overlap?: boolean | undefined;
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
  readonly #batches: BufferPool;
  #classes: number | undefined;

  constructor(engine: Engine, options: ClassifierOptions, scope: Scope) {
    const { overlap = true, batchSize = 8 } = options;
    if (!overlap && (options.batchSize ?? 1) !== 1) {
      throw invalidArgument('1, where options.overlap is false,', 'options.batchSize', batchSize);
    }
    const input = imageInput(engine.inputs);
    const fixed = input.dims[0] ?? -1;
    this.#engine = engine;
    this.#options = options;
    this.#scope = scope;
    this.#input = input.name;
    this.#fixed = fixed > 0 ? fixed : undefined;
    this.#preprocessing = completePreprocessing(overlay(engine.metadata.preprocessing, options.preprocess), input);
    this.#batchSize = this.#fixed ?? Math.min(batchSize, engine.maxBatch);
    this.#batches = new BufferPool(this.#batchSize * cropBytes(this.#preprocessing));
  }

  /** How many classes the network tells apart; undefined before its first run. */
  get classes(): number | undefined {
    return this.#classes;
  }

  /** A group of predictions for each batch, in order. */
  classify(images: readonly NamedImage[]): AsyncGenerator<Prediction[]> {
    return (this.#options.overlap ?? true) ? this.#overlapping(images) : this.#inTurn(images);
  }

  /** One picture after the other, each from its file to its answer. */
  async *#inTurn(images: readonly NamedImage[]): AsyncGenerator<Prediction[]> {
    for (const image of images) {
      this.#scope.check();
      const start = performance.now();
      const predictions = await this.#run([await decodeImage(image, this.#preprocessing)]);
      const total = (performance.now() - start) / 1000;
      yield predictions.map((prediction) => ({ ...prediction, timings: { ...prediction.timings, total } }));
    }
  }

  /** Decoding the next pictures overlaps with running the network. */
  async *#overlapping(images: readonly NamedImage[]): AsyncGenerator<Prediction[]> {
    const running: Promise<Prediction[]>[] = [];
    const decoded = decodeImages(images, this.#preprocessing, this.#scope.signal, { ahead: this.#batchSize });
    for await (const group of inBatches(decoded, this.#batchSize)) {
      if (running.length === QUEUED) yield await (running.shift() as Promise<Prediction[]>);
      this.#scope.check();
      const run = this.#run(group);
      run.catch(() => {}); // awaited in a later turn, or below
      running.push(run);
    }
    for (const run of running) yield await run;
  }

  async #run(group: readonly DecodedImage[]): Promise<Prediction[]> {
    const bad = group.find(({ error }) => error !== undefined);
    if (bad?.error && (this.#options.onBadImage ?? 'error') === 'error') throw bad.error;
    const pictures = group.filter(({ pixels }) => pixels !== undefined);
    if (pictures.length === 0) return group.map((decoded) => prediction(decoded));
    const packing = performance.now();
    const count = this.#fixed ?? pictures.length;
    const buffer = this.#batches.take();
    const pixels = packPixels(pictures, buffer.subarray(0, count * cropBytes(this.#preprocessing)));
    const images = nativeImages(this.#input, pixels, count, this.#preprocessing);
    const asked = performance.now();
    const ran = await runImages(this.#engine, images, this.#scope);
    this.#batches.give(buffer);
    const answered = performance.now();
    const scores = classScores(ran, count);
    const classes = scores.length / count;
    this.#classes = classes;
    const tops = pictures.map((_, row) =>
      topOf(scores.subarray(row * classes, (row + 1) * classes), this.#options.topK, this.#options.labels),
    );
    const share = sharesOf(ran, { packing, asked, answered, done: performance.now() }, pictures.length);
    let row = 0;
    return group.map((decoded) =>
      decoded.pixels === undefined ? prediction(decoded) : prediction(decoded, tops[row++], share),
    );
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
  top: readonly Candidate[] = [],
  share: Share = { preprocess: 0, compute: 0, postprocess: 0, dispatch: 0 },
): Prediction => ({
  image: image.name,
  top,
  timings: { decode: seconds, ...share },
  ...(error && { error }),
});

type Share = Omit<Timings, 'decode' | 'total'>;

/** What one of `count` pictures has of its batch's time; `at` are the moments in milliseconds. */
function sharesOf(
  { preprocessSeconds, seconds, stages }: EngineRun,
  at: { readonly packing: number; readonly asked: number; readonly answered: number; readonly done: number },
  count: number,
): Share {
  const { h2d, d2h, compute = 0 } = stages;
  const each = (all: number): number => all / count;
  const packed = (at.asked - at.packing) / 1000;
  const awaited = (at.answered - at.asked) / 1000;
  return {
    preprocess: each(packed + preprocessSeconds),
    ...(h2d !== undefined && { h2d: each(h2d) }),
    // Launching kernels and waiting for them is the caller's time, too; but the device's clock is not the host's.
    compute: each(Math.max(compute, seconds - (h2d ?? 0) - (d2h ?? 0))),
    ...(d2h !== undefined && { d2h: each(d2h) }),
    postprocess: each((at.done - at.answered) / 1000),
    dispatch: each(Math.max(0, awaited - preprocessSeconds - seconds)),
  };
}

/** The one output that has a row of numbers for each picture. */
function classScores({ outputs }: EngineRun, count: number): Float32Array {
  const [output, ...others] = Object.values(outputs);
  const rows: Tensor['data'] | undefined = output?.data;
  if (others.length === 0 && rows instanceof Float32Array && output?.dims[0] === count) return rows;
  throw new PresisiError(
    'ERR_PRESISI_INVALID_ARGUMENT',
    "the network doesn't classify: pictures need one float32 output [N, classes]",
    {
      hint: 'use engine.run() and read the outputs yourself',
    },
  );
}

/** The `k` largest, best first; ties go to the lower index, and what is no number comes last. */
export function topOf(logits: Float32Array, k: number, labels: readonly string[] | undefined): Candidate[] {
  const score = scoring(logits);
  return largest(logits, Math.min(k, logits.length)).map((index) => {
    const logit = logits[index] as number;
    const label = labels?.[index];
    return { index, ...(label !== undefined && { label }), score: score(logit), logit };
  });
}

/** Where the `count` largest are. Plain loops: this is done for every picture, on the event loop. */
function largest(values: Float32Array, count: number): number[] {
  const key = (index: number): number => {
    const value = values[index] as number;
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  const order = (a: number, b: number): number => (key(a) === key(b) ? a - b : key(b) - key(a));
  if (count > MANY) return Array.from(values.keys()).sort(order).slice(0, count);
  const best: number[] = [];
  for (let index = 0; index < values.length; index += 1) {
    let place = best.length;
    while (place > 0 && key(index) > key(best[place - 1] as number)) place -= 1;
    if (place === count) continue;
    best.splice(place, 0, index);
    if (best.length > count) best.pop();
  }
  return best;
}

/** From so many on, sorting all is faster than to keep the best in order. */
const MANY = 64;

/** From a logit to its probability: softmax, unless the numbers are probabilities already. */
function scoring(logits: Float32Array): (logit: number) => number {
  let [sum, most, proper] = [0, Number.NEGATIVE_INFINITY, true];
  for (let i = 0; i < logits.length; i += 1) {
    const value = logits[i] as number;
    sum += value;
    if (value > most || Number.isNaN(value)) most = value;
    if (!(value >= 0 && value <= 1)) proper = false;
  }
  if (Math.abs(sum - 1) < 1e-3 && proper) return (logit) => logit;
  let total = 0;
  for (let i = 0; i < logits.length; i += 1) total += Math.exp((logits[i] as number) - most);
  return (logit) => Math.exp(logit - most) / total;
}
