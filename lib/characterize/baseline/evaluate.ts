import { topOf } from '../../classifier.js';
import { type Dataset, invalidDataset } from '../../datasets/dataset.js';
import { type DecodedImage, decodeImage, decodeImages, inBatches } from '../../images.js';
import { completePreprocessing, imageInput, type Preprocessing } from '../../preprocess.js';
import { shareOf } from '../../statistics.js';
import type { AccuracyTrial } from '../results.js';
import type { FrameworkNetwork } from './network.js';

type Accuracy = NonNullable<AccuracyTrial['accuracy']>;

/** As evaluate() takes them. */
const BATCH = 8;
const TOP = 5;

export interface EvaluationScope {
  readonly signal: AbortSignal;
  report(completed: number, total: number): void;
}

/** The preprocessing an engine of the same network gets where nobody chooses another. */
const preprocessingOf = ({ dims }: FrameworkNetwork): Preprocessing =>
  completePreprocessing({}, imageInput([{ name: 'input', type: 'float32', dims }]));

/** The batch a network insists on. */
const fixedBatch = ({ dims: [batch = -1] }: FrameworkNetwork): number | undefined => (batch > 0 ? batch : undefined);

/**
 * Has a framework name every picture of a data set. Pictures are decoded and normalised as for presisi's own engines, so that
 * a difference between the two is a difference of the networks' executions alone.
 */
export async function evaluateNetwork(
  network: FrameworkNetwork,
  { name, samples, skipped }: Dataset,
  { signal, report }: EvaluationScope,
): Promise<Omit<Accuracy, 'labels' | 'breakdown'>> {
  const preprocessing = preprocessingOf(network);
  const predicted: number[] = [];
  let [right, among, classes] = [0, 0, 0];
  const decoded = decodeImages(
    samples.map(({ image }) => image),
    preprocessing,
    signal,
  );
  for await (const group of inBatches(decoded, fixedBatch(network) ?? BATCH)) {
    signal.throwIfAborted();
    const { answers } = await classify(network, group, preprocessing);
    for (const logits of answers) {
      classes = logits.length;
      const label = samples[predicted.length]?.label as number;
      const best = topOf(logits, TOP, undefined).filter(({ logit }) => !Number.isNaN(logit));
      predicted.push(best[0]?.index ?? -1);
      if (best[0]?.index === label) right += 1;
      if (best.some(({ index }) => index === label)) among += 1;
    }
    report(predicted.length, samples.length);
  }
  const truth = samples.map(({ label }) => label);
  const wrong = truth.find((label) => label < 0 || label >= classes);
  if (wrong !== undefined) {
    throw invalidDataset(`${name} has label ${wrong}, but the network tells ${classes} classes apart`);
  }
  const count = ({ interval, ...share }: ReturnType<typeof shareOf>) => ({
    ...share,
    interval: [...interval] as [number, number],
  });
  return {
    dataset: name,
    classes,
    truth,
    predicted,
    top1: count(shareOf(right, predicted.length)),
    top5: { k: Math.min(TOP, classes), ...count(shareOf(among, predicted.length)) },
    skipped: skipped.length,
  };
}

/** Takes pictures through every step one after the other; absent where the network takes no single picture. */
export async function timeSteps(
  network: FrameworkNetwork,
  samples: Dataset['samples'],
  signal: AbortSignal,
): Promise<Accuracy['breakdown']> {
  if ((fixedBatch(network) ?? 1) > 1) return undefined;
  const preprocessing = preprocessingOf(network);
  const sums = { decode: 0, preprocess: 0, compute: 0, postprocess: 0 };
  for (const { image } of samples) {
    signal.throwIfAborted();
    const decoded = await decodeImage(image, preprocessing);
    const { answers, preprocess, compute } = await classify(network, [decoded], preprocessing);
    const answered = performance.now();
    topOf(answers[0] as Float32Array, TOP, undefined);
    sums.decode += decoded.seconds;
    sums.preprocess += preprocess;
    sums.compute += compute;
    sums.postprocess += (performance.now() - answered) / 1000;
  }
  const mean = (sum: number): number => sum / samples.length;
  const steps = {
    decode: mean(sums.decode),
    preprocess: mean(sums.preprocess),
    compute: mean(sums.compute),
    postprocess: mean(sums.postprocess),
  };
  return { ...steps, total: Object.values(steps).reduce((sum, step) => sum + step, 0) };
}

/** The answers for a batch, a row for each picture, and the seconds that normalising and the framework took. */
async function classify(
  network: FrameworkNetwork,
  group: readonly DecodedImage[],
  preprocessing: Preprocessing,
): Promise<{ answers: Float32Array[]; preprocess: number; compute: number }> {
  const start = performance.now();
  const pixels = group.map(({ pixels: found, error }) => {
    if (found === undefined) throw error;
    return found;
  });
  const count = fixedBatch(network) ?? pixels.length;
  const pictures = normalise(pixels, count, preprocessing);
  const preprocess = (performance.now() - start) / 1000;
  const { logits, seconds } = await network.run(pictures, count);
  const classes = logits.length / count;
  const answers = pixels.map((_, row) => logits.subarray(row * classes, (row + 1) * classes));
  return { answers, preprocess, compute: seconds };
}

/** What the addon makes of bytes: `(byte · scale − mean) / std` in double precision, rounded once; room for `count` pictures. */
export function normalise(pixels: readonly Uint8Array[], count: number, preprocessing: Preprocessing): Float32Array {
  const { crop, scale, mean, std, layout, channels } = preprocessing;
  const area = crop * crop;
  const tables = mean.map((centre, channel) =>
    Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - centre) / (std[channel] as number)),
  );
  const [step, plane] = layout === 'NCHW' ? [1, area] : [3, 1];
  const pictures = new Float32Array(count * 3 * area);
  for (const [index, picture] of pixels.entries()) {
    for (const [channel, table] of tables.entries()) {
      const source = channels === 'RGB' ? channel : 2 - channel;
      let target = index * 3 * area + channel * plane;
      for (let at = source; at < 3 * area; at += 3, target += step) {
        pictures[target] = table[picture[at] as number] as number;
      }
    }
  }
  return pictures;
}
