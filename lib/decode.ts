import type { Sharp, SharpOptions } from 'sharp';
import { invalidArgument, PresisiError } from './errors.js';
import { type Geometry, native, type Resizing } from './native.js';
import { steady } from './tensor.js';

/** Pixels in memory: rows from the top, 8 bits a channel, interleaved RGB or grey, nothing between rows. */
export interface RawImage {
  /** `width` · `height` · `channels` bytes. */
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

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

/** What JPEG files begin with. */
export const looksLikeJpeg = (data: Uint8Array): boolean => data[0] === 0xff && data[1] === 0xd8;

/** Pictures with more pixels are scaled by libvips, which needn't hold them whole: 12 MB, of several at a time. */
const MAX_WHOLE = 1 << 22;

/** Interleaved RGB bytes, `crop`×`crop`, of whatever the addon's own decoder left: other formats than JPEG, and damage. */
export async function decodePicture(data: PictureData, name: string, resizing: Resizing): Promise<Uint8Array> {
  try {
    if (isRawImage(data) && data.channels === 3) {
      return await native().resamplePicture(steady(data.data), data, resizing);
    }
    const picture = await open(data);
    const { width, height } = isRawImage(data) ? data : (await picture.metadata()).autoOrient;
    const geometry = native().pictureGeometry({ width, height }, resizing);
    const upright = picture.autoOrient();
    // libvips would enlarge with everything half a pixel of the result too far to the right and to the bottom.
    return width * height <= MAX_WHOLE || geometry.height > height
      ? await native().resamplePicture(await rgb(upright), { width, height }, resizing)
      : await reduced(upright, geometry, resizing);
  } catch (error) {
    const reason = (error as Error).message.split('\n')[0];
    throw new PresisiError('ERR_PRESISI_INVALID_IMAGE', `cannot decode ${name}: ${reason}`, { cause: error });
  }
}

/**
 * Colour profiles are left alone: networks are trained and evaluated on the numbers that are in the file.
 *
 * sharp is loaded with the first picture that needs it: that takes longer than many a run.
 */
async function open(data: PictureData): Promise<Sharp> {
  const { default: sharp } = await import('sharp');
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

async function rgb(picture: Sharp): Promise<Uint8Array> {
  const { data, info } = await picture
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels instead of 3`);
  return data;
}
