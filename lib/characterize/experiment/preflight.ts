import { statfs } from 'node:fs/promises';
import { fileSystemError, PresisiError } from '../../errors.js';
import type { ExperimentModel, Variant } from '../results.js';
import type { Durations } from './durations.js';
import type { PlannedTrial } from './plan.js';

/** What a run will need, before it starts. */
export interface Needs {
  /** Seconds it takes, roughly. */
  readonly seconds: number;
  /** Seconds it takes at the very least. */
  readonly leastSeconds: number;
  /** Bytes of disk when no two builds are the same, and when all builds of a variant are. */
  readonly disk: number;
  readonly leastDisk: number;
  /** Bytes of memory, comfortably, and at the very least. */
  readonly memory: number;
  readonly leastMemory: number;
}

export interface Supplies {
  readonly disk: number;
  readonly memory?: number;
  /** Seconds that the caller has. */
  readonly time?: number;
}

/** Of the FP32 weights; scales and the plan come on top. */
const SHARE = { fp32: 1.1, fp16: 0.6, int8: 0.4 } as const;
/** Results, timelines, and what the report takes. */
const TRIAL_BYTES = 200e3;
/** Node.js with the addon and a backend's library. */
const PROCESS_BYTES = 150e6;
const MEMORY_PER_MODEL_BYTE = 8;
const LEAST_MEMORY_PER_MODEL_BYTE = 2;

export function needsOf(
  pending: readonly PlannedTrial[],
  models: readonly ExperimentModel[],
  durations: Durations,
): Needs {
  const sum = (seconds: (trial: PlannedTrial) => number): number =>
    pending.reduce((total, trial) => total + seconds(trial), 0);
  const bytesOf = ({ model, precision }: Variant): number =>
    (models.find(({ id }) => id === model)?.bytes ?? 0) * SHARE[precision];
  const builds = pending.filter(({ kind }) => kind === 'compress');
  const variants = [...new Map(builds.map(({ variant }) => [variant.id, variant])).values()];
  const baselines = new Set(
    pending.flatMap(({ kind, variant }) => (kind !== 'idle' && variant.framework !== 'presisi' ? [variant.model] : [])),
  );
  const originals = models.reduce((total, { id, bytes }) => total + (baselines.has(id) ? bytes : 0), 0);
  const rest = originals + pending.length * TRIAL_BYTES;
  const largest = Math.max(0, ...models.map(({ bytes }) => bytes));
  return {
    seconds: sum((trial) => durations.expected(trial)),
    leastSeconds: sum((trial) => durations.least(trial)),
    disk: rest + builds.reduce((total, { variant }) => total + bytesOf(variant), 0),
    leastDisk: rest + variants.reduce((total, variant) => total + bytesOf(variant), 0),
    memory: PROCESS_BYTES + MEMORY_PER_MODEL_BYTE * largest,
    leastMemory: PROCESS_BYTES / 2 + LEAST_MEMORY_PER_MODEL_BYTE * largest,
  };
}

/** Bytes that can be written into a folder. */
export async function diskAvailable(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    throw fileSystemError('ask for the free space of', folder, error);
  }
}

/**
 * Compares what is needed with what there is.
 *
 * @returns what is tight
 * @throws PresisiError ERR_PRESISI_INVALID_EXPERIMENT where something is clearly not enough
 */
export function checkSupplies(needs: Needs, supplies: Supplies): string[] {
  const warnings: string[] = [];
  const refuse = (message: string, hint: string): PresisiError =>
    new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', message, { hint });
  const { disk, memory, time } = supplies;
  if (disk < needs.leastDisk) {
    const hint = 'choose another folder, or make room there';
    throw refuse(`the experiment needs ${megabytes(needs.leastDisk)} of disk and there are ${megabytes(disk)}`, hint);
  }
  if (disk < needs.disk) {
    warnings.push(`disk is tight: up to ${megabytes(needs.disk)} may be needed, and there are ${megabytes(disk)}`);
  }
  if (memory !== undefined && memory < needs.leastMemory) {
    const hint = 'end other programs, or leave the largest model out';
    throw refuse(
      `the largest model needs ${megabytes(needs.leastMemory)} of memory and there are ${megabytes(memory)}`,
      hint,
    );
  }
  if (memory !== undefined && memory < needs.memory) {
    warnings.push(`memory is tight: ${megabytes(needs.memory)} would do, and there are ${megabytes(memory)}`);
  }
  if (time !== undefined && time < needs.leastSeconds) {
    const minutes = (seconds: number): string => `${(seconds / 60).toFixed(1)} minutes`;
    const hint = 'ask for fewer repeats, batch sizes or models, or a shorter duration';
    throw refuse(`measuring alone takes ${minutes(needs.leastSeconds)} and there are ${minutes(time)}`, hint);
  }
  if (time !== undefined && time < needs.seconds) {
    const minutes = (needs.seconds / 60).toFixed(0);
    warnings.push(`time is tight: some ${minutes} minutes are expected, and there are ${(time / 60).toFixed(0)}`);
  }
  return warnings;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
