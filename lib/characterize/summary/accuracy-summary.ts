import { pairedInterval, shareOf } from '../../statistics.js';
import type { Accuracy, VariantSummary } from '../summary.js';
import type { Answered, Measured } from './measured.js';

type Answers = Answered['accuracy'];

/** How often a variant is right, and what it lost against the FP32 engine; undefined where it was not measured. */
export function accuracyOf(measured: Measured, exact: Measured | undefined, seeded: boolean): Accuracy | undefined {
  const own = measured.accuracy.at(-1)?.accuracy;
  if (own === undefined) return undefined;
  const { top1, top5 } = own;
  const reference = exact?.accuracy.at(-1)?.accuracy;
  if (reference === undefined || !samePictures(reference, own)) return { top1, top5, seeded };
  const agreed = own.predicted.filter((answer, index) => answer >= 0 && answer === reference.predicted[index]).length;
  return {
    top1,
    top5,
    agreement: shareOf(agreed, own.truth.length),
    drop: dropOf(reference, own),
    perClass: perClassOf(reference, own),
    seeded,
  };
}

/** Top-1 where it says something; undefined where it was not measured, or the weights are random. */
export const knownTop1 = ({ accuracy }: Pick<VariantSummary, 'accuracy'>): number | undefined =>
  accuracy === undefined || accuracy.seeded ? undefined : accuracy.top1.share;

/** What `now` lost against `before`; undefined where they did not answer the same pictures. */
export function pairedDrop(before: Measured, now: Measured): Accuracy['drop'] {
  const [a, b] = [before, now].map(({ accuracy }) => accuracy.at(-1)?.accuracy);
  return a && b && samePictures(a, b) ? dropOf(a, b) : undefined;
}

/** Whether two variants were asked the same, so that their answers can be compared one by one. */
const samePictures = (a: Answers, b: Answers): boolean =>
  a.dataset === b.dataset &&
  a.truth.length === b.truth.length &&
  a.truth.every((answer, index) => answer === b.truth[index]);

const right = ({ truth, predicted }: Answers, index: number): boolean => predicted[index] === truth[index];

/**
 * Top-1 of `before` less that of `now`. Both answered the same pictures, so only those that one of them got wrong say anything
 * about the difference: an interval that ignores the pairing would be far too wide.
 */
function dropOf(before: Answers, now: Answers): NonNullable<Accuracy['drop']> {
  const total = now.truth.length;
  let [lost, won] = [0, 0];
  for (let index = 0; index < total; index += 1) {
    if (right(before, index) === right(now, index)) continue;
    if (right(before, index)) lost += 1;
    else won += 1;
  }
  const interval = pairedInterval(lost, won, total);
  return {
    value: total === 0 ? 0 : (lost - won) / total,
    interval,
    beyondNoise: interval[0] > 0 || interval[1] < 0,
  };
}

/** Worst first: by the share of the class's pictures that were lost, then by their number. */
function perClassOf(before: Answers, now: Answers): NonNullable<Accuracy['perClass']> {
  const classes = [...new Set(now.truth)].sort((a, b) => a - b);
  const rows = classes.map((index) => {
    const pictures = now.truth.flatMap((answer, picture) => (answer === index ? [picture] : []));
    const label = now.labels?.[index];
    return {
      index,
      ...(label !== undefined && { label }),
      total: pictures.length,
      before: pictures.filter((picture) => right(before, picture)).length,
      now: pictures.filter((picture) => right(now, picture)).length,
    };
  });
  const lost = (row: (typeof rows)[number]): number => row.before - row.now;
  return rows.sort((a, b) => lost(b) / b.total - lost(a) / a.total || lost(b) - lost(a) || a.index - b.index);
}
