import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type MatValue, parseMatFile, readMatFile } from '../../lib/datasets/matfile.js';
import { type Mat, type MatOptions, matFile } from './datasets-support.js';
import { presisiRejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
let written = 0;

async function fileOf(bytes: Buffer): Promise<string> {
  written += 1;
  const path = join(folder, `${written}.mat`);
  await writeFile(path, bytes);
  return path;
}

const variables: Record<string, Mat> = {
  labels: { numbers: [1, 77, 102] },
  square: { numbers: [0.5, -1, 1e300, 300], dims: [2, 2] },
  short: { text: 'ab' },
  words: { text: 'kit fox, Vulpes macrotis' },
  list: { cell: [{ text: 'a longer text' }, { numbers: [1, 2] }, { cell: [] }] },
  synsets: {
    struct: [
      { id: { numbers: [1] }, name: { text: 'n02119789' } },
      { id: { numbers: [2] }, name: { text: 'n02100735' } },
    ],
  },
};

/** Plain values, to compare. */
function plain(value: MatValue | undefined): unknown {
  if (value?.kind === 'numbers') return Array.from(value.data);
  if (value?.kind === 'text') return value.text;
  if (value?.kind === 'cell') return value.cells.map(plain);
  if (value?.kind !== 'struct') return value;
  return value.elements.map((element) => Object.fromEntries([...element].map(([key, each]) => [key, plain(each)])));
}

describe('what is written is read', () => {
  const forms: MatOptions[] = [{}, { compressed: true }, { bigEndian: true }, { compressed: true, bigEndian: true }];
  test.each(forms)('%j', async (form) => {
    const file = await readMatFile(await fileOf(matFile(variables, form)));
    expect([...file.keys()]).toEqual(Object.keys(variables));
    expect(plain(file.get('labels'))).toEqual([1, 77, 102]);
    expect(plain(file.get('square'))).toEqual([0.5, -1, 1e300, 300]);
    expect(file.get('square')).toMatchObject({ dims: [2, 2] });
    expect(plain(file.get('short'))).toBe('ab');
    expect(plain(file.get('words'))).toBe('kit fox, Vulpes macrotis');
    expect(plain(file.get('list'))).toEqual(['a longer text', [1, 2], []]);
    expect(plain(file.get('synsets'))).toEqual([
      { id: [1], name: 'n02119789' },
      { id: [2], name: 'n02100735' },
    ]);
  });
});

describe('what is damaged is refused', () => {
  const good = matFile(variables);

  test('wherever it is cut off', async () => {
    // A cut between two variables leaves a shorter file that is whole.
    const ends = new Set([128]);
    for (let at = 128; at < good.length; ends.add(at)) at += 8 + good.readUInt32LE(at + 4);
    for (let length = 0; length < good.length; length += 1) {
      if (ends.has(length)) continue;
      const error = await presisiRejection(
        parseMatFile(good.subarray(0, length), 'cut'),
        'ERR_PRESISI_INVALID_DATASET',
      );
      expect(error.message).toMatch(/^cut is no readable MAT-file: /);
    }
  });

  test('whichever byte is changed: read, or refused in words', async () => {
    let refused = 0;
    for (let at = 124; at < good.length; at += 1) {
      for (const value of [0, 15, 255]) {
        const changed = Buffer.from(good);
        changed[at] = value;
        await parseMatFile(changed, 'changed').catch((error: { code?: string }) => {
          expect(error.code).toBe('ERR_PRESISI_INVALID_DATASET');
          refused += 1;
        });
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  test.each([
    ['nothing', Buffer.alloc(0), /only 0 bytes/],
    ['another format', Buffer.alloc(500, 'x'), /no header of level 5/],
    [
      'level 7.3',
      Buffer.concat([good.subarray(0, 124), Buffer.from([0, 2]), good.subarray(126)]),
      /7\.3, which is HDF5/,
    ],
  ])('%s', async (_, bytes, message) => {
    const error = await presisiRejection(readMatFile(await fileOf(bytes)), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(message);
    expect(error.hint).toContain('-v7');
  });

  test('what unpacks without end, and what is no zlib stream', async () => {
    const header = good.subarray(0, 128);
    const bomb = deflateSync(Buffer.alloc(64 * 1024 * 1024));
    for (const [data, message] of [
      [bomb, /grow beyond/],
      [Buffer.alloc(64, 7), /damaged/],
    ] as const) {
      const tag = Buffer.alloc(8);
      tag.writeUInt32LE(15, 0);
      tag.writeUInt32LE(data.length, 4);
      const path = await fileOf(Buffer.concat([header, tag, data]));
      const error = await presisiRejection(readMatFile(path), 'ERR_PRESISI_INVALID_DATASET');
      expect(error.message).toMatch(message);
    }
  });

  test('what nests without end', async () => {
    let nested: Mat = { cell: [] };
    for (let depth = 0; depth < 40; depth += 1) nested = { cell: [nested] };
    const error = await presisiRejection(readMatFile(await fileOf(matFile({ nested }))), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toContain('nests deeper');
  });

  test('a file that is not there, or a folder', async () => {
    await presisiRejection(readMatFile(join(folder, 'absent.mat')), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(readMatFile(folder), 'ERR_PRESISI_FILE_SYSTEM');
  });
});
