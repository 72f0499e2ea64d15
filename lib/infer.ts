import { Classifier, classifierOptions, type Prediction } from './classifier.js';
import { type Engine, requireEngine } from './engine.js';
import { atCaller } from './errors.js';
import { type Images, resolveImages } from './images.js';
import { check, integer, options, strings } from './options.js';
import type { Preprocessing } from './preprocess.js';
import { type Cancelable, withSignal } from './signal.js';

export interface InferOptions extends Cancelable {
  /** How many classes to give for each picture, best first. Default 5. */
  readonly topK?: number;
  /** Names of the classes. Default: the engine's. */
  readonly labels?: readonly string[];
  /** Replaces parts of the engine's own preprocessing. */
  readonly preprocess?: Partial<Preprocessing>;
  /** Pictures per run. Default: what the engine was built for, at most 8; 1 where `overlap` is false. */
  readonly batchSize?: number;
  /**
   * Decode the next pictures while the network runs. False: one picture after the other, from its file to its answer, so
   * that `timings` add up to what a caller waits. Default true.
   */
  readonly overlap?: boolean;
  /** What to do about a picture that can't be decoded: reject, or give it an `error`. Default `error`. */
  readonly onBadImage?: 'error' | 'skip';
}

const schema = options({
  ...classifierOptions,
  topK: integer(1, 1_000_000).optional(),
  labels: strings().optional(),
});

/**
 * Classifies pictures.
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
    const { topK = 5, labels = engine.metadata.labels, ...checked } = check(schema, options, 'options');
    return withSignal(checked, async (scope) => {
      const classifier = new Classifier(engine, { ...checked, topK, labels }, scope);
      const predictions: Prediction[] = [];
      for await (const group of classifier.classify(await resolveImages(images, 'images'))) predictions.push(...group);
      return predictions;
    });
  });
}
