import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';

/** Writes a sheet of pictures, row by row, each cropped to a square tile. */
export async function writeContactSheet(
  files: readonly string[],
  columns: number,
  tile: number,
  out: string,
): Promise<void> {
  const gap = Math.round(tile / 24);
  const rows = Math.ceil(files.length / columns);
  const tiles = await Promise.all(
    files.map(async (file, i) => ({
      input: await sharp(await readFile(file))
        .resize(tile, tile, { fit: 'cover' })
        .toBuffer(),
      left: gap + (i % columns) * (tile + gap),
      top: gap + Math.floor(i / columns) * (tile + gap),
    })),
  );
  await sharp({
    create: {
      width: gap + columns * (tile + gap),
      height: gap + rows * (tile + gap),
      channels: 3,
      background: '#ffffff',
    },
  })
    .composite(tiles)
    .toFile(out);
}

/** The first `perClass` pictures of every class of a split, in label order. */
export function sheetFiles(folder: string, classes: readonly string[], perClass: number): string[] {
  return classes.flatMap((name) =>
    Array.from({ length: perClass }, (_, i) => join(folder, name, `${String(i).padStart(3, '0')}.jpg`)),
  );
}
