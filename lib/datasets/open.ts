import { atCaller, invalidArgument } from '../errors.js';
import { check, integer, onBadImage, options, strings } from '../options.js';
import { CIFAR10, CIFAR100_COARSE, CIFAR100_FINE, openCifar } from './cifar.js';
import type { Dataset, DatasetOptions } from './dataset.js';
import { openFlowers102 } from './flowers102.js';
import { openFolder } from './folder.js';
import { openImagenet } from './imagenet.js';
import { openManifest } from './manifest.js';
import { manifestIn, recognize } from './recognize.js';
import { type CheckedSource, checkSource, type DatasetSource } from './source.js';

const schema = options({
  labels: strings().min(1, { error: 'an array of strings' }).optional(),
  limit: integer(1, 1_000_000_000).optional(),
  onBadImage: onBadImage().optional(),
});

/**
 * Opens a data set where it lies: lists its pictures and their classes. Pictures are read when they are used, so that a
 * data set takes little memory; of CIFAR's files, the records that `limit` leaves.
 *
 * @param source a path, whose form is recognised by what lies there, or an object that says the form
 *
 * @example
 * const dataset = await openDataset('photos', { labels: engine.metadata.labels });
 * const { top1 } = await evaluate(engine, dataset);
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM, or ERR_PRESISI_INVALID_DATASET for what is damaged, missing or not among
 *   the labels
 */
export function openDataset(source: DatasetSource, options: DatasetOptions = {}): Promise<Dataset> {
  return atCaller(openDataset, async () => {
    const checked = check(schema, options, 'options');
    if (source === '') throw invalidArgument('a path', 'source', source);
    const found = typeof source === 'string' ? await recognize(source) : checkSource(source, 'source');
    return open(found, checked as DatasetOptions);
  });
}

async function open(source: CheckedSource, options: DatasetOptions): Promise<Dataset> {
  switch (source.form) {
    case 'folder':
      return openFolder(source.folder, options);
    case 'manifest':
      return openManifest((await manifestIn(source.manifest)) ?? source.manifest, source.split, options);
    case 'imagenet':
      return openImagenet(source.imagenet, source.groundTruth, source.meta, options);
    case 'cifar10':
      return openCifar(source.cifar10, CIFAR10, options);
    case 'cifar100':
      return openCifar(source.cifar100, source.labels === 'coarse' ? CIFAR100_COARSE : CIFAR100_FINE, options);
    case 'flowers102':
      return openFlowers102(source.flowers102, source.split ?? 'test', options);
  }
}
