import { PresisiError } from '../../errors.js';
import { Attempts } from './attempts.js';
import { lockFolder } from './lock.js';
import { endOrphan } from './process.js';
import { differences, type ExperimentRecord, readRecord, writeRecord } from './record.js';
import { ensureFolder, Store } from './store.js';

export interface OpenFolder {
  readonly store: Store;
  readonly record: ExperimentRecord;
  readonly attempts: Attempts;
  /** What a runner before this one left, and couldn't be used. */
  readonly warnings: readonly string[];
}

const EXPERIMENT = 'experiment.json';

/** Takes a folder for as long as `body` runs; nobody else can have it meanwhile. */
export async function withFolder<T>(folder: string, body: (store: Store) => Promise<T>): Promise<T> {
  await ensureFolder(folder);
  const lock = await lockFolder(folder);
  try {
    return await body(new Store(folder));
  } finally {
    await lock.release();
  }
}

/** The experiment of a folder; undefined where there is none yet. */
export async function storedRecord(store: Store): Promise<ExperimentRecord | undefined> {
  const names = await store.contents();
  return names.includes(EXPERIMENT) ? readRecord(store.path(EXPERIMENT)) : undefined;
}

/**
 * Starts an experiment in a folder, or goes on with it.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_EXPERIMENT where the folder holds something else, or results and `resume` wasn't
 *   asked for, or anything the outcome depends on has changed
 */
export async function openFolder(store: Store, fresh: ExperimentRecord, resume: boolean): Promise<OpenFolder> {
  const stored = await storedRecord(store);
  if (stored === undefined) return begin(store, fresh);
  if (!resume) {
    throw refused(`${store.folder} holds an experiment already`, 'go on with it by --resume, or choose another folder');
  }
  const found = differences(stored, fresh);
  if (found.length > 0) {
    throw refused(
      `the experiment in ${store.folder} can't go on, since its results would be mixed with others:\n${found.map((line) => `  - ${line}`).join('\n')}`,
      'undo the changes, or start anew in another folder',
    );
  }
  await endOrphan(store.runningPath);
  const { trials, damaged } = await store.recover();
  const warnings = damaged.map((path) => `${path} was damaged and is removed; its trial is carried out again`);
  // Where the models and the data lie may have changed, what they are hasn't.
  const record = { ...fresh, started: stored.started };
  return { store, record, attempts: new Attempts(trials), warnings };
}

async function begin(store: Store, record: ExperimentRecord): Promise<OpenFolder> {
  const [other] = await store.contents();
  if (other !== undefined) {
    throw refused(`${store.folder} is not empty: there is ${other}`, 'choose another folder');
  }
  await writeRecord(store.path(EXPERIMENT), record);
  await store.create();
  return { store, record, attempts: new Attempts([]), warnings: [] };
}

const refused = (message: string, hint: string): PresisiError =>
  new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', message, { hint });
