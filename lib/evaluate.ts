import { type Candidate, Classifier, classifierOptions, type Prediction, type Timings } from './classifier.js';
import { type Dataset, type DatasetFormat, invalidDataset, requireDataset, type Skipped } from './datasets/dataset.js';
import { type Engine, requireEngine } from './engine.js';
import { atCaller, PresisiError } from './errors.js';
import { Agreement, type Reference, referenceSchema } from './evaluate-agreement.js';
import { check, flag, listener, options } from './options.js';
import type { Preprocessing } from './preprocess.js';
import { type Cancelable, type ProgressListener, type Scope, withSignal } from './signal.js';
import { type Share, shareOf } from './statistics.js';

export interface EvaluateOptions extends Cancelable {
  /** Replaces parts of the engine's own preprocessing. */
  readonly preprocess?: Partial<Preprocessing>;
  /** Pictures per run. Default: what the engine was built for, at most 8; 1 where `overlap` is false. */
  readonly batchSize?: number;
  /**
   * Decode the next pictures while the network runs. False: one picture after the other, so that `seconds` add up.
   * Default true.
   */
  readonly overlap?: boolean;
  /** What to do about a picture that can't be decoded: reject, or leave it out and report it. Default `error`. */
  readonly onBadImage?: 'error' | 'skip';
  /** Keep what was predicted for each picture: memory grows with the data set. Default false. */
  readonly predictions?: boolean;
  /** Another engine's evaluation with its predictions; how often the two agree is measured. */
  readonly reference?: Reference;
  /** Called after every batch. What it throws stops the work. */
  readonly onProgress?: ProgressListener;
}

/** What the network made of the pictures of one class. */
export interface ClassResult {
  readonly index: number;
  readonly label?: string;
  readonly correct: number;
  readonly total: number;
  /** What the pictures were taken for, most frequent first; the class itself among them. */
  readonly taken: readonly { readonly index: number; readonly label?: string; readonly count: number }[];
}

export interface PicturePrediction {
  readonly image: string;
  /** Index of the true class. */
  readonly label: number;
  /** The five best, best first; fewer where there are fewer classes. */
  readonly top: readonly Candidate[];
}

export interface Evaluation {
  readonly dataset: { readonly name: string; readonly format: DatasetFormat };
  readonly engine: { readonly model?: string; readonly backend: string; readonly precision: string };
  /** Classes the network tells apart. */
  readonly classes: number;
  /** How often the best class is the right one. */
  readonly top1: Share;
  /** How often the right class is among the `k` best: 5, or all where there are fewer. */
  readonly top5: Share & { readonly k: number };
  /** The classes that have pictures, by index: together the confusion matrix, without its zeros. */
  readonly perClass: readonly ClassResult[];
  /** How often the reference predicted the same class, right or wrong; over the pictures both were given. */
  readonly agreement?: Share;
  /** Means over the pictures. What overlaps takes less than its sum. */
  readonly seconds: Timings;
  /** What the data set left out, and pictures that could not be decoded. */
  readonly skipped: readonly Skipped[];
  readonly warnings: readonly string[];
  /** Only when asked for. */
  readonly predictions?: readonly PicturePrediction[];
}

const schema = options({
  ...classifierOptions,
  predictions: flag().optional(),
  reference: referenceSchema.optional(),
  onProgress: listener<ProgressListener>().optional(),
});

/**
 * Measures how often an engine is right about a data set. Pictures are decoded, run and forgotten: memory does not
 * depend on how many there are.
 *
 * @param dataset from {@link openDataset}, opened with the engine's labels where both name their classes
 *
 * @example
 * const dataset = await openDataset('photos', { labels: engine.metadata.labels });
 * const { top1 } = await evaluate(engine, dataset);
 * console.log(`${top1.correct} of ${top1.total}`);
 * @throws PresisiError ERR_PRESISI_INVALID_DATASET when its classes can't be the network's, ERR_PRESISI_INVALID_IMAGE
 */
export function evaluate(engine: Engine, dataset: Dataset, options: EvaluateOptions = {}): Promise<Evaluation> {
  return atCaller(evaluate, async () => {
    requireEngine(engine);
    const set = requireDataset(dataset, 'dataset');
    const checked = check(schema, options, 'options');
    if (set.samples.length === 0) throw invalidDataset(`${set.name} has no pictures`);
    checkOrder(set, engine.metadata.labels);
    const agreement = checked.reference && new Agreement(checked.reference, set);
    const tally = new Tally(set, set.classes ?? engine.metadata.labels, checked.predictions ?? false, agreement);
    return withSignal(checked, async (scope) => {
      const classifier = new Classifier(engine, { ...checked, topK: 5, labels: tally.labels }, scope);
      await run(classifier, set, tally, scope);
      return tally.result(engine, classifier.classes);
    });
  });
}

async function run(classifier: Classifier, { samples }: Dataset, tally: Tally, scope: Scope): Promise<void> {
  let completed = 0;
  for await (const group of classifier.classify(samples.map(({ image }) => image))) {
    if (tally.empty && classifier.classes !== undefined) checkLabels(samples, classifier.classes);
    for (const prediction of group) {
      tally.add(prediction, (samples[completed] as Dataset['samples'][number]).label);
      completed += 1;
    }
    scope.report({ phase: 'evaluate', completed, total: samples.length });
  }
}

/** Names in another order than the network's would make right answers wrong ones. */
function checkOrder({ name, classes }: Dataset, labels: readonly string[] | undefined): void {
  if (classes === undefined || labels === undefined) return;
  const known = new Set(labels);
  const moved = classes.findIndex((label, index) => known.has(label) && labels[index] !== label);
  if (moved < 0) return;
  throw invalidDataset(
    `class ${JSON.stringify(classes[moved])} has index ${moved} in ${name} and ${labels.indexOf(classes[moved] as string)} in the network`,
    'open the data set with the network’s labels: openDataset(source, { labels: engine.metadata.labels })',
  );
}

function checkLabels(samples: Dataset['samples'], classes: number): void {
  const wrong = samples.find(({ label }) => label < 0 || label >= classes);
  if (wrong === undefined) return;
  throw invalidDataset(
    `${wrong.image.name} has label ${wrong.label}, but the network tells ${classes} classes apart`,
    'the data set and the network do not belong together, or its labels do not count from 0',
  );
}

/** Counts as predictions come in. */
class Tally {
  readonly labels: readonly string[] | undefined;
  readonly #dataset: Dataset;
  readonly #agreement: Agreement | undefined;
  readonly #predictions: PicturePrediction[] | undefined;
  readonly #skipped: Skipped[];
  /** How many pictures of a class (first index) were taken for another (second index). */
  readonly #taken = new Map<number, Map<number, number>>();
  readonly #seconds = new Map<string, number>();
  #total = 0;
  #top1 = 0;
  #top5 = 0;
  #unanswered = 0;

  constructor(
    dataset: Dataset,
    labels: readonly string[] | undefined,
    keep: boolean,
    agreement: Agreement | undefined,
  ) {
    this.#dataset = dataset;
    this.labels = labels;
    this.#predictions = keep ? [] : undefined;
    this.#agreement = agreement;
    this.#skipped = [...(dataset.skipped ?? [])];
  }

  get empty(): boolean {
    return this.#total === 0;
  }

  add({ image, top, timings, error }: Prediction, label: number): void {
    if (error !== undefined) {
      this.#skipped.push({ name: image, reason: error.message });
      return;
    }
    this.#total += 1;
    for (const [part, seconds] of Object.entries(timings)) {
      this.#seconds.set(part, (this.#seconds.get(part) ?? 0) + seconds);
    }
    // What overflowed is no answer, whichever class comes first.
    const answers = top.filter(({ logit }) => !Number.isNaN(logit)).map(({ index }) => index);
    const [best = -1] = answers;
    if (best < 0) this.#unanswered += 1;
    if (best === label) this.#top1 += 1;
    if (answers.includes(label)) this.#top5 += 1;
    const row = this.#taken.get(label) ?? new Map<number, number>();
    row.set(best, (row.get(best) ?? 0) + 1);
    this.#taken.set(label, row);
    this.#predictions?.push({ image, label, top });
    this.#agreement?.add(image, best);
  }

  result({ backend, precision, metadata }: Engine, classes: number | undefined): Evaluation {
    if (classes === undefined) {
      throw new PresisiError('ERR_PRESISI_INVALID_IMAGE', `no picture of ${this.#dataset.name} could be decoded`, {
        hint: this.#skipped[0]?.reason ?? 'check the data set',
      });
    }
    const { name, format } = this.#dataset;
    const total = this.#total;
    const warnings = [...(this.#dataset.warnings ?? [])];
    if (this.#unanswered > 0) {
      warnings.push(
        `for ${this.#unanswered} of ${total} pictures the network's output is no number; they count as wrong`,
      );
    }
    const model = metadata.model?.name;
    return {
      dataset: { name, format },
      engine: { ...(model !== undefined && { model }), backend, precision },
      classes,
      top1: shareOf(this.#top1, total),
      top5: { k: Math.min(5, classes), ...shareOf(this.#top5, total) },
      perClass: this.#perClass(),
      ...(this.#agreement && { agreement: this.#agreement.result() }),
      seconds: Object.fromEntries([...this.#seconds].map(([part, sum]) => [part, sum / total])) as unknown as Timings,
      skipped: this.#skipped,
      warnings,
      ...(this.#predictions && { predictions: this.#predictions }),
    };
  }

  #perClass(): ClassResult[] {
    const named = (index: number): { index: number; label?: string } => {
      const label = this.labels?.[index];
      return { index, ...(label !== undefined && { label }) };
    };
    return [...this.#taken]
      .sort(([a], [b]) => a - b)
      .map(([index, row]) => ({
        ...named(index),
        correct: row.get(index) ?? 0,
        total: [...row.values()].reduce((all, count) => all + count, 0),
        taken: [...row].sort(([a, m], [b, n]) => n - m || a - b).map(([other, count]) => ({ ...named(other), count })),
      }));
  }
}
