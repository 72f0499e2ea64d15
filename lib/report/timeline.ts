import type { CompressTrial, Results } from '../characterize/results.js';
import type { Timeline as Recorded, Span } from '../telemetry/types.js';

/** Of a recording, what is drawn. */
type Timeline = Pick<Recorded, 'start' | 'time' | 'columns'>;

/** A quantity over time, thinned for drawing. */
export interface Track {
  readonly name: string;
  readonly unit: 'cores' | 'B' | 'share' | 'W';
  /** Seconds from the start, and the value; runs between gaps. */
  readonly runs: readonly (readonly (readonly [number, number])[])[];
}

/** A step with what it used. */
export interface TimelineStep {
  readonly phase: string;
  readonly name: string;
  readonly start: number;
  readonly seconds: number;
}

export interface Recording {
  readonly seconds: number;
  readonly steps: readonly TimelineStep[];
  readonly tracks: readonly Track[];
}

/** Points drawn of a track at most, twice: the least and the most of every stretch. */
const STRETCHES = 130;

type Point = readonly [number, number];

/** What a variant's first repeat recorded; undefined where it recorded nothing. */
export function recordingOf({ trials }: Results, variant: string): Recording | undefined {
  const recorded = trials.filter(
    (trial): trial is CompressTrial =>
      trial.kind === 'compress' && trial.variant === variant && trial.compress?.timeline !== undefined,
  );
  const trial = recorded.filter(({ flags }) => flags.length === 0).at(-1) ?? recorded.at(-1);
  const compress = trial?.compress;
  const timeline = compress?.timeline;
  const start = compress?.spans[0]?.start;
  if (compress === undefined || timeline === undefined || start === undefined) return undefined;
  const seconds = Math.max(...compress.spans.map((span) => span.start + span.seconds)) - start;
  const rails = Object.values(compress.resources).find(({ energy }) => energy?.[0])?.energy?.[0]?.rails ?? [];
  const tracks = [
    cpu(timeline),
    gauge(timeline, 'resident memory', 'B', ['process.rss']),
    gauge(timeline, 'GPU load', 'share', ['gpu.load']),
    power(timeline, rails),
  ];
  return {
    seconds,
    steps: compress.spans.flatMap((root) => stepsOf(root, start)),
    tracks: tracks.flatMap((track) => {
      const shifted = track && thin(track, timeline.start - start, seconds);
      return shifted && shifted.runs.length > 0 ? [shifted] : [];
    }),
  };
}

const stepsOf = (root: Span, origin: number): TimelineStep[] =>
  (root.spans.length > 0 ? root.spans : [root]).map(({ name, start, seconds }) => ({
    phase: root.name,
    name,
    start: start - origin,
    seconds,
  }));

interface RawTrack extends Omit<Track, 'runs'> {
  /** A counter is drawn as its slope. */
  readonly counter: boolean;
  readonly points: readonly Point[];
}

function columns({ time, columns: all }: Timeline, names: readonly string[]): Point[] {
  const found = names.flatMap((name) => (all[name] ? [all[name]] : []));
  if (found.length === 0 || found.length < names.length) return [];
  return time.flatMap((at, index): Point[] => {
    const values = found.map((column) => column[index] ?? null);
    return values.includes(null) ? [] : [[at, (values as number[]).reduce((sum, value) => sum + value, 0)]];
  });
}

function cpu(timeline: Timeline): RawTrack | undefined {
  const both = columns(timeline, ['process.cpu.user', 'process.cpu.system']);
  if (both.length > 0) return { name: 'CPU', unit: 'cores', counter: true, points: both };
  const points = columns(timeline, ['process.cpu.user']);
  return points.length > 0 ? { name: 'CPU, user time only', unit: 'cores', counter: true, points } : undefined;
}

function gauge(timeline: Timeline, name: string, unit: Track['unit'], names: readonly string[]): RawTrack | undefined {
  const points = columns(timeline, names);
  return points.length > 0 ? { name, unit, counter: false, points } : undefined;
}

/** The rails the trial's energy was added up from: of counters of energy, the slope. */
function power(timeline: Timeline, rails: readonly string[]): RawTrack | undefined {
  if (rails.length === 0) return undefined;
  const track = gauge(
    timeline,
    `power of ${rails.map((rail) => rail.replace(/^[a-z]+\./, '')).join(' + ')}`,
    'W',
    rails,
  );
  return track && { ...track, counter: rails.every((rail) => rail.startsWith('energy.')) };
}

function thin(track: RawTrack, shift: number, seconds: number): Track {
  const { name, unit, counter } = track;
  const points = track.points.map(([at, value]): Point => [at + shift, value]);
  const inside = points.filter(([at]) => at >= -0.05 * seconds && at <= seconds * 1.05);
  const runs = split(inside).map((run) => (counter ? slopes(run, seconds) : extremes(run, seconds)));
  return { name, unit, runs: runs.filter((run) => run.length > 1) };
}

/** Apart where nothing was read for much longer than usual: a line would invent what was between. */
function split(points: readonly Point[]): Point[][] {
  const gaps = points.slice(1).map(([at], index) => at - (points[index] as Point)[0]);
  const usual = [...gaps].sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
  const runs: Point[][] = [[]];
  for (const [index, point] of points.entries()) {
    if (index > 0 && (gaps[index - 1] as number) > 10 * usual) runs.push([]);
    runs.at(-1)?.push(point);
  }
  return runs;
}

function stretches(points: readonly Point[], seconds: number): Point[][] {
  const groups = new Map<number, Point[]>();
  for (const point of points) {
    const index = Math.floor((point[0] / seconds) * STRETCHES);
    groups.set(index, [...(groups.get(index) ?? []), point]);
  }
  return [...groups.values()];
}

/** The least and the most of every stretch, in the order they came: no peak is lost. */
const extremes = (points: readonly Point[], seconds: number): Point[] =>
  stretches(points, seconds).flatMap((stretch) => {
    const least = stretch.reduce((a, b) => (b[1] < a[1] ? b : a));
    const most = stretch.reduce((a, b) => (b[1] > a[1] ? b : a));
    if (least === most) return [least];
    return least[0] < most[0] ? [least, most] : [most, least];
  });

/**
 * A counter's mean slope over every stretch. Not from sample to sample: the kernel counts CPU time in hundredths of a
 * second, and at a hundred samples a second that is all or nothing. A stretch is at least a tenth of a second.
 */
function slopes(points: readonly Point[], seconds: number): Point[] {
  const step = Math.max(seconds / STRETCHES, 0.1);
  const slope: Point[] = [];
  let from = points[0];
  for (const point of points.slice(1)) {
    if (from === undefined) break;
    const elapsed = point[0] - from[0];
    if (elapsed < step * 0.999) continue;
    const value = Math.max(0, (point[1] - from[1]) / elapsed);
    if (slope.length === 0) slope.push([from[0], value]);
    slope.push([point[0], value]);
    from = point;
  }
  return slope;
}

/** Of a track within a stretch of time: mean over time, and the most. */
export function within(
  track: Track,
  from: number,
  to: number,
): { readonly mean: number; readonly most: number } | undefined {
  const values = track.runs
    .flat()
    .filter(([at]) => at >= from && at <= to)
    .map(([, value]) => value);
  if (values.length === 0) return undefined;
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, most: Math.max(...values) };
}
