import type { Timeline } from './types.js';

/** A quantity's own samples: the moments it was read at, without those it was absent or not due at. */
export interface Series {
  /** Seconds since the timeline's start, ascending. */
  readonly times: readonly number[];
  /** Of a counter they never step back: a reading below an earlier one is no progress. */
  readonly values: readonly number[];
  /** Seconds without a sample beyond which nothing is known: see {@link silenceLimit}. */
  readonly silence: number;
}

/**
 * How long a source may say nothing before it counts as silent: three of its own sampling intervals, and at least a second,
 * since a busy device delays its sampler. Within that the value is taken to go straight from one sample to the next.
 */
export const silenceLimit = (interval: number): number => Math.max(1, 3 * interval);

const known = new WeakMap<Timeline, Map<string, Series>>();

/** The samples of a quantity; undefined where it was never read. Made once for a timeline, however many ask. */
export function seriesOf(timeline: Timeline, name: string): Series | undefined {
  const all = known.get(timeline) ?? new Map<string, Series>();
  known.set(timeline, all);
  const series = all.get(name) ?? extract(timeline, name);
  if (series.times.length === 0) return undefined;
  all.set(name, series);
  return series;
}

function extract(timeline: Timeline, name: string): Series {
  const column = timeline.columns[name] ?? [];
  const isCounter = timeline.quantities.some((quantity) => quantity.name === name && quantity.kind === 'counter');
  const times: number[] = [];
  const values: number[] = [];
  let highest = Number.NEGATIVE_INFINITY;
  for (const [i, value] of column.entries()) {
    const time = timeline.time[i];
    if (value === null || time === undefined) continue;
    highest = Math.max(highest, value);
    times.push(time);
    values.push(isCounter ? highest : value);
  }
  return { times, values, silence: silenceLimit(medianSpacing(times)) };
}

function medianSpacing(times: readonly number[]): number {
  const spacings = Float64Array.from(times.slice(1), (time, i) => time - (times[i] as number)).sort();
  return spacings[spacings.length >> 1] ?? 0;
}

/** How many samples lie before `time`. */
export function countBefore(times: readonly number[], time: number): number {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] as number) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The value at a moment: on the straight line between the samples around it; before the first and after the last, what
 * those said. Undefined where the source was silent then.
 */
export function valueAt({ times, values, silence }: Series, time: number): number | undefined {
  const next = countBefore(times, time);
  const [t0, v0] = [times[next - 1], values[next - 1]];
  const [t1, v1] = [times[next], values[next]];
  if (t1 !== undefined && v1 !== undefined) {
    if (t1 === time) return v1;
    if (t0 === undefined || v0 === undefined) return t1 - time <= silence ? v1 : undefined;
    return t1 - t0 <= silence ? v0 + ((v1 - v0) * (time - t0)) / (t1 - t0) : undefined;
  }
  return t0 !== undefined && time - t0 <= silence ? v0 : undefined;
}

/** The line through a stretch: its two ends, interpolated, and the samples between. Undefined where it has a silence. */
export function lineOf(
  series: Series,
  from: number,
  to: number,
): { readonly times: readonly number[]; readonly values: readonly number[] } | undefined {
  const [first, last] = [valueAt(series, from), valueAt(series, to)];
  if (first === undefined || last === undefined) return undefined;
  const begin = countBefore(series.times, from);
  const end = countBefore(series.times, to);
  const times = [from, ...series.times.slice(begin, end), to];
  for (let i = 1; i < times.length; i += 1) {
    if ((times[i] as number) - (times[i - 1] as number) > series.silence) return undefined;
  }
  return { times, values: [first, ...series.values.slice(begin, end), last] };
}
