import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { extname, join } from 'node:path';
import {
  checkRawImage,
  decodePicture,
  identityOf,
  isRawImage,
  looksLikeJpeg,
  type PictureData,
  type RawImage,
} from './decode.js';
import { fileSystemError, invalidArgument, PresisiError } from './errors.js';
import { native } from './native.js';
import type { Preprocessing } from './preprocess.js';
import { steady } from './tensor.js';

export type { RawImage } from './decode.js';

/** A file's path, an encoded picture in memory, or its pixels. */
export type ImageSource = string | Uint8Array | RawImage;

/** A folder (read with its subfolders), a picture, or several. */
export type Images = ImageSource | readonly ImageSource[];

/** A picture and what it is called in results and messages. */
export interface NamedImage {
  readonly name: string;
  readonly source: ImageSource;
}

export interface DecodedImage {
  readonly image: NamedImage;
  /** Interleaved RGB, `crop`×`crop`. Absent when the picture could not be decoded and the caller skips such. */
  readonly pixels?: Uint8Array;
  /** Why there are no pixels. */
  readonly error?: PresisiError;
  /** What identifies the picture: its encoded bytes, or its pixels and their dimensions. Only where it was asked for. */
  readonly identity?: readonly Uint8Array[];
  /** Wall time to read and decode. */
  readonly seconds: number;
  /** Gives back the memory of `pixels`, which another picture's will lie in. */
  readonly release?: () => void;
}

export interface DecodeOptions {
  /** Pictures that are decoded, beside those being decoded, while nobody asks for the next. Default 0. */
  readonly ahead?: number;
  /** Whether `identity` is wanted. Default false. */
  readonly identified?: boolean;
}

/** Buffers of one size. New ones for each picture would have the garbage collector run all the time. */
export class BufferPool {
  readonly #bytes: number;
  readonly #free: Uint8Array[] = [];

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  /** Whatever was in it before. */
  take(): Uint8Array {
    return this.#free.pop() ?? allocate(this.#bytes);
  }

  give(buffer: Uint8Array): void {
    this.#free.push(buffer);
  }
}

const EXTENSIONS = new Set(['.jpg', '.jpeg', '.png', '.webp', '.avif', '.gif', '.tif', '.tiff']);

/** More than the threads that decode, which would otherwise wait for the event loop to hand them the next. */
const IN_FLIGHT = Math.max(8, availableParallelism() + 4);

/** No photograph is larger; a file that is would be read whole before anybody could refuse it. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The pictures under a folder, its subfolders included, sorted by path. Hidden files are left out. */
export async function listImages(folder: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw fileSystemError('read the folder', folder, error);
  }
  const found: string[] = [];
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith('.')) continue;
    if (entry.isDirectory()) found.push(...(await listImages(path)));
    else if (EXTENSIONS.has(extname(entry.name).toLowerCase())) found.push(path);
  }
  return found.sort(compare);
}

/** Names every picture; folders are replaced by what lies in them. */
export async function resolveImages(images: unknown, name: string): Promise<NamedImage[]> {
  const list: unknown[] = Array.isArray(images) ? images : [images];
  // A path that isn't there is that picture's problem: it is reported, or skipped, when it is read.
  const paths = list.filter((source) => typeof source === 'string');
  const isFolder = await native().areFolders(paths);
  const folders = new Set(paths.filter((_, index) => isFolder[index]));
  const resolved: NamedImage[] = [];
  for (const [index, source] of list.entries()) {
    const label = Array.isArray(images) ? `${name}[${index}]` : name;
    if (source instanceof Uint8Array) {
      resolved.push({ name: `#${index}`, source });
    } else if (isRawImage(source)) {
      checkRawImage(source, label);
      resolved.push({ name: `#${index}`, source });
    } else if (typeof source !== 'string' || source === '') {
      throw invalidArgument('a path, the bytes of a picture, or { data, width, height, channels }', label, source);
    } else if (folders.has(source)) {
      resolved.push(...(await listImages(source)).map((path) => ({ name: path, source: path })));
    } else {
      resolved.push({ name: source, source });
    }
  }
  return resolved;
}

/** `count` of the pictures, evenly spread over the list: sorted folders hold one class after the other. */
export function spread<T>(items: readonly T[], count: number): T[] {
  if (count >= items.length) return [...items];
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)] as T);
}

interface ReadImage {
  readonly data: PictureData;
  /** The addon decodes JPEG pictures in passing. */
  readonly decoded: boolean;
}

/** `into` gets the pixels where they are decoded. Where they are, and not `identified`, `data` may be empty. */
async function readImage(
  source: ImageSource,
  preprocessing: Preprocessing,
  into: Uint8Array,
  identified: boolean,
): Promise<ReadImage> {
  const options = { limit: MAX_FILE_BYTES, wantsBytes: identified };
  if (typeof source !== 'string') {
    if (isRawImage(source) || !looksLikeJpeg(source)) return { data: source, decoded: false };
    const { decoded } = await native().readPicture(steady(source), preprocessing, into, options);
    return { data: source, decoded };
  }
  const { bytes, decoded } = await native().readPicture(source, preprocessing, into, options);
  return { data: bytes ?? (decoded ? NOTHING : await readOther(source)), decoded };
}

const NOTHING = new Uint8Array(0);

/** What the addon didn't read: what is no regular file, is empty or too large, or isn't there. */
async function readOther(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new PresisiError('ERR_PRESISI_INVALID_IMAGE', `${path} is too large for a picture: ${size} bytes`);
    }
    return await readFile(path);
  } catch (error) {
    throw error instanceof PresisiError ? error : fileSystemError('read', path, error);
  }
}

/** What goes wrong with a picture is told with it. */
export async function decodeImage(
  image: NamedImage,
  preprocessing: Preprocessing,
  { identified = false }: DecodeOptions = {},
  pool = new BufferPool(cropBytes(preprocessing)),
): Promise<DecodedImage> {
  const start = performance.now();
  const into = pool.take();
  const release = (): void => pool.give(into);
  try {
    const { data, decoded } = await readImage(image.source, preprocessing, into, identified);
    if (!decoded) into.set(await decodePicture(data, image.name, preprocessing));
    const seconds = (performance.now() - start) / 1000;
    return { image, pixels: into, ...(identified && { identity: identityOf(data) }), seconds, release };
  } catch (error) {
    if (!(error instanceof PresisiError)) throw error;
    release();
    return { image, error, seconds: (performance.now() - start) / 1000 };
  }
}

/** Decodes pictures some at a time, in order; one after the other is yielded as soon as it and those before are there. */
export async function* decodeImages(
  images: readonly NamedImage[],
  preprocessing: Preprocessing,
  signal: AbortSignal,
  options: DecodeOptions = {},
): AsyncGenerator<DecodedImage> {
  const { ahead = 0 } = options;
  const pool = new BufferPool(cropBytes(preprocessing));
  const pending: Promise<DecodedImage>[] = [];
  let [next, active] = [0, 0];
  const ended = (): void => {
    active -= 1;
    start();
  };
  const start = (): void => {
    while (active < IN_FLIGHT && pending.length < IN_FLIGHT + ahead && next < images.length) {
      const decoded = decodeImage(images[next] as NamedImage, preprocessing, options, pool);
      decoded.then(ended, ended); // awaited below, or nobody cares any more
      pending.push(decoded);
      active += 1;
      next += 1;
    }
  };
  try {
    for (start(); pending.length > 0; start()) {
      signal.throwIfAborted();
      yield await (pending.shift() as Promise<DecodedImage>);
    }
  } finally {
    next = images.length; // whoever asked may have had enough
  }
}

/** Groups items; the last group may be smaller. */
export async function* inBatches<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let group: T[] = [];
  for await (const item of items) {
    group.push(item);
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

/** Bytes of a picture's pixels. */
export const cropBytes = ({ crop }: Pick<Preprocessing, 'crop'>): number => crop * crop * 3;

/** Puts the pictures into `packed` one after the other, and lets go of their own memory; what is left becomes black. */
export function packPixels(pictures: readonly DecodedImage[], packed: Uint8Array): Uint8Array {
  let at = 0;
  for (const { pixels, release } of pictures) {
    if (pixels === undefined) continue;
    packed.set(pixels, at);
    at += pixels.length;
    release?.();
  }
  return packed.fill(0, at);
}

/** Not cleared: every byte is written. */
function allocate(bytes: number): Uint8Array {
  try {
    return Buffer.allocUnsafeSlow(bytes);
  } catch (cause) {
    throw new PresisiError('ERR_PRESISI_OUT_OF_MEMORY', `no memory for ${bytes} bytes of pixels`, {
      hint: 'use a smaller batchSize',
      cause,
    });
  }
}
