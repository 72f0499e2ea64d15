// Decodes a folder of labelled pictures into one raw file that train.py maps into memory.
//
//   npx tsx models/training/pack.ts --images DIR --labels calibration-data/labels.txt --out PREFIX [--side 256]
//
// Writes PREFIX.u8 (count x side x side x 3 bytes, RGB) and PREFIX.labels.u8 (one byte a picture). The pictures are
// decoded and resized by the code that feeds the network at inference.
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decodePicture } from '../../lib/decode.js';

interface Picture {
  readonly file: string;
  readonly label: number;
}

async function listPictures(images: string, classes: readonly string[]): Promise<Picture[]> {
  const folders = await Promise.all(
    classes.map(async (name, label) => {
      const files = (await readdir(join(images, name))).filter((file) => file.endsWith('.jpg')).sort();
      return files.map((file) => ({ file: join(images, name, file), label }));
    }),
  );
  return folders.flat();
}

/** The picture with its short side resized to `side`, then the square in its middle. */
async function decode(file: string, side: number): Promise<Uint8Array> {
  return decodePicture(await readFile(file), file, { resize: side, crop: side, kernel: 'linear' });
}

const { values } = parseArgs({
  options: {
    images: { type: 'string' },
    labels: { type: 'string' },
    out: { type: 'string' },
    side: { type: 'string', default: '256' },
  },
});
const side = Number(values.side);
if (!values.images || !values.labels || !values.out || !Number.isSafeInteger(side) || side < 1) {
  console.error('usage: pack.ts --images DIR --labels FILE --out PREFIX [--side 256]');
  process.exit(2);
}

const classes = (await readFile(values.labels, 'utf8')).split('\n').filter(Boolean);
const pictures = await listPictures(values.images, classes);
const batch = 16;
const raw = await open(`${values.out}.u8`, 'w');
try {
  for (let at = 0; at < pictures.length; at += batch) {
    const decoded = await Promise.all(pictures.slice(at, at + batch).map(({ file }) => decode(file, side)));
    await raw.write(Buffer.concat(decoded));
  }
} finally {
  await raw.close();
}
await writeFile(`${values.out}.labels.u8`, Uint8Array.from(pictures, ({ label }) => label));
console.log(`${pictures.length} pictures of ${classes.length} classes, ${side}x${side}, in ${values.out}.u8`);
