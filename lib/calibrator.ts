import { createHash } from 'node:crypto';
import {
  type Calibration,
  type CalibrationMethod,
  type FeedCalibration,
  type ImageCalibration,
  readCache,
} from './calibration.js';
import { isDataset, requireDataset } from './datasets/dataset.js';
import { PresisiError } from './errors.js';
import { hashBytes, updateHash } from './hash.js';
import {
  BufferPool,
  cropBytes,
  type DecodedImage,
  decodeImages,
  inBatches,
  type NamedImage,
  packPixels,
  resolveImages,
  spread,
} from './images.js';
import {
  type CalibratorHandle,
  type Control,
  type ModelHandle,
  type NativeFingerprint,
  type NativeImages,
  type NativeModel,
  native,
  type SamplesHandle,
} from './native.js';
import { canonical, imageInput, nativeImages, type Preprocessing } from './preprocess.js';
import type { TracedScope } from './signal.js';
import { mark } from './telemetry/spans.js';
import { type CheckedFeed, checkFeeds, nativeFeeds } from './tensor.js';

/** How many pictures are used unless `samples` says otherwise, when there are more. */
export const DEFAULT_SAMPLES = 512;

/** Feeds bring their own batch, whatever it is. */
const MAX_FEED_BATCH = 65536;

/** What quantization needs of a calibration. */
export interface Calibrated {
  /** The table as JSON. */
  readonly table: string;
  readonly warnings: string[];
}

/** What a calibration runs on. */
export interface CalibrationJob {
  readonly model: NativeModel;
  readonly modelSha256: string;
  readonly backend: string;
  readonly threads: number;
  readonly unsignedActivations: boolean;
  readonly keepFloat: readonly string[];
  /** Absent where the network takes no pictures. */
  readonly preprocessing?: Preprocessing;
}

/** Finds every activation's threshold, or reads what an earlier calibration found. */
export async function calibrate(
  calibration: Calibration,
  job: CalibrationJob,
  scope: TracedScope,
): Promise<Calibrated> {
  const { spans } = scope;
  if ('cache' in calibration) {
    const table = await spans.during('cache', () =>
      readCache(calibration.cache, { model: job.modelSha256 }, scope.control),
    );
    return { table, warnings: [] };
  }
  const run = new CalibrationRun(job, scope);
  const calibrated = await spans.during('calibrate', () => run.collect(calibration));
  scope.check();
  const table = await calibrated.solve(calibration.method ?? 'entropy', calibration.percentile ?? 99.99);
  const { saveCache } = calibration;
  if (saveCache !== undefined) {
    await spans.during('cache', () => native().writeText(saveCache, table, scope.control));
  }
  return { table, warnings: run.warnings };
}

/** Pictures for a backend that calibrates by itself, and what is known of them. */
export interface Samples {
  readonly handle: SamplesHandle;
  readonly count: number;
  readonly warnings: readonly string[];
}

/** Decodes the pictures and hands them over; the backend draws them while it builds. */
export async function collectSamples(
  calibration: ImageCalibration,
  job: CalibrationJob,
  scope: TracedScope,
): Promise<Samples> {
  const run = new CalibrationRun(job, scope);
  const handle = native().createSamples();
  let count = 0;
  const consume = async (images: NativeImages): Promise<number> => {
    native().addSamples(handle, images);
    count += images.count;
    return count;
  };
  // TensorRT calibrates at one shape, so every batch is full.
  try {
    await run.collectImages(consume, calibration, calibration.batchSize ?? 1, true);
  } catch (error) {
    await native().closeHandle(handle);
    throw error;
  }
  return { handle, count, warnings: run.warnings };
}

interface Collected {
  solve(method: CalibrationMethod, percentile: number): Promise<string>;
}

/** One collection: its calibrator lives from `collect` to the end of `solve`. */
class CalibrationRun {
  readonly warnings: string[] = [];
  readonly #job: CalibrationJob;
  readonly #scope: TracedScope;
  /** A hash for each sample: the data's identity depends neither on their order nor on how they were cut into batches. */
  readonly #samples: string[] = [];

  constructor(job: CalibrationJob, scope: TracedScope) {
    this.#job = job;
    this.#scope = scope;
  }

  async collect(calibration: ImageCalibration | FeedCalibration): Promise<Collected> {
    const { model } = this.#job;
    // Exporters that fix the batch leave no choice; all other networks take what the caller wants.
    const fixed = model.inputs[0]?.dims[0] ?? -1;
    const batchSize = fixed > 0 ? fixed : 'images' in calibration ? (calibration.batchSize ?? 8) : MAX_FEED_BATCH;
    const control = this.#scope.spans.traced(this.#scope.control);
    const creating = this.#create(model.handle, batchSize, control);
    creating.catch(() => {}); // awaited below
    try {
      if ('images' in calibration) {
        const consume = async (images: NativeImages): Promise<number> =>
          native().collectImages(await creating, images, control);
        await this.collectImages(consume, calibration, batchSize, fixed > 0, creating);
      } else await this.#collectFeeds(await creating, calibration);
    } catch (error) {
      const made = await creating.catch(() => undefined);
      if (made !== undefined) await native().closeHandle(made);
      throw error;
    }
    const calibrator = await creating;
    const { modelSha256, preprocessing } = this.#job;
    const fingerprint = {
      model: modelSha256,
      data: createHash('sha256').update(this.#samples.sort().join('\n')).digest('hex'),
      preprocessing: 'images' in calibration && preprocessing ? canonical(preprocessing) : 'none',
    };
    this.#scope.spans.lap('hash');
    return { solve: (method, percentile) => this.#solve(calibrator, { method, percentile, fingerprint }) };
  }

  async #create(model: ModelHandle, maxBatch: number, control: Control): Promise<CalibratorHandle> {
    const { backend, threads, unsignedActivations, keepFloat } = this.#job;
    const options = { backend, threads, maxBatch, unsignedActivations, keepFloat };
    const { handle } = await native().createCalibrator(model, options, control);
    return handle;
  }

  /** `consume` takes a batch and tells how many pictures it has seen; `ready` is when it can take the first. */
  async collectImages(
    consume: (images: NativeImages) => Promise<number>,
    calibration: ImageCalibration,
    batchSize: number,
    wholeBatches: boolean,
    ready: Promise<unknown> = Promise.resolve(),
  ): Promise<void> {
    const preprocessing = this.#job.preprocessing as Preprocessing;
    const input = imageInput(this.#job.model.inputs);
    const found = await picturesOf(calibration.images);
    if (found.length === 0) {
      throw new PresisiError('ERR_PRESISI_INVALID_CALIBRATION', 'there are no pictures to calibrate with', {
        hint: 'give a folder with JPEG, PNG, WebP, AVIF, GIF or TIFF files that are like what the network will see',
      });
    }
    const chosen = spread(found, calibration.samples ?? DEFAULT_SAMPLES);
    const good = this.#keepGood(
      decodeImages(chosen, preprocessing, this.#scope.signal, { ahead: batchSize, identified: true }),
      calibration.onBadImage ?? 'error',
      chosen.length,
    );
    const batches = new BufferPool(batchSize * cropBytes(preprocessing));
    let used = 0;
    let busy = ready;
    const { spans } = this.#scope;
    // The next pictures are decoded while the network runs on these: decoding takes only what is waited for them then.
    for await (const pictures of inBatches(good, batchSize)) {
      const decoded = mark();
      await busy;
      spans.lap('decode', decoded);
      if (wholeBatches && pictures.length < batchSize) {
        this.warnings.push(`${pictures.length} pictures did not fill the network's batch of ${batchSize}`);
        break;
      }
      const buffer = batches.take();
      const pixels = packPixels(pictures, buffer.subarray(0, pictures.length * cropBytes(preprocessing)));
      const images = nativeImages(input.name, pixels, pictures.length, preprocessing);
      busy = consume(images).then((completed) => {
        batches.give(buffer);
        this.#scope.report({ phase: 'calibrate', completed, total: chosen.length });
      });
      busy.catch(() => {}); // awaited in the next turn, or below
      used += pictures.length;
    }
    await busy;
    spans.lap('dispatch');
    if (used === 0) {
      throw new PresisiError('ERR_PRESISI_INVALID_CALIBRATION', 'no picture was left to calibrate with', {
        hint: this.warnings[0] ?? 'give more pictures',
      });
    }
  }

  /** Pixels of the pictures that could be decoded; what identifies them goes into the data's fingerprint. */
  async *#keepGood(
    decoded: AsyncIterable<DecodedImage>,
    policy: 'error' | 'skip',
    total: number,
  ): AsyncGenerator<DecodedImage> {
    const bad: PresisiError[] = [];
    for await (const picture of decoded) {
      const { pixels, identity, error, image } = picture;
      if (error !== undefined) {
        bad.push(error);
        if (policy === 'skip') this.warnings.push(`left out ${image.name}: ${error.message}`);
      } else if (pixels !== undefined && identity !== undefined && (policy === 'skip' || bad.length === 0)) {
        this.#samples.push(await hashBytes(...identity));
        yield picture;
      }
    }
    if (policy === 'error' && bad.length > 0) throw badImages(bad, total);
  }

  async #collectFeeds(calibrator: CalibratorHandle, { batches }: FeedCalibration): Promise<void> {
    const { spans, control } = this.#scope;
    let count = 0;
    for await (const feeds of batches) {
      spans.lap('feeds');
      this.#scope.check();
      const checked = checkFeeds(feeds, this.#job.model.inputs, `calibration.batches[${count}]`);
      this.#samples.push(...(await hashSamples(checked)));
      spans.lap('hash');
      await spans.job(control, (traced) => native().collectFeeds(calibrator, nativeFeeds(checked), traced));
      count += 1;
      this.#scope.report({ phase: 'calibrate', completed: count, total: 0 });
    }
    if (count === 0) {
      throw new PresisiError('ERR_PRESISI_INVALID_CALIBRATION', 'calibration.batches gave no feeds');
    }
  }

  async #solve(
    calibrator: CalibratorHandle,
    options: { method: CalibrationMethod; percentile: number; fingerprint: NativeFingerprint },
  ): Promise<string> {
    const { spans, control } = this.#scope;
    try {
      return await spans.job(control, (traced) => native().solveCalibration(calibrator, options, traced));
    } finally {
      await spans.during('release', () => native().closeHandle(calibrator));
    }
  }
}

/** What to calibrate with; a data set's classes don't matter. */
async function picturesOf(images: ImageCalibration['images']): Promise<NamedImage[]> {
  if (!isDataset(images)) return resolveImages(images, 'calibration.images');
  return requireDataset(images, 'calibration.images').samples.map(({ image }) => image);
}

/** A hash for each sample of a batch; of the whole where the inputs don't agree on how many samples there are. */
async function hashSamples(feeds: readonly CheckedFeed[]): Promise<string[]> {
  const count = feeds[0]?.dims[0] ?? 1;
  const divisible = feeds.every(({ dims }) => dims[0] === count);
  const hashes: string[] = [];
  for (let sample = 0; sample < (divisible ? count : 1); sample += 1) {
    const hash = createHash('sha256');
    for (const { name, type, dims, data } of feeds) {
      const size = divisible ? data.length / count : data.length;
      hash.update(`${name} ${type} ${(divisible ? dims.slice(1) : dims).join('x')}\n`);
      await updateHash(hash, data.subarray(sample * size, (sample + 1) * size));
    }
    hashes.push(hash.digest('hex'));
  }
  return hashes;
}

/** One error that names every picture that could not be decoded. */
function badImages(bad: readonly PresisiError[], total: number): PresisiError {
  const [first] = bad;
  if (bad.length === 1 && first !== undefined) return first;
  const shown = bad.slice(0, 10).map((error) => `  - ${error.message}`);
  if (bad.length > shown.length) shown.push(`  - and ${bad.length - shown.length} more`);
  return new PresisiError(
    'ERR_PRESISI_INVALID_IMAGE',
    `${bad.length} of ${total} pictures can't be used:\n${shown.join('\n')}`,
    { hint: "repair or remove them, or set onBadImage to 'skip'", cause: first },
  );
}
