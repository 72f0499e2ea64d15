import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { sheetFiles, writeContactSheet } from './contact-sheet.js';
import { verifyManifest, writeManifest } from './manifest.js';
import { SPECIES } from './species.js';
import { DEFAULT_SEED, forEachLimited, isSplit, listEntries, renderEntry, SPLITS } from './splits.js';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

const USAGE = `Draws the blossom data set.

  main.ts --split calibration|test|train --out DIR [--count N] [--seed N]
      renders a split as DIR/<class>/<nnn>.jpg; --count is the number of pictures of each class
  main.ts --manifest [--seed N]
      writes manifest.json and labels.txt for the pictures under calibration-data/images
  main.ts --verify
      checks every picture under calibration-data/images against the manifest
  main.ts --sheet FILE --out DIR [--count N]
      writes a contact sheet of the first N pictures of each class of the split in DIR
`;

function positiveInteger(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new RangeError(`--${option} must be a whole number above 0, not "${text}"`);
  return value;
}

async function render(split: string, out: string, count: string | undefined, seed: number): Promise<void> {
  if (!isSplit(split)) throw new RangeError(`--split must be one of ${Object.keys(SPLITS).join(', ')}, not "${split}"`);
  const perClass = count === undefined ? SPLITS[split] : positiveInteger(count, 'count');
  const entries = listEntries(perClass);
  await Promise.all(SPECIES.map((species) => mkdir(join(out, species.name), { recursive: true })));
  await forEachLimited(entries, availableParallelism() + 1, async (entry) => {
    await writeFile(join(out, entry.file), await renderEntry(seed, split, entry));
  });
  console.log(`${entries.length} pictures of ${SPECIES.length} classes in ${out}`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      split: { type: 'string' },
      out: { type: 'string' },
      count: { type: 'string' },
      seed: { type: 'string', default: String(DEFAULT_SEED) },
      manifest: { type: 'boolean', default: false },
      verify: { type: 'boolean', default: false },
      sheet: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const seed = positiveInteger(values.seed, 'seed');
  if (values.verify) {
    const { checked, problems } = await verifyManifest(ROOT);
    for (const problem of problems) console.error(problem);
    console.log(`${checked - problems.length} of ${checked} pictures match the manifest`);
    return problems.length === 0 ? 0 : 1;
  }
  if (values.manifest) {
    const { splits } = await writeManifest(ROOT, seed);
    console.log(`manifest.json: ${splits.calibration.length} calibration and ${splits.test.length} test pictures`);
    return 0;
  }
  if (values.sheet !== undefined && values.out !== undefined) {
    const perClass = positiveInteger(values.count ?? '1', 'count');
    const classes = SPECIES.map((species) => species.name);
    await writeContactSheet(sheetFiles(values.out, classes, perClass), perClass === 1 ? 8 : 12, 144, values.sheet);
    return 0;
  }
  if (values.split !== undefined && values.out !== undefined) {
    await render(values.split, values.out, values.count, seed);
    return 0;
  }
  console.log(USAGE);
  return values.help ? 0 : 2;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
