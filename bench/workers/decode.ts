// Pictures from files to pixels and no further, as many at a time as infer() decodes: wall and CPU time.
import { loadEngine } from 'presisi';
import type * as Images from '../../lib/images.js';
import type * as Preprocess from '../../lib/preprocess.js';
import { type Cost, costOf } from './measure.js';
import type { DecodeTask } from './tasks.js';
import { finish, internal, readTask } from './worker.js';

async function trial({ engine: path, images, warmUp }: DecodeTask): Promise<Cost> {
  const { decodeImages, resolveImages } = await internal<typeof Images>('images');
  const { completePreprocessing, imageInput } = await internal<typeof Preprocess>('preprocess');
  const engine = await loadEngine(path);
  const preprocessing = completePreprocessing(engine.metadata.preprocessing ?? {}, imageInput(engine.inputs));
  const decode = async (files: readonly string[]): Promise<void> => {
    const named = await resolveImages(files, 'images');
    for await (const { error, release } of decodeImages(named, preprocessing, new AbortController().signal)) {
      if (error) throw error;
      release?.();
    }
  };
  await decode(images.slice(0, warmUp));
  return costOf(() => decode(images));
}

finish(await trial(await readTask<DecodeTask>()));
