import { readdir, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** The text of a file of the machine, its end trimmed; undefined where it can't be read, or is empty. */
export async function systemText(root: string, path: string): Promise<string | undefined> {
  try {
    // Texts of the device tree end in a zero byte.
    const text = (await readFile(join(root, path), 'utf8')).replace(/[\0\s]+$/, '');
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}

/** The sorted names in a folder of the machine; none where it can't be read. */
export const systemFolder = async (root: string, path: string): Promise<string[]> =>
  (await readdir(join(root, path)).catch(() => [])).sort();

/** How many physical cores these processors are; 0 where the topology isn't told. */
export async function coresAmong(root: string, processors: readonly number[]): Promise<number> {
  const cores = new Set<string>();
  for (const processor of processors) {
    const topology = `/sys/devices/system/cpu/cpu${processor}/topology`;
    const core = await systemText(root, `${topology}/core_id`);
    if (core === undefined) continue; // offline
    cores.add(`${await systemText(root, `${topology}/physical_package_id`)}/${core}`);
  }
  return cores.size;
}

/**
 * The physical cores that this process may use: as many threads as presisi takes where it is told 0. The CPU backend counts
 * them, too, but a process that measures another framework must not load it.
 */
export async function physicalCores(): Promise<number> {
  const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec((await systemText('', '/proc/self/status')) ?? '')?.[1];
  const processors = (allowed ?? '').split(',').flatMap((part) => {
    const [first = Number.NaN, last = first] = part.split('-').map(Number);
    return Number.isInteger(first) ? Array.from({ length: last - first + 1 }, (_, index) => first + index) : [];
  });
  return (await coresAmong('', processors)) || availableParallelism();
}
