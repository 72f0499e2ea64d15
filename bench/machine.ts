import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { type BackendInfo, backends } from 'presisi';
import { ROOT } from './child.js';

/** What the numbers were measured on, and with. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What executes INT8, as presisi's backend says. */
  readonly int8Isa: string;
  /** Absent where the kernel scales no frequencies, or doesn't show it. */
  readonly governor?: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** What else happened while something was measured. */
export interface Activity {
  readonly date: string;
  readonly minutes: number;
  /** Runnable processes, mean of the last minute: before, after. */
  readonly load: readonly [before: number, after: number];
  /** Clocks of the cores as the kernel shows them, before and after, in MHz; empty where it doesn't. */
  readonly clocksMHz: readonly [before: readonly number[], after: readonly number[]];
  /** Share of the cores' time that went to processes other than these; absent where it can't be read. */
  readonly others?: number;
  /** Share that the hypervisor took. */
  readonly steal?: number;
}

/** Beyond these the numbers say as much about the other work. */
const MOST_OTHERS = 0.03;
const MOST_STEAL = 0.02;

async function versionIn(...path: string[]): Promise<string> {
  const { version } = JSON.parse(await readFile(join(ROOT, ...path, 'package.json'), 'utf8')) as { version: string };
  return version;
}

/** The backend that `auto` chooses. */
export async function usedBackend(): Promise<BackendInfo> {
  const used = (await backends()).find(({ available }) => available);
  if (used === undefined) throw new Error('presisi has no backend here');
  return used;
}

export async function describeMachine(peers: Readonly<Record<string, string>>): Promise<Machine> {
  const backend = await usedBackend();
  const governor = read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')?.trim();
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    int8Isa: backend.int8Isa || 'emulated',
    ...(governor !== undefined && { governor }),
    versions: {
      presisi: await versionIn(),
      [`presisi's backend ${backend.name}`]: backend.version,
      'onnxruntime-node': await versionIn('node_modules', 'onnxruntime-node'),
      'Node.js': process.versions.node,
      ...peers,
    },
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** Ticks since the machine started, of all cores; and of this process and its children that ended. */
function ticks(): { busy: number; steal: number; total: number; own: number } | undefined {
  const line = /^cpu +(.*)$/m.exec(read('/proc/stat') ?? '')?.[1];
  // The name of the process may hold spaces and brackets; the numbers begin behind the last bracket, with field 3.
  const own = (read('/proc/self/stat') ?? '').split(') ').at(-1)?.split(' ').map(Number);
  if (line === undefined || own === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, wait = 0, irq = 0, soft = 0, steal = 0] = line
    .split(' ')
    .map(Number);
  const busy = user + nice + system + irq + soft;
  const spent = own.slice(11, 15).reduce((sum, value) => sum + value, 0);
  return { busy, steal, total: busy + idle + wait + steal, own: spent };
}

function clocks(): number[] {
  return [...(read('/proc/cpuinfo') ?? '').matchAll(/^cpu MHz\s*: ([\d.]+)$/gm)].map(([, mhz]) =>
    Math.round(Number(mhz)),
  );
}

const load = (): number => loadavg()[0] ?? Number.NaN;

/** Does something, and tells what else the machine did meanwhile. */
export async function observed<T>(body: () => Promise<T>): Promise<Activity & { readonly found: T }> {
  const [date, start] = [new Date().toISOString().slice(0, 10), performance.now()];
  const [loadBefore, clocksBefore, before] = [load(), clocks(), ticks()];
  const found = await body();
  const after = ticks();
  const minutes = (performance.now() - start) / 60_000;
  const total = before && after ? after.total - before.total : 0;
  const share = (value: number): number => Math.max(0, value) / total;
  return {
    date,
    minutes,
    load: [loadBefore, load()],
    clocksMHz: [clocksBefore, clocks()],
    ...(before &&
      after &&
      total > 0 && {
        others: share(after.busy - before.busy - (after.own - before.own)),
        steal: share(after.steal - before.steal),
      }),
    found,
  };
}

/** Why numbers measured meanwhile are not to be relied on; undefined where nothing speaks against it. */
export function disturbance({ others = 0, steal = 0 }: Activity): string | undefined {
  const reasons: string[] = [];
  if (others > MOST_OTHERS) reasons.push(`other processes took ${(others * 100).toFixed(0)} % of the cores' time`);
  if (steal > MOST_STEAL) reasons.push(`the hypervisor took ${(steal * 100).toFixed(0)} % of it`);
  return reasons.length > 0 ? reasons.join(', ') : undefined;
}
