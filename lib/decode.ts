import sharp, { type Sharp, type SharpOptions } from 'sharp';
import { enlargement } from './enlarge.js';
import { invalidArgument, PresisiError } from './errors.js';
import { type Geometry, geometryOf, type Size } from './geometry.js';
import { native } from './native.js';
import type { Preprocessing } from './preprocess.js';

/** Pixels in memory: rows from the top, 8 bits a channel, interleaved RGB or grey, nothing between rows. */
export interface RawImage {
  /** `width` · `height` · `channels` bytes. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** The part of preprocessing that makes pixels; the rest is arithmetic on them, which the addon does. */
export type Resizing = Pick<Preprocessing, 'resize' | 'crop' | 'kernel'>;

/** What there is to decode: an encoded picture, or pixels that only need scaling. */
export type PictureData = Uint8Array | RawImage;

export const isRawImage = (source: unknown): source is RawImage =>
  typeof source === 'object' && source !== null && 'data' in source;

/** Checks pixels that a caller calls `name`: data of another size would be read past its end, or shown sheared. */
export function checkRawImage({ data, width, height, channels }: RawImage, name: string): void {
  if (!(data instanceof Uint8Array)) throw invalidArgument('a Uint8Array', `${name}.data`, data);
  for (const [key, value] of Object.entries({ width, height })) {
    if (!Number.isSafeInteger(value) || value < 1) throw invalidArgument('a positive integer', `${name}.${key}`, value);
  }
  if (channels !== 1 && channels !== 3) throw invalidArgument('1 (grey) or 3 (RGB)', `${name}.channels`, channels);
  if (data.length !== width * height * channels) {
    const expected = `${width} x ${height} x ${channels} = ${width * height * channels} bytes`;
    throw invalidArgument(expected, `${name}.data`, data);
  }
}

/** What identifies a picture. Pixels alone don't: 2x3 and 3x2 of them can be the same bytes. */
export function identityOf(data: PictureData): Uint8Array[] {
  if (!isRawImage(data)) return [data];
  return [new TextEncoder().encode(`${data.width}x${data.height}x${data.channels}\n`), data.data];
}

/** Interleaved RGB bytes, `crop`×`crop`. */
export async function decodePicture(data: PictureData, name: string, preprocessing: Resizing): Promise<Uint8Array> {
  try {
    const picture = open(data);
    const size = isRawImage(data) ? data : (await picture.metadata()).autoOrient;
    const geometry = geometryOf(size, preprocessing);
    const upright = picture.autoOrient();
    return geometry.height > size.height
      ? await enlarged(upright, size, geometry, preprocessing)
      : await reduced(upright, geometry, preprocessing);
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new PresisiError('ERR_PRESISI_INVALID_IMAGE', `cannot decode ${name}: ${reason}`, { cause: error });
  }
}

/** Colour profiles are left alone: networks are trained and evaluated on the numbers that are in the file. */
function open(data: PictureData): Sharp {
  const options: SharpOptions = { failOn: 'error', ignoreIcc: true };
  if (!isRawImage(data)) return sharp(data, options);
  const { width, height, channels } = data;
  return sharp(data.data, { ...options, raw: { width, height, channels } });
}

function reduced(
  picture: Sharp,
  { width, height, left, top }: Geometry,
  { crop, kernel }: Resizing,
): Promise<Uint8Array> {
  return rgb(
    picture
      .resize(width, height, { fit: 'fill', kernel, fastShrinkOnLoad: false })
      .extract({ left, top, width: crop, height: crop }),
  );
}

/** libvips would enlarge with everything half a pixel of the result too far to the right and to the bottom. */
async function enlarged(
  picture: Sharp,
  size: Size,
  { width, height, left, top }: Geometry,
  { crop, kernel }: Resizing,
): Promise<Uint8Array> {
  const columns = enlargement(size.width, width, { first: left, count: crop }, kernel);
  const rows = enlargement(size.height, height, { first: top, count: crop }, kernel);
  const part = { left: columns.first, top: rows.first, width: columns.count, height: rows.count };
  return native().enlarge(await rgb(picture.extract(part)), columns, rows);
}

async function rgb(picture: Sharp): Promise<Uint8Array> {
  const { data, info } = await picture
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
  return data;
}
