import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { SPECIES } from './species.js';
import { GENERATOR_VERSION, listEntries, SPLITS, type Split } from './splits.js';

export interface ManifestEntry {
  /** Relative to the data set's folder, with forward slashes. */
  readonly file: string;
  readonly label: number;
  readonly sha256: string;
}

export interface Manifest {
  readonly name: string;
  readonly seed: number;
  readonly generatorVersion: number;
  readonly license: string;
  readonly origin: string;
  readonly imageSize: { readonly leastSide: number; readonly greatestSide: number };
  readonly classes: readonly string[];
  readonly splits: Readonly<Record<'calibration' | 'test', readonly ManifestEntry[]>>;
}

const COMMITTED = ['calibration', 'test'] as const satisfies readonly Split[];

export const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function describeSplit(root: string, split: 'calibration' | 'test'): Promise<ManifestEntry[]> {
  return Promise.all(
    listEntries(SPLITS[split]).map(async (entry) => {
      const file = posix.join('images', split, entry.file);
      return { file, label: entry.label, sha256: digest(await readFile(join(root, file))) };
    }),
  );
}

/** Writes manifest.json and labels.txt for the pictures that lie under the data set's folder. */
export async function writeManifest(root: string, seed: number): Promise<Manifest> {
  const [calibration, test] = await Promise.all(COMMITTED.map((split) => describeSplit(root, split)));
  const manifest: Manifest = {
    name: 'presisi-blossom',
    seed,
    generatorVersion: GENERATOR_VERSION,
    license: 'Apache-2.0',
    origin: 'Drawn by calibration-data/generate; no photograph and no third-party picture is part of it.',
    imageSize: { leastSide: 240, greatestSide: 300 },
    classes: SPECIES.map((species) => species.name),
    splits: { calibration: calibration ?? [], test: test ?? [] },
  };
  await writeFile(join(root, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await writeFile(join(root, 'labels.txt'), `${manifest.classes.join('\n')}\n`);
  return manifest;
}

/** Checks every picture against its digest. Returns one line for each that is missing or differs. */
export async function verifyManifest(root: string): Promise<{ checked: number; problems: string[] }> {
  const manifest = JSON.parse(await readFile(join(root, 'manifest.json'), 'utf8')) as Manifest;
  const entries = COMMITTED.flatMap((split) => manifest.splits[split]);
  const problems: string[] = [];
  for (const { file, sha256 } of entries) {
    const bytes = await readFile(join(root, file)).catch(() => undefined);
    if (!bytes) problems.push(`${file}: missing`);
    else if (digest(bytes) !== sha256) problems.push(`${file}: the SHA-256 differs from the manifest's`);
  }
  return { checked: entries.length, problems };
}
