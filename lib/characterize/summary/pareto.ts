import type { VariantSummary } from '../summary.js';
import { knownTop1 } from './accuracy-summary.js';
import { speedAtOne } from './speed.js';

/** What variants are weighed by, less being better; `error` is 1 less top-1. */
interface Cost {
  readonly latency: number;
  readonly size: number;
  readonly error?: number;
  readonly energy?: number;
}

type Judged = Pick<VariantSummary, 'variant' | 'accuracy' | 'size' | 'speeds'>;

/** Undefined where latency at batch 1 or the size is unknown: such a variant can't be weighed. */
function costOf(judged: Judged): Cost | undefined {
  const speed = speedAtOne(judged.speeds);
  if (speed === undefined || judged.size === undefined) return undefined;
  const top1 = knownTop1(judged);
  return {
    latency: speed.p50.value,
    size: judged.size.engine,
    ...(top1 !== undefined && { error: 1 - top1 }),
    ...(speed.energy && { energy: speed.energy.value }),
  };
}

/**
 * The variants that no other beats: at least as good in accuracy, latency at batch 1 and size, and better in one; also in
 * energy, where that is known of all. Figures are taken as measured, intervals aside, so that the same results give the same
 * answer.
 *
 * Networks are weighed against each other only by all of these. One whose accuracy is unknown is weighed against its own
 * variants alone: that a small network is faster than a large one says nothing while nobody knows what either gets right.
 */
export function paretoBest<T extends Judged>(variants: readonly T[]): Set<T> {
  const costs = new Map<T, Cost>();
  for (const variant of variants) {
    const cost = costOf(variant);
    if (cost) costs.set(variant, cost);
  }
  const accurate = new Set(
    [...costs].filter(([, { error }]) => error !== undefined).map(([{ variant }]) => variant.model),
  );
  const arenas = new Map<string, T[]>();
  for (const [judged, { error }] of costs) {
    const { model } = judged.variant;
    // Where a model's accuracy was measured, a variant of it that lacks it (its trial failed) can't be weighed.
    if (accurate.has(model) && error === undefined) continue;
    const arena = accurate.has(model) ? '' : `model ${model}`;
    arenas.set(arena, [...(arenas.get(arena) ?? []), judged]);
  }
  const best = new Set<T>();
  for (const arena of arenas.values()) {
    const all = arena.map((judged) => costs.get(judged) as Cost);
    const criteria = (['error', 'latency', 'size', 'energy'] as const).filter((criterion) =>
      all.every((cost) => cost[criterion] !== undefined),
    );
    const beats = (a: Cost, b: Cost): boolean =>
      criteria.every((criterion) => (a[criterion] as number) <= (b[criterion] as number)) &&
      criteria.some((criterion) => (a[criterion] as number) < (b[criterion] as number));
    for (const judged of arena) {
      const own = costs.get(judged) as Cost;
      if (!all.some((other) => beats(other, own))) best.add(judged);
    }
  }
  return best;
}
