import { invalidArgument } from '../errors.js';
import { countBefore, lineOf, type Series, seriesOf, valueAt } from './series.js';
import type { Quantity, Timeline } from './types.js';

/**
 * What the functions below compute over a stretch of time, of whatever holds samples. Everything is undefined where it
 * isn't known: the quantity was never read, or, but for peaks, its source was silent for a part of the stretch.
 */
export interface Stretch {
  readonly seconds: number;
  readonly quantities: readonly Quantity[];
  /** Of a gauge; with the seconds it covers. */
  integral(name: string): { readonly value: number; readonly seconds: number } | undefined;
  /** Of a counter; with the seconds it covers. */
  difference(name: string): { readonly value: number; readonly seconds: number } | undefined;
  mean(name: string): number | undefined;
  peak(name: string): number | undefined;
  /** Of a gauge that only grows: where it came to, if it grew between two samples within the stretch. */
  growth(name: string): number | undefined;
}

/**
 * The samples from one moment to another, both included.
 * @param from seconds of the monotonic clock, as {@link Timeline.start} and `Span.start` are
 * @returns a timeline of its own; `sampler` is still that of the whole recording
 */
export function sliceTimeline(timeline: Timeline, from: number, to: number): Timeline {
  checkStretch(from, to);
  const kept = timeline.time.flatMap((time, i) => {
    const at = timeline.start + time;
    return at >= from && at <= to ? [i] : [];
  });
  const [first = 0, last = -1] = [kept[0], kept.at(-1)];
  const offset = timeline.time[first] ?? 0;
  return {
    ...timeline,
    start: timeline.start + offset,
    time: timeline.time.slice(first, last + 1).map((time) => time - offset),
    columns: Object.fromEntries(
      Object.entries(timeline.columns).map(([name, column]) => [name, column.slice(first, last + 1)]),
    ),
  };
}

/**
 * The integral of a gauge, such as joules from a power in watts: trapezoids over the gauge's own samples, its two ends
 * interpolated. Undefined where the gauge was never read, or silent for a part of the time: longer than three of its own
 * sampling intervals and than a second.
 */
export const integralOf = (timeline: Timeline, name: string, from: number, to: number): number | undefined =>
  over(timeline, name, from, to, (series, begin, end) => {
    const line = lineOf(series, begin, end);
    if (line === undefined) return undefined;
    const { times, values } = line;
    let sum = 0;
    for (let i = 1; i < times.length; i += 1) {
      const width = (times[i] as number) - (times[i - 1] as number);
      sum += (width * ((values[i] as number) + (values[i - 1] as number))) / 2;
    }
    return sum;
  });

/**
 * How much a counter grew, interpolated at the two ends; never negative. Undefined where it was never read, or was silent
 * at one of the ends. A silence between them does no harm.
 */
export const differenceOf = (timeline: Timeline, name: string, from: number, to: number): number | undefined =>
  over(timeline, name, from, to, (series, begin, end) => {
    const [first, last] = [valueAt(series, begin), valueAt(series, end)];
    return first === undefined || last === undefined ? undefined : last - first;
  });

/** The mean of a gauge, by time. Undefined where {@link integralOf} is. */
export function meanOf(timeline: Timeline, name: string, from: number, to: number): number | undefined {
  if (from === to) return over(timeline, name, from, to, valueAt);
  const integral = integralOf(timeline, name, from, to);
  return integral === undefined ? undefined : integral / (to - from);
}

/**
 * The largest value of a gauge that was seen: of its samples, and of its interpolated ends, so that it is never below the
 * mean. What happened between two samples, or in a silence, is unknown. Undefined where nothing was seen.
 */
export const peakOf = (timeline: Timeline, name: string, from: number, to: number): number | undefined =>
  over(timeline, name, from, to, (series, begin, end) => {
    const within = series.values.slice(countBefore(series.times, begin), countBefore(series.times, end));
    const seen = [valueAt(series, begin), ...within, valueAt(series, end)].filter((value) => value !== undefined);
    return seen.length === 0 ? undefined : seen.reduce((highest, value) => Math.max(highest, value));
  });

/** Seconds: what adding and subtracting a moment of the monotonic clock may lose, and far below any interval. */
const ROUNDING = 1e-6;

const growthOf = (timeline: Timeline, name: string, from: number, to: number): number | undefined =>
  over(timeline, name, from, to, ({ times, values }, begin, end) => {
    const within = values.slice(countBefore(times, begin - ROUNDING), countBefore(times, end + ROUNDING));
    const [first, last] = [within[0], within.at(-1)];
    return first !== undefined && last !== undefined && last > first ? last : undefined;
  });

/** A part of a timeline. */
export function stretchOf(timeline: Timeline, from: number, to: number): Stretch {
  checkStretch(from, to);
  const seconds = to - from;
  const covered = (value: number | undefined) => (value === undefined ? undefined : { value, seconds });
  return {
    seconds,
    quantities: timeline.quantities,
    integral: (name) => covered(integralOf(timeline, name, from, to)),
    difference: (name) => covered(differenceOf(timeline, name, from, to)),
    mean: (name) => meanOf(timeline, name, from, to),
    peak: (name) => peakOf(timeline, name, from, to),
    growth: (name) => growthOf(timeline, name, from, to),
  };
}

function over<T>(
  timeline: Timeline,
  name: string,
  from: number,
  to: number,
  compute: (series: Series, from: number, to: number) => T | undefined,
): T | undefined {
  checkStretch(from, to);
  const series = seriesOf(timeline, name);
  return series && compute(series, from - timeline.start, to - timeline.start);
}

function checkStretch(from: number, to: number): void {
  if (!Number.isFinite(from)) throw invalidArgument('seconds of the monotonic clock', 'from', from);
  if (!(Number.isFinite(to) && to >= from)) throw invalidArgument(`seconds, at least from (${from}),`, 'to', to);
}
