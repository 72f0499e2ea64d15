import { readFileSync } from 'node:fs';

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle];
  if (upper === undefined || lower === undefined) throw new RangeError('Expected at least one value for the median');
  return (lower + upper) / 2;
}

/** Runs until both least numbers are reached, or the time is up. */
export interface Extent {
  readonly runs: number;
  readonly seconds: number;
  readonly limitSeconds: number;
}

/** What each run gives; at least one is made. */
export async function repeat<T>(run: () => Promise<T>, extent: Extent): Promise<T[]> {
  const found: T[] = [];
  const start = performance.now();
  let seconds: number;
  do {
    found.push(await run());
    seconds = (performance.now() - start) / 1000;
  } while ((found.length < extent.runs || seconds < extent.seconds) && seconds < extent.limitSeconds);
  return found;
}

/** A result and the wall milliseconds until it was there. */
export async function timed<T>(body: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const value = await body();
  return [value, performance.now() - start];
}

/** Of something that was done once. */
export interface Cost {
  readonly seconds: number;
  /** Of all threads of this process. */
  readonly cpuSeconds: number;
}

/** Wall and CPU time of `body`. */
export async function costOf(body: () => Promise<unknown>): Promise<Cost> {
  const before = process.cpuUsage();
  const [, milliseconds] = await timed(body);
  const { user, system } = process.cpuUsage(before);
  return { seconds: milliseconds / 1000, cpuSeconds: (user + system) / 1e6 };
}

function statusBytes(field: string): number {
  const kilobytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error(`/proc/self/status has no ${field}`);
  return Number(kilobytes) * 1024;
}

/** What a process has resident, in bytes. */
export interface Resident {
  readonly total: number;
  /** Of it pages of files, which the kernel can drop and other processes share. */
  readonly file: number;
}

/** Of this process; garbage of JavaScript is collected first where Node.js lets it. */
export function resident(): Resident {
  globalThis.gc?.();
  return { total: statusBytes('VmRSS'), file: statusBytes('RssFile') };
}

/**
 * Most memory this process had resident, in bytes. From VmHWM and not getrusage's ru_maxrss, which a new process
 * inherits from the one that started it.
 */
export const peakRssBytes = (): number => statusBytes('VmHWM');
