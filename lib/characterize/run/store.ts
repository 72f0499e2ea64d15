import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemError, PresisiError } from '../../errors.js';
import { syncFolder, TEMPORARY_ENDING, writeDurably } from '../../files.js';
import { type Trial, trialSchema } from '../results.js';
import { isLockFile } from './lock.js';

/**
 * The folder of an experiment. Trials are one file each, complete or absent, and never change once they are there;
 * engines are named by their content, so that identical builds are one file.
 */
export class Store {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Original networks as ONNX, what baselines run. */
  originalPath(model: string): string {
    return this.path('originals', `${model}.onnx`);
  }

  enginePath(sha256: string): string {
    return this.path('engines', `${sha256}.engine`);
  }

  /** Says which process carries a trial out now. */
  get runningPath(): string {
    return this.path('running.json');
  }

  /** Where a trial that runs now may write; emptied before the next one. */
  workPath(name: string): string {
    return this.path('work', name);
  }

  async create(): Promise<void> {
    try {
      for (const name of ['trials', 'engines', 'originals', 'work']) await mkdir(this.path(name), { recursive: true });
      await syncFolder(this.folder);
    } catch (error) {
      throw fileSystemError('write into the folder', this.folder, error);
    }
  }

  /** What lies in the folder and isn't a trace of a runner that was ended while it began. */
  async contents(): Promise<string[]> {
    const names = await readdir(this.folder);
    return names.filter((name) => !isLockFile(name) && !isTemporary(name));
  }

  /** Removes what a runner that was ended left half done; trial files that can't be read are named. */
  async recover(): Promise<{ readonly trials: Trial[]; readonly damaged: readonly string[] }> {
    await this.create();
    await this.clearWork();
    for (const folder of [this.folder, this.path('trials')]) {
      for (const name of await readdir(folder)) {
        if (isTemporary(name) && !isLockFile(name)) await rm(join(folder, name), { force: true });
      }
    }
    const trials: Trial[] = [];
    const damaged: string[] = [];
    for (const name of (await readdir(this.path('trials'))).sort()) {
      const path = this.path('trials', name);
      const trial = parseTrial(await readFile(path, 'utf8'));
      if (trial && fileName(trial) === name) {
        trials.push(trial);
      } else if (name.endsWith('.json')) {
        damaged.push(path);
        await rm(path);
      }
    }
    await this.#removeUnnamedEngines(trials);
    return { trials, damaged };
  }

  /** Engines whose trial was never saved: it will be carried out again. */
  async #removeUnnamedEngines(trials: readonly Trial[]): Promise<void> {
    const named = new Set(trials.flatMap((trial) => (trial.kind === 'compress' ? [trial.compress?.engineSha256] : [])));
    for (const name of await readdir(this.path('engines'))) {
      if (!named.has(name.replace(/\.engine$/, ''))) await rm(this.path('engines', name), { force: true });
    }
  }

  /** From here on the trial outlives a loss of power. */
  async save(trial: Trial): Promise<void> {
    await writeDurably(this.path('trials', fileName(trial)), `${JSON.stringify(trial)}\n`);
  }

  /** Takes a built engine out of the work folder; done before its trial is saved, which names it. */
  async keepEngine(built: string, sha256: string): Promise<void> {
    try {
      await rename(built, this.enginePath(sha256));
      await syncFolder(this.path('engines'));
    } catch (error) {
      throw fileSystemError('keep the engine', built, error);
    }
  }

  /** Whether an engine is there whole, as far as its size tells. */
  async hasEngine(sha256: string, bytes: number): Promise<boolean> {
    const found = await stat(this.enginePath(sha256)).catch(() => undefined);
    return found?.size === bytes;
  }

  async clearWork(): Promise<void> {
    await rm(this.path('work'), { recursive: true, force: true });
    await mkdir(this.path('work'));
  }
}

const isTemporary = (name: string): boolean => name.endsWith(TEMPORARY_ENDING);

/** `latency+densenet169+cpu-fp32+b1-t0+2~1.json`; no identity has a `+` of its own. */
const fileName = ({ id, attempt }: Pick<Trial, 'id' | 'attempt'>): string =>
  `${id.replaceAll('/', '+')}~${attempt}.json`;

function parseTrial(text: string): Trial | undefined {
  try {
    return trialSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Makes the folder where it isn't there yet. */
export async function ensureFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    if (error instanceof PresisiError) throw error;
    throw fileSystemError('make the folder', folder, error);
  }
}
