import { median } from '../../statistics.js';
import { seriesOf } from '../../telemetry/series.js';
import { differenceOf, meanOf, peakOf } from '../../telemetry/timeline.js';
import type { Timeline } from '../../telemetry/types.js';
import type { Experiment } from '../experiment.js';
import type { Flag } from '../results.js';
import type { Window } from './measured.js';

/** What a trial is judged by. */
export interface Observed {
  readonly timeline: Timeline;
  readonly window: Window;
  readonly steady?: Window;
  /** Bytes that the system moved between memory and swap meanwhile. */
  readonly swapped?: number;
}

/** More than a little housekeeping of the kernel's. */
const SWAPPED_BYTES = 2 ** 20;

/** Beyond this share of samples missing, what happened is guesswork. */
const MISSING_SHARE = 0.05;

/** The kernel counts CPU time in hundredths of a second, and a share may be a tick off at either end, in user and system. */
const TICKS_SECONDS = 0.02;

/** Parts that a stretch is cut into to see whether a clock moves, and samples that each needs at least. */
const PARTS = 5;
const SAMPLES_PER_PART = 2;

/** A processor less busy than this doesn't decide how long things take, and its clock may do as it likes. */
const BUSY_CORES = 0.5;
const BUSY_GPU = 0.5;

/** Why a trial may not be believed; empty: nothing speaks against it. What wasn't read gives no flag. */
export function flagsOf(observed: Observed, limits: Experiment['disturbance']): Flag[] {
  return [
    ...clockFlags(observed, limits.clock),
    ...throttleFlags(observed),
    ...cpuFlags(observed, limits),
    ...swapFlags(observed),
    ...samplerFlags(observed),
  ];
}

/**
 * Clocks within the steady part: the median of each fifth of it, so that a single odd reading counts for nothing. A clock
 * that rises from the first fifth is a governor that woke up; any other difference between the fifths is a clock that moved.
 * Of the cores the fastest counts at every moment: idle ones slow down, and say nothing about those that work.
 */
function clockFlags({ timeline, steady }: Observed, limit: number): Flag[] {
  if (steady === undefined) return [];
  const { from, to } = steady;
  const cores = namesOf(timeline, /^clock\.cpu\.\d+$/);
  const busyCores = ownCpu(timeline, steady);
  const busyGpu = meanOf(timeline, 'gpu.load', from, to);
  const watched = [
    { what: 'the fastest core', names: cores, idle: busyCores !== undefined && busyCores / (to - from) < BUSY_CORES },
    { what: 'the GPU', names: ['gpu.clock'], idle: busyGpu !== undefined && busyGpu < BUSY_GPU },
  ];
  return watched.flatMap(({ what, names, idle }): Flag[] => {
    const range = idle ? undefined : rangeOf(fastest(timeline, names, steady));
    if (range === undefined) return [];
    const [low, high] = range;
    const value = (high - low) / high;
    if (value <= limit) return [];
    const megahertz = (clock: number): string => `${Math.round(clock / 1e6)} MHz`;
    return [{ kind: 'clock', detail: `${what} ran at ${megahertz(low)} to ${megahertz(high)}`, value, limit }];
  });
}

/** The largest of some gauges at each moment they were read. */
function fastest(timeline: Timeline, names: readonly string[], { from, to }: Window): number[] {
  const highest = new Map<number, number>();
  for (const name of names) {
    const { times = [], values = [] } = seriesOf(timeline, name) ?? {};
    for (const [index, time] of times.entries()) {
      const at = timeline.start + time;
      if (at < from || at > to) continue;
      highest.set(time, Math.max(highest.get(time) ?? 0, values[index] as number));
    }
  }
  return [...highest].sort(([a], [b]) => a - b).map(([, value]) => value);
}

/** The lowest and the highest of the parts' medians; undefined where there are too few samples to tell. */
function rangeOf(values: readonly number[]): readonly [number, number] | undefined {
  if (values.length < PARTS * SAMPLES_PER_PART) return undefined;
  const cut = (part: number): number => Math.floor((part * values.length) / PARTS);
  const parts = Array.from({ length: PARTS }, (_, part) => median(values.slice(cut(part), cut(part + 1))));
  const [first = 0, ...rest] = parts;
  const settled = first < Math.min(...rest) ? rest : parts;
  return [Math.min(...settled), Math.max(...settled)];
}

function throttleFlags({ timeline, window: { from, to } }: Observed): Flag[] {
  const cores = namesOf(timeline, /^throttle\.cpu\.\d+$/);
  const grown = cores.flatMap((name) => differenceOf(timeline, name, from, to) ?? []);
  const times = Math.round(grown.reduce((sum, count) => sum + count, 0));
  const flags: Flag[] = [];
  if (times > 0) {
    const slowed = grown.filter((count) => count > 0).length;
    const detail = `${slowed === 1 ? 'a core was' : `${slowed} cores were`} slowed down, ${times} times in all`;
    flags.push({ kind: 'throttle', detail, value: times, limit: 0 });
  }
  const share = meanOf(timeline, 'gpu.throttle', from, to) ?? 0;
  if ((peakOf(timeline, 'gpu.throttle', from, to) ?? 0) > 0) {
    const percent = (share * 100).toFixed(0);
    flags.push({
      kind: 'throttle',
      detail: `the GPU was slowed down ${percent} % of the time`,
      value: share,
      limit: 0,
    });
  }
  return flags;
}

/** What others took of the CPU: other processes, and whoever shares the machine with a virtual one. */
function cpuFlags({ timeline, window }: Observed, limits: Experiment['disturbance']): Flag[] {
  const { from, to } = window;
  const cores = namesOf(timeline, /^system\.cpu\.\d+\.user$/).map((name) => name.replace(/\.user$/, ''));
  const capacity = cores.length * (to - from);
  const sum = (part: string): number | undefined =>
    total(cores.map((core) => differenceOf(timeline, `${core}.${part}`, from, to)));
  const flags: Flag[] = [];
  const judge = (kind: Flag['kind'], who: string, seconds: number | undefined, limit: number): void => {
    if (seconds === undefined || capacity === 0) return;
    const value = seconds / capacity;
    if (value - TICKS_SECONDS / (to - from) <= limit) return;
    flags.push({ kind, detail: `${who} took ${(value * 100).toFixed(0)} % of the CPU`, value, limit });
  };
  const [busy, own] = [total([sum('user'), sum('system')]), ownCpu(timeline, window)];
  const foreign = busy === undefined || own === undefined ? undefined : busy - own;
  judge('foreign-load', 'other processes', foreign, limits.foreignLoad);
  judge('steal', 'the hypervisor', sum('steal'), limits.steal);
  return flags;
}

/** CPU seconds of the trial's process and its children. */
const ownCpu = (timeline: Timeline, { from, to }: Window): number | undefined =>
  total(['user', 'system'].map((part) => differenceOf(timeline, `process.cpu.${part}`, from, to)));

function swapFlags({ swapped }: Observed): Flag[] {
  if (swapped === undefined || swapped <= SWAPPED_BYTES) return [];
  const detail = `${(swapped / 1e6).toFixed(0)} MB were moved between memory and swap`;
  return [{ kind: 'swap', detail, value: swapped, limit: SWAPPED_BYTES }];
}

function samplerFlags({ timeline: { sampler } }: Observed): Flag[] {
  const { samples, lost, missed } = sampler;
  const value = (lost + missed) / Math.max(1, samples + lost + missed);
  if (value <= MISSING_SHARE) return [];
  const detail = `${lost + missed} of ${samples + lost + missed} samples are missing`;
  return [{ kind: 'sampler', detail, value, limit: MISSING_SHARE }];
}

const namesOf = ({ quantities }: Timeline, pattern: RegExp): string[] =>
  quantities.map(({ name }) => name).filter((name) => pattern.test(name));

/** All of them or nothing. */
const total = (parts: readonly (number | undefined)[]): number | undefined =>
  parts.length === 0 || parts.includes(undefined)
    ? undefined
    : (parts as readonly number[]).reduce((sum, part) => sum + part, 0);
