import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Dataset } from '../../lib/datasets/dataset.js';
import { openDataset } from '../../lib/datasets/open.js';
import { parseDatasetSource } from '../../lib/datasets/source.js';
import { picture, presisiRejection, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();

/** Writes files, folders and all; listing them needs no content. */
async function files(parent: string, ...names: string[]): Promise<string> {
  for (const name of names) {
    const path = join(parent, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, 'listed, not read');
  }
  return parent;
}

async function written(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

/** `[path below the test's folder, label]` of each sample. */
const listed = ({ samples }: Dataset): [string, number][] =>
  samples.map(({ image, label }) => [image.name.slice(folder.length + 1), label]);

describe('a folder for each class', () => {
  let photos: string;
  beforeAll(async () => {
    photos = await files(join(folder, 'photos'), 'rose/1.jpg', 'rose/deep/er/2.PNG', 'aster/1.jpg', 'rose/notes.txt');
    await mkdir(join(photos, 'lily'));
    await mkdir(join(photos, '.cache'));
  });

  test('classes are sorted by name, pictures lie at any depth, empty classes are told', async () => {
    const dataset = await openDataset(photos);
    expect(dataset).toMatchObject({
      name: 'photos',
      format: 'folder',
      classes: ['aster', 'lily', 'rose'],
      skipped: [],
    });
    expect(listed(dataset)).toEqual([
      ['photos/aster/1.jpg', 0],
      ['photos/rose/1.jpg', 2],
      ['photos/rose/deep/er/2.PNG', 2],
    ]);
    expect(dataset.warnings).toEqual(['1 classes have no pictures: lily']);
    expect(await openDataset({ folder: photos })).toEqual(dataset);
  });

  test('labels fix the order, whatever stands between words', async () => {
    const labels = ['Rose', 'tulip', 'ASTER', 'lily'];
    const dataset = await openDataset(photos, { labels });
    expect(listed(dataset).map(([, label]) => label)).toEqual([2, 0, 0]);
    expect(dataset.classes).toEqual(labels);
    expect(dataset.warnings).toEqual(['2 classes have no pictures: tulip, lily']);
  });

  test('folders that are no class, and pictures in none, are refused or reported', async () => {
    const odd = await files(join(folder, 'odd'), 'rose/1.jpg', 'weed/1.jpg', 'stray.jpg', 'README.txt');
    const error = await presisiRejection(openDataset(odd, { labels: ['rose'] }), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/^2 folders and pictures can't be used:/);
    expect(error.stack).toContain('datasets.test.ts');
    const dataset = await openDataset(odd, { labels: ['rose'], onBadImage: 'skip' });
    expect(listed(dataset)).toEqual([['odd/rose/1.jpg', 0]]);
    expect(dataset.skipped).toEqual([
      { name: join(odd, 'stray.jpg'), reason: 'lies in no folder of a class' },
      { name: join(odd, 'weed'), reason: 'no class, or more than one, has this name' },
    ]);
    const twice = await presisiRejection(
      openDataset(photos, { labels: ['rose', 'rose'] }),
      'ERR_PRESISI_INVALID_DATASET',
    );
    expect(twice.message).toContain('more than one');
  });

  test('links to folders are followed', async () => {
    const linked = join(folder, 'linked');
    await mkdir(linked);
    await symlink(join(photos, 'rose'), join(linked, 'thorny'));
    const dataset = await openDataset(linked);
    expect(dataset.classes).toEqual(['thorny']);
    expect(dataset.samples).toHaveLength(2);
  });

  test('limit is spread evenly', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `${'abcd'[Math.floor(i / 5)]}/${i}.jpg`);
    const many = await files(join(folder, 'many'), ...names);
    const { samples, warnings } = await openDataset(many, { limit: 4 });
    expect(samples.map(({ label }) => label)).toEqual([0, 1, 2, 3]);
    expect(warnings).toEqual([]);
    expect((await openDataset(many, { limit: 400 })).samples).toHaveLength(20);
  });

  test('nothing in it', async () => {
    const empty = join(folder, 'empty');
    await mkdir(join(empty, 'class'), { recursive: true });
    expect((await presisiRejection(openDataset(empty), 'ERR_PRESISI_INVALID_DATASET')).message).toContain(
      'no pictures',
    );
    const none = join(folder, 'none');
    await mkdir(none);
    expect((await presisiRejection(openDataset(none), 'ERR_PRESISI_INVALID_DATASET')).hint).toContain('cifar100:PATH');
    await presisiRejection(openDataset({ folder: none }), 'ERR_PRESISI_INVALID_DATASET');
    await presisiRejection(openDataset({ folder: join(folder, 'absent') }), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(openDataset(join(folder, 'absent')), 'ERR_PRESISI_FILE_SYSTEM');
  });
});

describe('manifests', () => {
  beforeAll(() => files(folder, 'a.jpg', 'b, or c.jpg', 'sub/d "d".jpg'));

  test('CSV: columns in any order, quoted fields, a byte order mark, CRLF, empty lines', async () => {
    const path = await written(
      'good.csv',
      '\uFEFFid,Label,File\r\n1,rose,a.jpg\r\n\r\n2,"aster","b, or c.jpg"\r\n3,rose,"sub/d ""d"".jpg"\r\n',
    );
    const dataset = await openDataset(path);
    expect(dataset).toMatchObject({ name: 'good.csv', format: 'manifest', classes: ['aster', 'rose'], warnings: [] });
    expect(listed(dataset)).toEqual([
      ['a.jpg', 1],
      ['b, or c.jpg', 0],
      ['sub/d "d".jpg', 1],
    ]);
    const ordered = await openDataset({ manifest: path }, { labels: ['tulip', 'rose', 'aster'] });
    expect(ordered.samples.map(({ label }) => label)).toEqual([1, 2, 1]);
  });

  test('CSV: indices, paths from the root', async () => {
    const path = await written('indices.csv', `image,label\na.jpg,7\n${join(folder, 'sub', '..', 'a.jpg')},0\n`);
    const dataset = await openDataset(path);
    expect(listed(dataset)).toEqual([
      ['a.jpg', 7],
      ['a.jpg', 0],
    ]);
    expect(dataset.classes).toBeUndefined();
    const labels = Array.from({ length: 8 }, (_, i) => `class ${i}`);
    expect((await openDataset(path, { labels })).classes).toEqual(labels);
    const error = await presisiRejection(openDataset(path, { labels: ['x'] }), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/indices\.csv, line 2: 7 is no class/);
  });

  test.each([
    ['no label column', 'file,class\na.jpg,1\n', /line 1: there is no column label; the columns are file, class/],
    ['no file column', 'name,label\na.jpg,1\n', /line 1: there is no column file, path, image/],
    ['an empty file', '', /line 1: there is no column/],
    ['too many fields', 'file,label\na.jpg,1\na.jpg,1,2\n', /line 3: 3 fields instead of 2/],
    ['too few fields', 'file,label\na.jpg\n', /line 2: 1 fields instead of 2/],
    ['an empty label', 'file,label\na.jpg,1\na.jpg,\n', /line 3: the label is empty/],
    ['an empty path', 'file,label\n"",1\n', /line 2: the file is empty/],
    ['a quote that is not closed', 'file,label\na.jpg,1\n"a.jpg,1\n', /line \d: Quote/],
    ['a field without end', `file,label\n"${'a\n'.repeat(70_000)}`, /line \d+: Max Record Size/],
    ['names and indices mixed', 'file,label\na.jpg,rose\na.jpg,1\n', /line 3: 1 is an index among labels/],
    ['only the header', 'file,label\n', /has no pictures/],
  ])('CSV with %s', async (name, content, message) => {
    const path = await written(`${name}.csv`, content);
    const error = await presisiRejection(openDataset(path), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(message);
    expect(error.message.length).toBeLessThan(600);
  });

  test('JSON Lines', async () => {
    const path = await written(
      'good.jsonl',
      '{"file": "a.jpg", "label": "rose", "sha256": "ignored"}\n\n{"image": "b, or c.jpg", "label": "7"}\n',
    );
    const dataset = await openDataset(path);
    expect(dataset.classes).toEqual(['7', 'rose']);
    expect(dataset.samples.map(({ label }) => label)).toEqual([1, 0]);
  });

  test.each([
    ['no JSON', '{"file": "a.jpg", "label": 0}\nfile\n', /line 2: Unexpected token/],
    ['no label', '{"file": "a.jpg"}\n', /line 1: expected \{ "file"/],
    ['a negative label', '{"file": "a.jpg", "label": -1}\n', /line 1: expected/],
    ['half a label', '{"file": "a.jpg", "label": 0.5}\n', /line 1: expected/],
    ['no file', '{"label": 1}\n', /line 1: expected/],
    ['null', 'null\n', /line 1: expected/],
  ])('JSON Lines with %s', async (name, content, message) => {
    const path = await written(`${name}.jsonl`, content);
    expect((await presisiRejection(openDataset(path), 'ERR_PRESISI_INVALID_DATASET')).message).toMatch(message);
  });

  test('JSON with splits: the project’s own calibration data', async () => {
    const manifest = join(ROOT, 'calibration-data', 'manifest.json');
    const dataset = await openDataset({ manifest, split: 'test' });
    expect(dataset.name).toBe('manifest.json#test');
    expect(dataset.classes).toHaveLength(24);
    expect(dataset.samples.length).toBeGreaterThanOrEqual(500);
    for (const { image, label } of dataset.samples) expect(image.name).toContain(`/${dataset.classes?.[label]}/`);
    const reversed = [...(dataset.classes ?? [])].reverse();
    const other = await openDataset({ manifest: join(manifest, '..'), split: 'test' }, { labels: reversed });
    expect(other.samples[0]?.label).toBe(23 - (dataset.samples[0]?.label as number));
    const unchosen = await presisiRejection(openDataset(join(manifest, '..')), 'ERR_PRESISI_INVALID_DATASET');
    expect(unchosen.message).toContain('calibration, test');
    expect(unchosen.hint).toContain('#calibration');
    const absent = openDataset({ manifest, split: 'toString' });
    expect((await presisiRejection(absent, 'ERR_PRESISI_INVALID_DATASET')).message).toContain('no split "toString"');
  });

  test('JSON of another shape, labels that are no class, a split of what has none', async () => {
    await presisiRejection(openDataset(await written('list.json', '[]')), 'ERR_PRESISI_INVALID_DATASET');
    const content = { classes: ['rose'], splits: { all: [{ file: 'a.jpg', label: 1 }] } };
    const path = await written('beyond.json', JSON.stringify(content));
    const error = await presisiRejection(openDataset(path), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/split all, entry 0: 1 is no class; there are 1 classes: rose/);
    const csv = await written('unsplit.csv', 'file,label\na.jpg,1\n');
    await presisiRejection(openDataset({ manifest: csv, split: 'test' }), 'ERR_PRESISI_INVALID_DATASET');
    await presisiRejection(openDataset({ manifest: join(folder, 'a.jpg') }), 'ERR_PRESISI_INVALID_DATASET');
    await presisiRejection(openDataset({ manifest: join(folder, 'absent.csv') }), 'ERR_PRESISI_FILE_SYSTEM');
  });

  test('missing files are refused, the first few named and all counted, or reported', async () => {
    const rows = Array.from({ length: 9 }, (_, i) => `gone/${i}.jpg,0`);
    const path = await written('missing.csv', `file,label\na.jpg,1\n${rows.join('\n')}\nsub,1\n`);
    const error = await presisiRejection(openDataset(path), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/^10 pictures can't be used:\n {2}- .*gone\/0\.jpg: no such file/);
    expect(error.message).toMatch(/and 5 more$/);
    const dataset = await openDataset(path, { onBadImage: 'skip' });
    expect(listed(dataset)).toEqual([['a.jpg', 1]]);
    expect(dataset.skipped).toHaveLength(10);
  });

  test('classes of the data set that are not among the labels', async () => {
    const path = await written('named.json', JSON.stringify({ classes: ['rose', 'weed'], splits: { all: [] } }));
    const error = await presisiRejection(openDataset(path, { labels: ['rose'] }), 'ERR_PRESISI_INVALID_DATASET');
    expect(error.message).toMatch(/^1 of the 2 classes of .*named\.json are not among the 1 labels.*: weed$/);
  });
});

describe('sources', () => {
  test.each([
    ['photos', 'photos'],
    ['C:photos', 'C:photos'],
    ['other:photos#x', 'other:photos#x'],
    ['folder:photos#1', { folder: 'photos#1' }],
    ['manifest:list.json#test', { manifest: 'list.json', split: 'test' }],
    ['manifest:odd#dir/list.csv', { manifest: 'odd#dir/list.csv' }],
    ['imagenet:/data/val', { imagenet: '/data/val' }],
    ['cifar10:batches', { cifar10: 'batches' }],
    ['cifar100:a:b/test.bin#coarse', { cifar100: 'a:b/test.bin', labels: 'coarse' }],
    ['flowers102:flowers', { flowers102: 'flowers' }],
    ['flowers102:flowers#validation', { flowers102: 'flowers', split: 'validation' }],
  ])('%s', (text, source) => {
    expect(parseDatasetSource(text)).toEqual(source);
  });

  test.each([
    ['', /^Expected a path for the data set/],
    ['folder:', /names no path after "folder:"/],
    ['flowers102:#test', /names no path/],
    ['flowers102:flowers#all', /Expected one of train, validation, test for "flowers102:flowers#all"\.split/],
    ['cifar100:x#medium', /Expected one of fine, coarse/],
  ])('%j is refused', (text, message) => {
    expect(() => parseDatasetSource(text)).toThrow(expect.objectContaining({ code: 'ERR_PRESISI_INVALID_ARGUMENT' }));
    expect(() => parseDatasetSource(text)).toThrow(message);
  });

  test('wrong arguments', async () => {
    for (const [source, options] of [
      [3, {}],
      ['', {}],
      [{}, {}],
      [null, {}],
      [{ folder: 3 }, {}],
      [{ folder, split: 'x' }, {}],
      [{ flowers102: folder, split: 'all' }, {}],
      [folder, { limit: 0 }],
      [folder, { labels: [] }],
      [folder, { label: ['a'] }],
    ]) {
      await presisiRejection(openDataset(source as never, options as never), 'ERR_PRESISI_INVALID_ARGUMENT');
    }
  });

  test('what is in no known form', async () => {
    const path = join(folder, 'single.png');
    await writeFile(path, await picture(1));
    await presisiRejection(openDataset(path), 'ERR_PRESISI_INVALID_DATASET');
  });
});
