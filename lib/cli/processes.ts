import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A process and how deep it lies below the one that is watched. */
export interface Process {
  readonly pid: number;
  readonly depth: number;
  readonly name: string;
  /** CPU seconds since it began. */
  readonly cpuSeconds: number;
  /** Resident memory; absent of those that have none, such as ended ones that nobody waited for. */
  readonly rss?: number;
}

/** What Linux counts CPU time in for programs, whatever its own tick is. */
const TICKS_PER_SECOND = 100;

/** Enough for a screen, and an end for what starts processes faster than it is looked at. */
const MOST = 64;

/** A process and all below it, in the order they would be drawn as a tree. Empty where it has ended. */
export async function processTree(pid: number, root = ''): Promise<Process[]> {
  const found: Process[] = [];
  const visit = async (id: number, depth: number): Promise<void> => {
    const folder = join(root, '/proc', String(id));
    const process = await describe(folder, id, depth);
    if (process === undefined || found.length >= MOST) return;
    found.push(process);
    for (const child of await childrenOf(folder)) await visit(child, depth + 1);
  };
  await visit(pid, 0);
  return found;
}

async function describe(folder: string, pid: number, depth: number): Promise<Process | undefined> {
  const stat = await read(join(folder, 'stat'));
  // The name stands in parentheses, and may hold any character, parentheses too.
  const end = stat.lastIndexOf(')');
  const fields = stat.slice(end + 2).split(' ');
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  if (end < 0 || !Number.isFinite(user + system)) return undefined;
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(await read(join(folder, 'status')))?.[1];
  return {
    pid,
    depth,
    name: printable(stat.slice(stat.indexOf('(') + 1, end)),
    cpuSeconds: (user + system) / TICKS_PER_SECOND,
    ...(kilobytes !== undefined && { rss: Number(kilobytes) * 1024 }),
  };
}

/** Each thread has children of its own. */
async function childrenOf(folder: string): Promise<number[]> {
  const threads = await readdir(join(folder, 'task')).catch(() => []);
  const lists = await Promise.all(threads.map((thread) => read(join(folder, 'task', thread, 'children'))));
  return lists
    .flatMap((list) => list.split(' ').filter(Boolean).map(Number))
    .filter((child) => Number.isInteger(child))
    .sort((a, b) => a - b);
}

/** Empty where it has gone meanwhile. */
const read = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

/** Names are whatever a program calls itself; none may move the cursor. */
const printable = (text: string): string => text.replaceAll(/[^ -~]/g, '?');
