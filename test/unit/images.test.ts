import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImages, type RawImage, resolveImages } from '../../lib/images.js';
import { native } from '../../lib/native.js';
import type { Kernel, Preprocessing } from '../../lib/preprocess.js';
import { presisiRejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();

interface Options {
  readonly resize: number;
  readonly crop: number;
  readonly kernel?: Kernel;
}

async function decoded(source: unknown, { resize, crop, kernel = 'linear' }: Options) {
  const preprocessing = { resize, crop, kernel } as Preprocessing;
  const named = await resolveImages(source, 'images');
  const { signal } = new AbortController();
  for await (const first of decodeImages(named, preprocessing, signal, { identified: true })) return first;
  throw new Error('one picture went in, none came out');
}

async function pixelsOf(source: unknown, options: Options): Promise<Uint8Array> {
  const { pixels, error } = await decoded(source, options);
  if (pixels === undefined) throw error;
  expect(pixels.length).toBe(options.crop * options.crop * 3);
  return pixels;
}

/** A picture that shows where its pixels went: red grows to the right, green to the bottom. */
function ramps(width: number, height: number): RawImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      data.set([Math.round((x * 255) / width), Math.round((y * 255) / height), 77], (y * width + x) * 3);
    }
  }
  return { data, width, height, channels: 3 };
}

const encoder = ({ data, width, height, channels }: RawImage): Sharp =>
  sharp(data, { raw: { width, height, channels } });

/** Largest difference of two pictures' bytes. */
function distance(found: Uint8Array, expected: Uint8Array): number {
  expect(found.length).toBe(expected.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - (expected[i] as number))), 0);
}

describe('geometry', () => {
  // Width, height, resize, crop; then what torchvision's Resize and CenterCrop do: width, height, left, top.
  test.each([
    [640, 427, 256, 224, 383, 256, 80, 16],
    [427, 640, 256, 224, 256, 383, 16, 80],
    [451, 300, 256, 224, 384, 256, 80, 16],
    [300, 451, 256, 224, 256, 384, 16, 80],
    [500, 500, 256, 224, 256, 256, 16, 16],
    [257, 256, 256, 224, 257, 256, 16, 16],
    [256, 257, 256, 224, 256, 257, 16, 16],
    [97, 31, 256, 224, 801, 256, 288, 16],
    [1, 1, 256, 224, 256, 256, 16, 16],
    [4032, 3024, 256, 224, 341, 256, 58, 16],
    [3024, 4032, 256, 224, 256, 341, 16, 58],
    [1411, 999, 232, 224, 327, 232, 52, 4],
    [333, 500, 224, 224, 224, 336, 0, 56],
    [501, 334, 224, 224, 336, 224, 56, 0],
    [300, 200, 73, 64, 109, 73, 22, 4],
    [200, 299, 35, 32, 35, 52, 2, 10],
    [640, 480, 256, 227, 341, 256, 57, 14],
    [33, 32, 32, 32, 33, 32, 0, 0],
    [35, 32, 32, 32, 35, 32, 2, 0],
    [37, 32, 32, 32, 37, 32, 2, 0],
    [39, 32, 32, 32, 39, 32, 4, 0],
  ])('%ix%i to %i, %i in the middle', (width, height, resize, crop, scaledWidth, scaledHeight, left, top) => {
    const expected = { width: scaledWidth, height: scaledHeight, left, top };
    expect(native().pictureGeometry({ width, height }, { resize, crop, kernel: 'linear' })).toEqual(expected);
  });

  test.each([
    ['reduced, landscape', 640, 427],
    ['reduced, portrait', 427, 640],
    ['reduced a lot', 1200, 900],
    ['enlarged, landscape', 40, 31],
    ['enlarged, portrait', 31, 40],
    ['enlarged from one row', 9, 1],
    ['as it is', 80, 64],
  ])('pixels lie where it says: %s', async (_, width, height) => {
    for (const options of [
      { resize: 64, crop: 56 },
      { resize: 64, crop: 64 },
    ]) {
      const geometry = native().pictureGeometry({ width, height }, { ...options, kernel: 'linear' });
      const pixels = await pixelsOf(ramps(width, height), options);
      // Pixels are squares: the middle of the first one is at 1/2, before and after. Edges are left to the other tests.
      const seen = (side: number, scaled: number, at: number): number => {
        const place = Math.min(side - 1, Math.max(0, ((at + 0.5) * side) / scaled - 0.5));
        return (place * 255) / side;
      };
      for (const at of [8, 21, 40, 47]) {
        const pixel = pixels.subarray((at * options.crop + at) * 3, (at * options.crop + at + 1) * 3);
        expect(Math.abs((pixel[0] as number) - seen(width, geometry.width, geometry.left + at))).toBeLessThan(1.6);
        expect(Math.abs((pixel[1] as number) - seen(height, geometry.height, geometry.top + at))).toBeLessThan(1.6);
        expect(pixel[2]).toBe(77);
      }
    }
  });
});

describe('enlarged pixels are Pillow’s', () => {
  const data = Uint8Array.from({ length: 60 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % 5, Math.floor(i / 15)];
    return [x * 53 + y * 19, x * x * 17 + y * 71, (x + y) % 2 === 1 ? 255 : 0][i % 3] as number;
  });
  // First and last row of the six in the middle of 11x9.
  test.each<[Kernel, number[], number[]]>([
    [
      'nearest',
      [72, 88, 0, 72, 88, 0, 125, 139, 255, 125, 139, 255, 125, 139, 255, 178, 224, 0],
      [110, 230, 0, 110, 230, 0, 163, 25, 255, 163, 25, 255, 163, 25, 255, 216, 110, 0],
    ],
    [
      'linear',
      [46, 54, 120, 70, 65, 104, 94, 88, 130, 118, 111, 156, 142, 150, 130, 166, 188, 104],
      [88, 212, 105, 112, 203, 58, 136, 130, 135, 160, 56, 212, 184, 75, 135, 208, 94, 58],
    ],
    [
      'cubic',
      [40, 45, 108, 68, 58, 84, 92, 78, 134, 116, 106, 173, 140, 164, 134, 164, 209, 84],
      [85, 229, 87, 113, 213, 36, 137, 122, 141, 161, 47, 223, 198, 52, 141, 218, 92, 36],
    ],
  ])('%s', async (kernel, first, last) => {
    const source = { data, width: 5, height: 4, channels: 3 };
    const pixels = await pixelsOf(source, { resize: 9, crop: 6, kernel });
    expect(distance(pixels.subarray(0, 18), Uint8Array.from(first))).toBeLessThanOrEqual(1);
    expect(distance(pixels.subarray(90), Uint8Array.from(last))).toBeLessThanOrEqual(1);
  });

  test('kernels that only smooth better enlarge as cubic', async () => {
    const source = { data, width: 5, height: 4, channels: 3 };
    const cubic = await pixelsOf(source, { resize: 9, crop: 6, kernel: 'cubic' });
    for (const kernel of ['mitchell', 'lanczos2', 'lanczos3'] as const) {
      expect(await pixelsOf(source, { resize: 9, crop: 6, kernel })).toEqual(cubic);
    }
  });

  test('a long picture costs what its middle costs', async () => {
    const width = 4_000_000;
    const pixels = await pixelsOf(
      { data: new Uint8Array(width).fill(9), width, height: 1, channels: 1 },
      { resize: 256, crop: 224 },
    );
    expect(pixels.every((value) => value === 9)).toBe(true);
  });
});

describe('JPEG pictures', () => {
  const noise: RawImage = {
    data: Uint8Array.from({ length: 150 * 110 * 3 }, (_, i) => (i * 7919 + (i >> 5) * 104729) % 256),
    width: 150,
    height: 110,
    channels: 3,
  };
  const sizes = { resize: 64, crop: 56 };
  const resizing = { ...sizes, kernel: 'linear' } as const;
  const into = new Uint8Array(sizes.crop * sizes.crop * 3);
  const reading = { limit: 1e6, wantsBytes: true };

  /** What another decoder finds in the file, scaled as all other pixels are. */
  async function expected(bytes: Uint8Array, options: Options): Promise<Uint8Array> {
    const { data, info } = await sharp(bytes).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
    return native().resamplePicture(data, info, { kernel: 'linear', ...options });
  }

  test.each<[string, (picture: Sharp) => Sharp]>([
    ['4:2:0', (picture) => picture.jpeg()],
    ['4:4:4', (picture) => picture.jpeg({ chromaSubsampling: '4:4:4', quality: 97 })],
    ['progressive', (picture) => picture.jpeg({ progressive: true })],
    ['grey', (picture) => picture.toColourspace('b-w').jpeg()],
  ])('have the pixels that others find in them: %s', async (_, encode) => {
    const bytes = await encode(encoder(noise)).toBuffer();
    for (const kernel of ['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'] as const) {
      for (const options of [sizes, { resize: 150, crop: 141 }]) {
        // Decoders may round the steps of a cosine transform differently.
        const found = await pixelsOf(bytes, { ...options, kernel });
        expect(distance(found, await expected(bytes, { ...options, kernel }))).toBeLessThanOrEqual(2);
      }
    }
  });

  test('are the same from a file, whatever that is called, and from memory; so is what identifies them', async () => {
    const bytes = await encoder(noise).jpeg().toBuffer();
    const [asJpeg, asPng, png] = ['a.jpg', 'b.png', 'c.jpg'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(asJpeg, bytes);
    await writeFile(asPng, bytes);
    await writeFile(png, await encoder(noise).png().toBuffer());
    const memory = await decoded(bytes, sizes);
    for (const path of [asJpeg, asPng]) {
      const file = await decoded(path, sizes);
      expect(file.pixels).toEqual(memory.pixels);
      expect(Buffer.concat(file.identity ?? []).equals(bytes)).toBe(true);
    }
    expect((await decoded(png, sizes)).pixels).toEqual(await pixelsOf(noise, sizes));
  });

  test('with damage that others can live with are decoded, too', async () => {
    const bytes = await encoder(noise).jpeg().toBuffer();
    const marker = bytes.indexOf(Uint8Array.of(0xff, 0xdb));
    const withRest = Buffer.concat([bytes.subarray(0, marker), Buffer.alloc(9), bytes.subarray(marker)]);
    expect(await native().readPicture(withRest, resizing, into, reading)).toEqual({ decoded: false });
    expect(distance(await pixelsOf(withRest, sizes), await pixelsOf(bytes, sizes))).toBeLessThanOrEqual(3);
  });

  test('of files that are larger than asked for, or aren’t there, are left to others', async () => {
    const path = join(folder, 'a.jpg');
    const bytes = await encoder(noise).jpeg().toBuffer();
    await writeFile(path, bytes);
    const read = (file: string, limit: number, wantsBytes: boolean) =>
      native().readPicture(file, resizing, into, { limit, wantsBytes });
    expect(await read(path, bytes.length, true)).toEqual({ decoded: true, bytes: new Uint8Array(bytes) });
    expect(await read(path, bytes.length, false)).toEqual({ decoded: true });
    expect(await read(path, bytes.length - 1, true)).toEqual({ decoded: false });
    expect(await read(folder, 1e6, true)).toEqual({ decoded: false });
    expect(await read(`${path}.gone`, 1e6, true)).toEqual({ decoded: false });
    expect(await read(`${path}\0.png`, 1e6, true)).toEqual({ decoded: false });
    expect(await native().areFolders([folder, path, `${folder}\0`, `${path}.gone`])).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect(() => native().readPicture(path, resizing, into.subarray(1), reading)).toThrow('crop x crop x 3');
  });

  test('lie in memory that is used again when it was given back, and not before', async () => {
    const named = await resolveImages(
      Array.from({ length: 400 }, () => noise),
      'images',
    );
    const { signal } = new AbortController();
    const memory = new Set<ArrayBufferLike>();
    for await (const { pixels, release } of decodeImages(named, resizing as Preprocessing, signal)) {
      memory.add((pixels as Uint8Array).buffer);
      release?.();
    }
    expect(memory.size).toBeLessThan(200);
    memory.clear();
    for await (const { pixels } of decodeImages(named, resizing as Preprocessing, signal)) {
      memory.add((pixels as Uint8Array).buffer);
    }
    expect(memory.size).toBe(400);
  });
});

describe('pixels in memory', () => {
  const options = { resize: 64, crop: 56 };

  test('are what the same picture in a file is', async () => {
    for (const [width, height] of [
      [100, 80],
      [30, 41],
    ] as const) {
      const raw = ramps(width, height);
      expect(await pixelsOf(raw, options)).toEqual(await pixelsOf(await encoder(raw).png().toBuffer(), options));
    }
  });

  test('may be grey', async () => {
    const data = Uint8Array.from({ length: 90 * 70 }, (_, i) => (i % 90) * 2);
    const grey = await pixelsOf({ data, width: 90, height: 70, channels: 1 }, options);
    const rgb = Uint8Array.from({ length: data.length * 3 }, (_, i) => data[Math.floor(i / 3)] as number);
    expect(grey).toEqual(await pixelsOf({ data: rgb, width: 90, height: 70, channels: 3 }, options));
  });

  test('may be shared with another thread, as may a picture’s bytes', async () => {
    const shared = <T extends Uint8Array>(data: T): Uint8Array => {
      const copy = Buffer.from(new SharedArrayBuffer(data.length));
      copy.set(data);
      return copy;
    };
    const raw = ramps(70, 66);
    expect(await pixelsOf({ ...raw, data: shared(raw.data) }, options)).toEqual(await pixelsOf(raw, options));
    const bytes = await encoder(raw).jpeg().toBuffer();
    expect(await pixelsOf(shared(bytes), options)).toEqual(await pixelsOf(bytes, options));
  });

  test('may be part of a larger buffer', async () => {
    const raw = ramps(70, 66);
    const larger = new Uint8Array(raw.data.length + 100);
    larger.set(raw.data, 50);
    const view = { ...raw, data: larger.subarray(50, 50 + raw.data.length) };
    expect(await pixelsOf(view, options)).toEqual(await pixelsOf(raw, options));
  });

  test('go by their place, and are told apart by their dimensions', async () => {
    const wide = { ...ramps(80, 70) };
    const tall = { ...wide, width: 70, height: 80 };
    const named = await resolveImages([wide, tall], 'images');
    expect(named.map(({ name }) => name)).toEqual(['#0', '#1']);
    const bytes = async (source: RawImage) => Buffer.concat((await decoded(source, options)).identity ?? []);
    expect((await bytes(wide)).equals(await bytes(tall))).toBe(false);
    expect((await bytes(wide)).equals(await bytes({ ...wide, data: wide.data.slice() }))).toBe(true);
  });

  const good = ramps(4, 3);
  test.each([
    ['too few', { ...good, data: good.data.subarray(1) }, '4 x 3 x 3 = 36 bytes for images.data but received 35 bytes'],
    ['too many', { ...good, data: new Uint8Array(37) }, '4 x 3 x 3 = 36 bytes for images.data'],
    ['no pixels', { data: new Uint8Array(0), width: 0, height: 0, channels: 3 }, 'a positive integer for images.width'],
    ['half a pixel', { ...good, height: 1.5 }, 'a positive integer for images.height but received 1.5 of type number'],
    ['a negative side', { ...good, width: -4, height: -3 }, 'a positive integer for images.width'],
    ['a side past counting', { ...good, width: 2 ** 60 }, 'a positive integer for images.width'],
    ['a product past counting', { ...good, width: 2 ** 52, height: 2 ** 52 }, 'bytes for images.data'],
    [
      'a side that is text',
      { ...good, width: '4' },
      'a positive integer for images.width but received "4" of type string',
    ],
    ['no sides', { data: good.data }, 'a positive integer for images.width but received undefined'],
    ['alpha', { ...good, channels: 4 }, '1 (grey) or 3 (RGB) for images.channels but received 4'],
    ['no channels', { data: good.data, width: 4, height: 3 }, 'for images.channels but received undefined'],
    ['floats', { ...good, data: new Float32Array(36) }, 'a Uint8Array for images.data'],
    ['no data', { ...good, data: undefined }, 'a Uint8Array for images.data but received undefined'],
  ])('%s', async (_, source, message) => {
    const error = await presisiRejection(resolveImages(source, 'images'), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toContain(message);
  });

  test('of a list are named by their index', async () => {
    const images = [good, { ...good, width: 5 }];
    const error = await presisiRejection(resolveImages(images, 'images'), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toContain('images[1].data');
  });
});

describe('becomes RGB', () => {
  const colour: RawImage = ramps(96, 80);
  const options = { resize: 64, crop: 56 };

  test.each<[string, (picture: Sharp) => Sharp, number]>([
    ['opaque alpha', (picture) => picture.ensureAlpha().png(), 1],
    ['16 bits', (picture) => picture.toColourspace('rgb16').png(), 1],
    ['TIFF', (picture) => picture.tiff({ compression: 'lzw' }), 0],
    ['WebP without loss', (picture) => picture.webp({ lossless: true }), 0],
  ])('%s', async (_, encode, tolerance) => {
    const bytes = await encode(encoder(colour)).toBuffer();
    expect(distance(await pixelsOf(bytes, options), await pixelsOf(colour, options))).toBeLessThanOrEqual(tolerance);
  });

  test('CMYK', async () => {
    // Ink can't be as bright as light: a colour that both can show.
    const background = { r: 180, g: 120, b: 90 };
    const flat = sharp({ create: { width: 70, height: 66, channels: 3, background } });
    const bytes = await flat.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(4);
    const expected = Uint8Array.from({ length: 56 * 56 * 3 }, (_, i) => [180, 120, 90][i % 3] as number);
    expect(distance(await pixelsOf(bytes, options), expected)).toBeLessThanOrEqual(12);
  });

  test.each([
    ['reduced', options],
    ['enlarged', { resize: 128, crop: 112 }],
  ])('grey, %s', async (_, sizes) => {
    const bytes = await encoder(colour).toColourspace('b-w').png().toBuffer();
    expect((await sharp(bytes).metadata()).channels).toBe(1);
    const pixels = await pixelsOf(bytes, sizes);
    for (let i = 0; i < pixels.length; i += 3) {
      expect(pixels[i + 1]).toBe(pixels[i]);
      expect(pixels[i + 2]).toBe(pixels[i]);
    }
    expect(new Set(pixels).size).toBeGreaterThan(20);
  });

  test('and a colour profile changes nothing', async () => {
    const bytes = await encoder(colour).withIccProfile('p3').png().toBuffer();
    const stored = await sharp(bytes, { ignoreIcc: true }).raw().toBuffer();
    expect((await sharp(bytes).metadata()).hasProfile).toBe(true);
    expect(distance(stored, colour.data)).toBeGreaterThan(5);
    const expected = await pixelsOf({ ...colour, data: stored }, options);
    expect(await pixelsOf(bytes, options)).toEqual(expected);
  });

  test.each([
    ['reduced', options],
    ['enlarged', { resize: 128, crop: 112 }],
  ])('and is turned upright: %s', async (_, sizes) => {
    const expected = await pixelsOf(colour, sizes);
    // How a picture lies in its file for each orientation tag: rotated clockwise by so much, then mirrored or not.
    const lying: [number, number, boolean][] = [
      [1, 0, false],
      [2, 0, true],
      [3, 180, false],
      [6, 270, false],
      [8, 90, false],
    ];
    for (const [orientation, angle, mirrored] of lying) {
      const turned = await encoder(colour).rotate(angle).flop(mirrored).png().toBuffer();
      const bytes = await sharp(turned).withMetadata({ orientation }).tiff({ compression: 'lzw' }).toBuffer();
      expect(distance(await pixelsOf(bytes, sizes), expected)).toBeLessThanOrEqual(1);
    }
  });

  test('or is said to be broken', async () => {
    const bytes = await encoder(colour).jpeg().toBuffer();
    for (const broken of [bytes.subarray(0, 0), bytes.subarray(0, 100), bytes.subarray(0, bytes.length - 300)]) {
      const { pixels, error } = await decoded(broken, options);
      expect(pixels).toBeUndefined();
      expect(error?.code).toBe('ERR_PRESISI_INVALID_IMAGE');
    }
  });
});
