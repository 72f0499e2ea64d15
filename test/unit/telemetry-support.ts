import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { Quantity, Timeline } from '../../lib/telemetry/types.js';
import { ROOT } from './support.js';

/** A recorded device: `orin-nano`, … */
export const recorded = (name: string): string => join(ROOT, 'test', 'fixtures', 'telemetry', name);

/** A copy of it that a test may change. */
export async function copyOf(name: string, folder: string): Promise<string> {
  const copy = join(folder, name);
  await cp(recorded(name), copy, { recursive: true, verbatimSymlinks: true });
  return copy;
}

const UNITS: readonly (readonly [RegExp, Quantity['unit'], Quantity['kind']])[] = [
  [/^power\./, 'W', 'gauge'],
  [/^energy\./, 'J', 'counter'],
  [/^process\.cpu\.|^system\.cpu\./, 's', 'counter'],
  [/^process\.(switches|faults)\./, 'count', 'counter'],
  [/^process\.io\./, 'B', 'counter'],
  [/^(process\.[rp]ss|gpu\d*\.memory|system\.memory)/, 'B', 'gauge'],
  [/^temperature\./, '°C', 'gauge'],
  [/^clock\.|\.clock$/, 'Hz', 'gauge'],
  [/\.load$|throttle$/, 'share', 'gauge'],
];

/** What a quantity of that name is, as the native readers would say it. */
export function quantityOf(name: string, more: Partial<Quantity> = {}): Quantity {
  const [, unit, kind] = UNITS.find(([pattern]) => pattern.test(name)) ?? [/./, 'count', 'gauge'];
  return { name, unit, kind, source: 'test', sensor: name, estimated: false, ...more };
}

type Columns = Readonly<Record<string, readonly (number | null)[]>>;

/** A timeline that began at `start`, sampled at `time`. */
export function timelineOf(
  time: readonly number[],
  columns: Columns,
  start = 1000,
  quantities: Timeline['quantities'] = Object.keys(columns).map((name) => quantityOf(name)),
): Timeline {
  const sampler = { rate: 100, samples: time.length, lost: 0, missed: 0, seconds: 1, cpuSeconds: 0, sources: [] };
  return { start, time, columns, quantities, sources: [], sampler };
}
