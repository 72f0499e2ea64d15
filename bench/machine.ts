import { readFile } from 'node:fs/promises';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BackendInfo } from 'presisi';
import { ROOT } from './child.js';

/** What the numbers were measured on. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** What executes INT8, as presisi's backend says. */
  readonly int8Isa: string;
  readonly versions: Readonly<Record<string, string>>;
}

async function versionIn(...path: string[]): Promise<string> {
  const { version } = JSON.parse(await readFile(join(ROOT, ...path, 'package.json'), 'utf8')) as { version: string };
  return version;
}

export async function describeMachine(used: string, backends: readonly BackendInfo[]): Promise<Machine> {
  const backend = backends.find(({ name }) => name === used);
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    int8Isa: backend?.int8Isa || 'emulated',
    versions: {
      presisi: await versionIn(),
      [`presisi backend ${used}`]: backend?.version ?? 'unknown',
      'onnxruntime-node': await versionIn('node_modules', 'onnxruntime-node'),
      'Node.js': process.versions.node,
    },
  };
}

/** Runnable processes, mean of the last minute. */
export const load = (): number => loadavg()[0] ?? Number.NaN;
