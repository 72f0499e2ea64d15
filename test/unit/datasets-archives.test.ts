import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../lib/datasets/open.js';
import type { RawImage } from '../../lib/images.js';
import { cifarFile, type Mat, matFile } from './datasets-support.js';
import { presisiRejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();

async function written(name: string, content: string | Buffer): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, content);
  return path;
}

const refused = async (promise: Promise<unknown>, message: RegExp): Promise<void> => {
  expect((await presisiRejection(promise, 'ERR_PRESISI_INVALID_DATASET')).message).toMatch(message);
};

describe('CIFAR', () => {
  const fine = Array.from({ length: 100 }, (_, i) => `fine_${i}`);
  const records = [
    [19, 99],
    [0, 0],
    [4, 42],
  ];
  let file: string;
  beforeAll(async () => {
    file = await written('cifar/test.bin', cifarFile(records));
    await written('cifar/fine_label_names.txt', `${fine.join('\n')}\n`);
  });

  test('CIFAR-100: labels, names and pixels', async () => {
    const dataset = await openDataset(file);
    expect(dataset).toMatchObject({ name: 'test.bin', format: 'cifar100', classes: fine, skipped: [], warnings: [] });
    expect(dataset.samples.map(({ label }) => label)).toEqual([99, 0, 42]);
    expect(dataset.samples.map(({ image }) => image.name)).toEqual([0, 1, 2].map((i) => `${file}#${i}`));
    for (const [i, { image }] of dataset.samples.entries()) {
      const { data, ...form } = image.source as RawImage;
      expect(form).toEqual({ width: 32, height: 32, channels: 3 });
      expect(data).toHaveLength(3072);
      expect(Array.from(data.subarray(0, 6))).toEqual([i, 100 + i, 200, i, 100 + i, 201]);
      expect(Array.from(data.subarray(32 * 3, 32 * 3 + 3))).toEqual([i, 100 + i, 200]);
    }
    expect((await openDataset(join(folder, 'cifar'))).samples).toHaveLength(3);
    expect((await openDataset({ cifar100: join(folder, 'cifar') })).samples).toHaveLength(3);
  });

  test('CIFAR-100: coarse labels; names in the network’s order', async () => {
    const coarse = await openDataset({ cifar100: file, labels: 'coarse' });
    expect(coarse.samples.map(({ label }) => label)).toEqual([19, 0, 4]);
    expect(coarse.classes).toBeUndefined();
    const labels = fine.map((name) => name.replace('_', ' ')).reverse();
    const reversed = await openDataset(file, { labels });
    expect(reversed.samples.map(({ label }) => label)).toEqual([0, 99, 57]);
    expect(reversed.classes).toEqual(labels);
    await refused(openDataset(file, { labels: ['a', 'b'] }), /100 of the 100 classes .* fine_0, .* and 95 more$/);
    await refused(openDataset({ cifar100: file, labels: 'coarse' }, { labels: fine }), /20 classes without names/);
  });

  test('limit takes records from the whole file', async () => {
    const path = await written('many/train.bin', cifarFile(Array.from({ length: 50 }, (_, i) => [0, i])));
    const { samples } = await openDataset(path, { limit: 5 });
    expect(samples.map(({ label }) => label)).toEqual([0, 10, 20, 30, 40]);
    expect(samples.map(({ image }) => (image.source as RawImage).data[0])).toEqual([0, 10, 20, 30, 40]);
    expect(samples[4]?.image.name).toBe(`${path}#40`);
  });

  test('CIFAR-10', async () => {
    const path = await written('ten/test_batch.bin', cifarFile([[9], [3]]));
    const names = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    await written('ten/batches.meta.txt', `${names.join('\n')}\n\n`);
    for (const source of [path, join(folder, 'ten'), { cifar10: path }]) {
      const dataset = await openDataset(source);
      expect(dataset).toMatchObject({ format: 'cifar10', classes: names });
      expect(dataset.samples.map(({ label }) => label)).toEqual([9, 3]);
      const [, second] = dataset.samples.map(({ image }) => image.source as RawImage);
      expect(Array.from(second?.data.subarray(0, 3) ?? [])).toEqual([1, 101, 200]);
    }
  });

  test('damaged files', async () => {
    const cut = await written('cut.bin', cifarFile(records).subarray(0, -1));
    await refused(
      openDataset({ cifar100: cut }),
      /cut\.bin has 9221 bytes, which is no whole number of records of 3074/,
    );
    await refused(openDataset(cut), /no form known/);
    await refused(openDataset({ cifar10: await written('none.bin', '') }), /has 0 bytes/);
    await refused(
      openDataset(
        await written(
          'fine.bin',
          cifarFile([
            [0, 1],
            [0, 100],
          ]),
        ),
      ),
      /picture 1: label 100 is none of/,
    );
    const coarse = await written('coarse.bin', cifarFile([[20, 1]]));
    await refused(openDataset({ cifar100: coarse, labels: 'coarse' }), /picture 0: label 20 is none of the 20/);
    await written('short/fine_label_names.txt', 'one\ntwo\n');
    const short = await written('short/test.bin', cifarFile(records));
    await refused(openDataset(short), /fine_label_names\.txt has 2 names instead of 100/);
    await presisiRejection(openDataset({ cifar100: join(folder, 'absent.bin') }), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(openDataset({ cifar100: folder }), 'ERR_PRESISI_FILE_SYSTEM');
  });
});

describe('Oxford’s 102 flowers', () => {
  const labels = { numbers: [5, 102, 1, 77, 5, 5] };
  const splits = { trnid: { numbers: [2, 3] }, valid: { numbers: [1] }, tstid: { numbers: [6, 4] } };
  async function flowers(name: string, imagelabels: Buffer, setid: Buffer, pictures = 6): Promise<string> {
    for (let i = 1; i <= pictures; i += 1) await written(`${name}/jpg/image_0000${i}.jpg`, 'listed, not read');
    await written(`${name}/imagelabels.mat`, imagelabels);
    await written(`${name}/setid.mat`, setid);
    return join(folder, name);
  }

  test.each([
    ['plain', {}],
    ['compressed', { compressed: true }],
  ])('splits, %s', async (name, form) => {
    const path = await flowers(`flowers-${name}`, matFile({ labels }, form), matFile(splits, form));
    const dataset = await openDataset(path);
    expect(dataset).toMatchObject({ name: `flowers-${name}#test`, format: 'flowers102', skipped: [] });
    expect(dataset.classes).toBeUndefined();
    expect(dataset.samples.map(({ image, label }) => [image.name, label])).toEqual([
      [join(path, 'jpg', 'image_00006.jpg'), 4],
      [join(path, 'jpg', 'image_00004.jpg'), 76],
    ]);
    const train = await openDataset({ flowers102: path, split: 'train' });
    expect(train.samples.map(({ label }) => label)).toEqual([101, 0]);
    expect((await openDataset({ flowers102: path, split: 'validation' })).samples).toHaveLength(1);
    const names = Array.from({ length: 102 }, (_, i) => `flower ${i}`);
    expect((await openDataset(path, { labels: names })).classes).toEqual(names);
    await refused(openDataset(path, { labels: ['rose'] }), /102 classes without names, and 1 labels/);
  });

  test('what is wrong with it', async () => {
    const good = matFile({ labels });
    const setid = matFile(splits);
    const missing = await flowers('flowers-missing', good, setid, 5);
    await refused(openDataset(missing), /^1 pictures can't be used:\n.*image_00006\.jpg: no such file/);
    const { samples, skipped } = await openDataset(missing, { onBadImage: 'skip' });
    expect([samples.length, skipped.length]).toEqual([1, 1]);
    const beyond = matFile({ labels: { numbers: [103, 1, 1, 1, 1, 1] } });
    await refused(
      openDataset(await flowers('flowers-103', beyond, setid)),
      /labels\(1\) is 103, not an integer from 1 to 102/,
    );
    const zero = matFile({ ...splits, tstid: { numbers: [7] } });
    await refused(openDataset(await flowers('flowers-7', good, zero)), /tstid\(1\) is 7, not an integer from 1 to 6/);
    await refused(openDataset(await flowers('flowers-other', good, good)), /setid\.mat has no numbers called tstid/);
    await refused(openDataset(await flowers('flowers-cut', good.subarray(0, 150), setid)), /no readable MAT-file/);
    await presisiRejection(openDataset({ flowers102: folder }), 'ERR_PRESISI_FILE_SYSTEM');
  });
});

describe('ImageNet’s validation pictures', () => {
  const name = (number: number): string => `ILSVRC2012_val_${String(number).padStart(8, '0')}.JPEG`;
  const wnid = (rank: number): string => `n${String(1_000_000 + rank).padStart(8, '0')}`;

  /** ILSVRC ID i belongs to the synset that stands at 1000 - i among the sorted; groups come after the thousand. */
  const synset = (id: number, rank: number): Record<string, Mat> => ({
    ILSVRC2012_ID: { numbers: [id] },
    WNID: { text: wnid(rank) },
    words: { text: `word ${rank}` },
    num_children: { numbers: [id > 1000 ? 2 : 0] },
  });
  const classes = Array.from({ length: 1000 }, (_, i) => synset(i + 1, 999 - i));
  const meta = (struct: readonly Record<string, Mat>[]): Buffer =>
    matFile({ synsets: { struct } }, { compressed: true });

  async function pictures(set: string, count = 3): Promise<string> {
    for (let i = 1; i <= count; i += 1) await written(`${set}/val/${name(i)}`, 'listed, not read');
    return join(folder, set, 'val');
  }

  test('Caffe’s list, beside the pictures', async () => {
    const path = await pictures('caffe');
    await written('caffe/val/val.txt', `${name(1)} 65\n${name(2)} 970\n${name(3)} 0\n`);
    const dataset = await openDataset(path);
    expect(dataset).toMatchObject({ name: 'val', format: 'imagenet', skipped: [] });
    expect(dataset.samples.map(({ label }) => label)).toEqual([65, 970, 0]);
    expect(dataset.classes).toBeUndefined();
    await refused(openDataset(path, { labels: ['tench'] }), /1000 classes without names/);
  });

  test('the development kit’s list, through its meta.mat', async () => {
    const path = await pictures('devkit');
    const kit = 'devkit/ILSVRC2012_devkit_t12/data';
    const groundTruth = await written(`${kit}/ILSVRC2012_validation_ground_truth.txt`, '1\n1000\n490\n');
    await refused(openDataset(path), /gives ILSVRC IDs, which are not the classes of networks.*no meta\.mat/);
    await written(`${kit}/meta.mat`, meta([...classes, synset(1001, 5000)]));
    const dataset = await openDataset(path);
    expect(dataset.samples.map(({ label }) => label)).toEqual([999, 0, 510]);
    expect(dataset.classes?.[999]).toBe('word 999');
    const elsewhere = await written('elsewhere.mat', meta(classes));
    const explicit = await openDataset({ imagenet: path, groundTruth, meta: elsewhere });
    expect(explicit.samples.map(({ label }) => label)).toEqual([999, 0, 510]);
  });

  test('what is missing, too much or wrong', async () => {
    const path = await pictures('wrong');
    const list = (content: string): Promise<string> => written('wrong/list.txt', content);
    const open = (groundTruth: string, options = {}) => openDataset({ imagenet: path, groundTruth }, options);
    await refused(openDataset(path), /no answers for the pictures/);
    const partial = await list(`${name(1)} 1\n${name(2)} 2\n${name(9)} 3\n`);
    await refused(
      open(partial),
      /^2 pictures can't be used:\n.*00000009\.JPEG: no such file\n.*00000003\.JPEG: not in/,
    );
    const { samples, skipped } = await open(partial, { onBadImage: 'skip' });
    expect([samples.length, skipped.length]).toEqual([2, 2]);
    await refused(
      open(await list(`${name(1)} 1\n${name(2)} 1000\n`)),
      /line 2: expected a picture's name and an index/,
    );
    await refused(open(await list('a picture\n')), /line 1: expected/);
    await refused(open(await list('../val/x.JPEG 1\n')), /line 1: .* is no name but a path/);
    await refused(open(await list('')), /is empty/);
    await written('wrong/meta.mat', meta(classes));
    await refused(open(await list('1\n1001\n')), /line 2: expected an ID from 1 to 1000, found "1001"/);
    await refused(open(await list('1\nx\n')), /line 2: expected an ID/);
    await written('wrong/meta.mat', meta(classes.slice(1)));
    await refused(open(await list('1\n')), /describes 999 classes/);
    await written('wrong/meta.mat', matFile({ other: { numbers: [1] } }));
    await refused(open(await list('1\n')), /no structures called synsets/);
    await presisiRejection(open(join(folder, 'absent.txt')), 'ERR_PRESISI_FILE_SYSTEM');
  });
});
