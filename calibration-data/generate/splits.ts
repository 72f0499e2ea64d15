import { photograph } from './photograph.js';
import { createRandom, hashSeed } from './random.js';
import { SPECIES } from './species.js';

/** Raise it with every change that changes a picture. */
export const GENERATOR_VERSION = 1;

export const DEFAULT_SEED = 20240607;

/** How many pictures of each class a split has unless --count says otherwise. */
export const SPLITS = { calibration: 8, test: 30, train: 200 } as const;

export type Split = keyof typeof SPLITS;

export const isSplit = (name: string): name is Split => Object.hasOwn(SPLITS, name);

/** One picture of a split: its class, and its path relative to the split's folder. */
export interface Entry {
  readonly label: number;
  readonly index: number;
  readonly file: string;
}

/** The pictures of a split in label order, the same number for each class. */
export function listEntries(perClass: number): Entry[] {
  return SPECIES.flatMap((species, label) =>
    Array.from({ length: perClass }, (_, index) => ({
      label,
      index,
      file: `${species.name}/${String(index).padStart(3, '0')}.jpg`,
    })),
  );
}

/** Renders one picture. Its seed is made from the split's name too, so the splits draw different pictures. */
export async function renderEntry(seed: number, split: Split, entry: Entry): Promise<Buffer> {
  const species = SPECIES[entry.label];
  if (!species) throw new RangeError(`no class has the label ${entry.label}`);
  const random = createRandom(hashSeed(`${seed}/v${GENERATOR_VERSION}/${split}/${species.name}/${entry.index}`));
  return photograph(species, random);
}

/** Runs a task for every item, a few at a time. The first failure is the caller's. */
export async function forEachLimited<T>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const item = items[next] as T;
      next += 1;
      await task(item);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
}
