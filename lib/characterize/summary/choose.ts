import { bytes, counted, inPercent, joules } from '../../units.js';
import type { Limits, Recommendation, Speed, VariantSummary } from '../summary.js';
import { knownTop1 } from './accuracy-summary.js';
import { paretoBest } from './pareto.js';
import { speedAtOne } from './speed.js';
import { whyOf } from './why.js';

/** Latencies that near the fastest one's, as a share, count as equal: less is not worth a point of accuracy. */
export const AS_FAST = 0.02;
const MOST_CLOSEST = 3;

/** One limit, as it is checked. */
export interface Criterion {
  readonly limit: Exclude<keyof Limits, 'model'>;
  readonly what: string;
  /** The accuracy must reach its limit; everything else must stay below. */
  readonly least?: boolean;
  /** Undefined where it is not known. */
  of(variant: VariantSummary): number | undefined;
  /** What it may as well be: the far end of its 95 % interval. */
  worst(variant: VariantSummary): number | undefined;
  show(value: number): string;
}

const atOne = (variant: VariantSummary): Speed | undefined => speedAtOne(variant.speeds);

/** The FP32 engine loses nothing against itself. */
function dropOf({ variant, accuracy }: VariantSummary): number | undefined {
  if (accuracy === undefined || accuracy.seeded) return undefined;
  if (variant.precision === 'fp32') return 0;
  return accuracy.drop && inPercent(accuracy.drop.value);
}

export const CRITERIA: readonly Criterion[] = [
  {
    limit: 'latency',
    what: 'latency at batch 1',
    of: (variant) => atOne(variant)?.p50.value,
    worst: (variant) => atOne(variant)?.p50.interval?.[1],
    show: (value) => `${value.toPrecision(3)} ms`,
  },
  {
    limit: 'accuracyDrop',
    what: 'loss of top-1',
    of: dropOf,
    worst: ({ accuracy }) => accuracy?.drop && inPercent(accuracy.drop.interval[1]),
    show: (value) => `${value.toFixed(2)} points`,
  },
  {
    limit: 'accuracy',
    what: 'top-1',
    least: true,
    of: (variant) => {
      const top1 = knownTop1(variant);
      return top1 === undefined ? undefined : inPercent(top1);
    },
    worst: ({ accuracy }) => accuracy && inPercent(accuracy.top1.interval[0]),
    show: (value) => `${value.toFixed(2)} %`,
  },
  {
    limit: 'size',
    what: 'engine file',
    of: ({ size }) => size?.engine,
    worst: () => undefined,
    show: bytes,
  },
  {
    limit: 'energy',
    what: 'energy of an inference',
    of: (variant) => atOne(variant)?.energy?.value,
    worst: (variant) => atOne(variant)?.energy?.interval?.[1],
    show: joules,
  },
  {
    limit: 'memory',
    what: 'peak memory while inferring',
    of: (variant) => atOne(variant)?.peakRss?.value,
    worst: (variant) => atOne(variant)?.peakRss?.interval?.[1],
    show: bytes,
  },
];

/** `latency at batch 1 at most 5.00 ms` */
export const demand = ({ what, least, show }: Criterion, limit: number): string =>
  `${what} at ${least ? 'least' : 'most'} ${show(limit)}`;

/** By how much a value is on the wrong side of its limit, as a share of that; 0 or less: it is kept. */
function excess(criterion: Criterion, variant: VariantSummary, limit: number): number {
  const value = criterion.of(variant);
  if (value === undefined) return Number.POSITIVE_INFINITY;
  return ((value - limit) * (criterion.least ? -1 : 1)) / (limit === 0 ? 1 : Math.abs(limit));
}

/**
 * What to deploy, by one rule that the same results and limits always answer the same:
 *
 * 1. Only engines of presisi's are candidates, and only those whose latency at batch 1 and size were measured.
 * 2. A candidate keeps every limit by the figure that was measured (medians, shares), not by its interval. What is not
 *    known keeps no limit.
 * 3. Of these, the ones that no other beats in accuracy, latency, size and, where all have it, energy: {@link paretoBest}.
 * 4. The fastest at batch 1 is first. Those within 2 % of it count as equally fast, and among them the most accurate is
 *    first, then the one that takes least energy, then the smallest, then by name. So on for the rest.
 */
export function choose(variants: readonly VariantSummary[], limits: Limits): Recommendation {
  const { model } = limits;
  const asked = CRITERIA.flatMap((criterion) => {
    const limit = limits[criterion.limit];
    return limit === undefined ? [] : [{ criterion, limit }];
  });
  const own = variants.filter(({ variant }) => variant.framework === 'presisi' && (!model || variant.model === model));
  const weighed = own.filter((variant) => atOne(variant) !== undefined && variant.size !== undefined);
  const keeping = weighed.filter((variant) =>
    asked.every(({ criterion, limit }) => excess(criterion, variant, limit) <= 0),
  );
  const candidates = ranked([...paretoBest(keeping)]);
  const [best] = candidates;
  const left = own.length - weighed.length;
  const unweighed =
    left > 0 ? [`${counted(left, 'variant')} could not be weighed: latency or size was not measured.`] : [];
  if (best !== undefined) {
    return { best, why: [...whyOf(best, candidates, keeping, variants, asked), ...unweighed], candidates, closest: [] };
  }
  const counts = asked.map(({ criterion, limit }) => {
    const keep = weighed.filter((variant) => excess(criterion, variant, limit) <= 0).length;
    return `${demand(criterion, limit)} is kept by ${keep} of ${weighed.length}`;
  });
  const none =
    counts.length > 0 ? `No variant keeps every limit: ${counts.join('; ')}.` : 'No variant could be weighed.';
  return { why: [none, ...unweighed], candidates: [], closest: closestOf(weighed, asked) };
}

function ranked(candidates: readonly VariantSummary[]): VariantSummary[] {
  const latency = (variant: VariantSummary): number => atOne(variant)?.p50.value ?? Number.POSITIVE_INFINITY;
  const keys = (variant: VariantSummary): number[] => [
    1 - (knownTop1(variant) ?? 0),
    atOne(variant)?.energy?.value ?? Number.POSITIVE_INFINITY,
    variant.size?.engine ?? Number.POSITIVE_INFINITY,
  ];
  const order = (a: VariantSummary, b: VariantSummary): number => {
    const [x, y] = [keys(a), keys(b)];
    const differs = x.findIndex((value, index) => value !== y[index]);
    return differs < 0
      ? a.variant.id.localeCompare(b.variant.id, 'en')
      : (x[differs] as number) - (y[differs] as number);
  };
  const left = new Set(candidates);
  const sorted: VariantSummary[] = [];
  while (left.size > 0) {
    const fastest = Math.min(...[...left].map(latency));
    const [next] = [...left].filter((variant) => latency(variant) <= fastest * (1 + AS_FAST)).sort(order);
    left.delete(next as VariantSummary);
    sorted.push(next as VariantSummary);
  }
  return sorted;
}

type Asked = readonly { readonly criterion: Criterion; readonly limit: number }[];

/** Those whose worst miss, as a share of the limit, is least; then by all their misses together. */
function closestOf(weighed: readonly VariantSummary[], asked: Asked): Recommendation['closest'] {
  const rows = weighed.map((variant) => {
    const missed = asked
      .map(({ criterion, limit }) => ({ criterion, limit, by: excess(criterion, variant, limit) }))
      .filter(({ by }) => by > 0);
    const worst = Math.max(...missed.map(({ by }) => by));
    return { variant, missed, worst, all: missed.reduce((sum, { by }) => sum + by, 0) };
  });
  rows.sort((a, b) => compare(a.worst, b.worst) || compare(a.all, b.all));
  return rows.slice(0, MOST_CLOSEST).map(({ variant, missed }) => ({
    variant,
    misses: missed.map(({ criterion, limit, by }) => {
      const value = criterion.of(variant);
      if (value === undefined) return `${criterion.what} is not known`;
      const far = limit === 0 ? '' : `, ${(by * 100).toFixed(0)} % ${criterion.least ? 'below' : 'above'} it`;
      return `${criterion.what} ${criterion.show(value)}, the limit is ${criterion.show(limit)}${far}`;
    }),
  }));
}

/** Subtraction would make NaN of two infinities. */
const compare = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1);
