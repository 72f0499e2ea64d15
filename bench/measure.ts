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

/** Wall milliseconds of each run. */
export async function timeRuns(run: () => Promise<unknown>, extent: Extent): Promise<number[]> {
  const times: number[] = [];
  const start = performance.now();
  let now = start;
  do {
    await run();
    const end = performance.now();
    times.push(end - now);
    now = end;
  } while (
    (times.length < extent.runs || now - start < extent.seconds * 1000) &&
    now - start < extent.limitSeconds * 1000
  );
  return times;
}

/**
 * Most memory this process had resident, in bytes. From VmHWM and not getrusage's ru_maxrss, which a new process
 * inherits from the one that started it.
 */
export function peakRssBytes(): number {
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  if (kilobytes === undefined) throw new Error('/proc/self/status has no VmHWM');
  return Number(kilobytes) * 1024;
}
