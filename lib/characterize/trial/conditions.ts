import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { promisify } from 'node:util';
import { present } from '../../options.js';
import type { Timeline } from '../../telemetry/types.js';
import { systemText } from '../device/system.js';
import type { Conditions } from '../results.js';
import type { TrialTask } from '../task.js';

const run = promisify(execFile);
const FINCORE_MILLISECONDS = 5000;

/** What surrounds a trial and telemetry doesn't sample. */
export interface Surroundings {
  /** ISO 8601. */
  readonly time: string;
  readonly pageCache?: { readonly cached: number; readonly size: number };
  /** Bytes that the system has moved between memory and swap since it was started. */
  readonly swapped?: number;
}

export async function readSurroundings(task: TrialTask): Promise<Surroundings> {
  const time = new Date().toISOString();
  const [pageCache, swapped] = await Promise.all([
    cachedOf(filesOf(task)),
    swappedBytes(task.experiment.telemetry.root),
  ]);
  return { time, ...present({ pageCache, swapped }) };
}

/** Every file that a trial reads or writes; some come to be in its course. */
const filesOf = ({ model, onnx, network }: TrialTask): string[] =>
  [model.path, onnx, network].filter((path) => path !== undefined && path !== '') as string[];

/** How much of the files lies in the page cache, as util-linux's fincore tells; absent where there is none of either. */
async function cachedOf(files: readonly string[]): Promise<Surroundings['pageCache']> {
  const there = await Promise.all(
    files.map((file) =>
      access(file)
        .then(() => [file])
        .catch(() => []),
    ),
  );
  if (there.flat().length === 0) return undefined;
  try {
    const asked = ['--bytes', '--raw', '--noheadings', '--output', 'RES,SIZE', '--', ...there.flat()];
    const { stdout } = await run('fincore', asked, { timeout: FINCORE_MILLISECONDS });
    const rows = stdout
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number));
    const sum = (column: number): number => rows.reduce((total, row) => total + (row[column] ?? Number.NaN), 0);
    const [cached, size] = [sum(0), sum(1)];
    return Number.isFinite(cached) && Number.isFinite(size) ? { cached, size } : undefined;
  } catch {
    return undefined;
  }
}

/** `pswpin` and `pswpout` count pages of 4 KiB, or of what the kernel was configured with: Jetsons and most ARM have 4 KiB, too. */
const PAGE_BYTES = 4096;

async function swappedBytes(root = ''): Promise<number | undefined> {
  const text = (await systemText(root, '/proc/vmstat')) ?? '';
  const pages = [...text.matchAll(/^pswp(?:in|out) (\d+)$/gm)].map(([, count]) => Number(count));
  return pages.length === 2 ? pages.reduce((sum, count) => sum + count, 0) * PAGE_BYTES : undefined;
}

/** What a recording saw first, or last. */
export function conditionsOf(
  { time, pageCache }: Surroundings,
  timeline: Timeline | undefined,
  end: 'first' | 'last',
): Conditions {
  const at = (name: string): number | undefined => {
    const known = timeline?.columns[name]?.filter((value) => value !== null) ?? [];
    return end === 'first' ? known[0] : known.at(-1);
  };
  const named = (prefix: string): [string, number][] =>
    (timeline?.quantities ?? []).flatMap(({ name }): [string, number][] => {
      const value = name.startsWith(prefix) ? at(name) : undefined;
      return value === undefined ? [] : [[name.slice(prefix.length), value]];
    });
  const clocks = named('clock.cpu.').sort(([a], [b]) => Number(a) - Number(b));
  const temperatures = named('temperature.');
  return {
    time,
    ...present({
      load: at('system.load'),
      clocks: clocks.length === 0 ? undefined : clocks.map(([, clock]) => clock),
      gpuClock: at('gpu.clock'),
      temperatures: temperatures.length === 0 ? undefined : Object.fromEntries(temperatures),
      memoryAvailable: at('system.memory.available'),
      pageCache,
    }),
  };
}
