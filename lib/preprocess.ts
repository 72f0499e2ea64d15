import { z } from 'zod';
import { PresisiError } from './errors.js';
import type { NativeImages } from './native.js';
import { integer, number, oneOf, options } from './options.js';
import { showDims, type TensorInfo } from './tensor.js';

export type Kernel = 'nearest' | 'linear' | 'cubic' | 'mitchell' | 'lanczos2' | 'lanczos3';

/**
 * How a picture becomes a network's input: turned upright, made RGB, its shorter side scaled to `resize` pixels, the
 * middle `crop`×`crop` pixels cut out, then `(byte · scale − mean) / std` for each channel.
 *
 * With `linear` these are the pixels of torchvision's `Resize(resize)` and `CenterCrop(crop)`, to the bit unless the picture
 * is large, and then to less than 1/255 on average (test/agreement measures it). torchvision's loader leaves a picture as it
 * lies when its EXIF says how to turn it; here it is turned. As there, colour profiles are left alone.
 */
export interface Preprocessing {
  /** Pixels of the shorter side after scaling. Default: `crop` · 256/224, as ImageNet networks are evaluated. */
  readonly resize: number;
  /** Side of the square that is cut out. Default: what the network takes, else 224. */
  readonly crop: number;
  /**
   * How pixels are interpolated, over as many as become one. Default `linear`, PIL's antialiased bilinear. Where a picture
   * is enlarged, all but `nearest` and `linear` do as `cubic`.
   */
  readonly kernel: Kernel;
  /** What a byte is multiplied with. Default 1/255. */
  readonly scale: number;
  /** Per channel, in the order of `channels`. Default: ImageNet's, 0.485, 0.456, 0.406. */
  readonly mean: readonly [number, number, number];
  /** Per channel, in the order of `channels`. Default: ImageNet's, 0.229, 0.224, 0.225. */
  readonly std: readonly [number, number, number];
  /** Default: what the network's shape says, else `NCHW`. */
  readonly layout: 'NCHW' | 'NHWC';
  /** Default `RGB`. */
  readonly channels: 'RGB' | 'BGR';
}

const finite = number('a finite number', Number.isFinite);
const divisor = number('a finite number other than 0', (value) => Number.isFinite(value) && value !== 0);
const threeNumbers = 'an array of three numbers';
const side = integer(1, 8192);

export const preprocessingSchema = options({
  resize: side.optional(),
  crop: side.optional(),
  kernel: oneOf(['nearest', 'linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3']).optional(),
  scale: divisor.optional(),
  mean: z.tuple([finite, finite, finite], { error: threeNumbers }).readonly().optional(),
  std: z.tuple([divisor, divisor, divisor], { error: threeNumbers }).readonly().optional(),
  layout: oneOf(['NCHW', 'NHWC']).optional(),
  channels: oneOf(['RGB', 'BGR']).optional(),
});

export const completePreprocessingSchema = preprocessingSchema.required();

const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

/** The one input of a network that pictures can go into. */
export function imageInput(inputs: readonly TensorInfo[]): TensorInfo {
  const [input] = inputs;
  const takesPictures =
    inputs.length === 1 && input?.type === 'float32' && input.dims.length === 4 && layoutOf(input) !== undefined;
  if (takesPictures) return input;
  throw new PresisiError(
    'ERR_PRESISI_INVALID_ARGUMENT',
    `the network doesn't take pictures: its inputs are ${inputs
      .map(({ name, type, dims }) => `${name}: ${type} ${showDims(dims)}`)
      .join(', ')}`,
    { hint: 'pictures need one float32 input [N, 3, H, W] or [N, H, W, 3]; feed other networks with tensors' },
  );
}

function layoutOf({ dims }: TensorInfo): 'NCHW' | 'NHWC' | undefined {
  if (dims[1] === 3) return 'NCHW';
  if (dims[3] === 3) return 'NHWC';
  return dims[1] === -1 ? 'NCHW' : undefined;
}

/** Completes what the caller chose with what the network's shape says, and ImageNet's numbers. */
export function completePreprocessing(
  chosen: { readonly [Key in keyof Preprocessing]?: Preprocessing[Key] | undefined },
  input: TensorInfo,
): Preprocessing {
  const layout = chosen.layout ?? layoutOf(input) ?? 'NCHW';
  const [height = -1, width = -1] = layout === 'NCHW' ? input.dims.slice(2, 4) : input.dims.slice(1, 3);
  const crop = chosen.crop ?? (height > 0 ? height : width > 0 ? width : 224);
  const resize = chosen.resize ?? Math.round((crop * 256) / 224);
  for (const size of [height, width]) {
    if (size > 0 && size !== crop) {
      throw new PresisiError(
        'ERR_PRESISI_SHAPE_MISMATCH',
        `pictures are cut to ${crop}x${crop} pixels, but input "${input.name}" has dimensions ${showDims(input.dims)}`,
        {
          hint: 'set preprocess.crop to the size the network takes; networks with other than square inputs take tensors',
        },
      );
    }
  }
  if (crop > resize) {
    throw new PresisiError(
      'ERR_PRESISI_INVALID_ARGUMENT',
      `Expected at least preprocess.crop (${crop}) for preprocess.resize but received ${resize} of type number`,
    );
  }
  return {
    resize,
    crop,
    kernel: chosen.kernel ?? 'linear',
    scale: chosen.scale ?? 1 / 255,
    mean: chosen.mean ?? IMAGENET_MEAN,
    std: chosen.std ?? IMAGENET_STD,
    layout,
    channels: chosen.channels ?? 'RGB',
  };
}

/** The same preprocessing is the same text: keys sorted, shortest numbers. */
export function canonical(preprocessing: Preprocessing): string {
  return JSON.stringify(preprocessing, Object.keys(preprocessing).sort());
}

/** A batch of decoded pictures as the addon takes it. */
export function nativeImages(
  input: string,
  pixels: Uint8Array,
  count: number,
  preprocessing: Preprocessing,
): NativeImages {
  const { crop, scale, mean, std, layout, channels } = preprocessing;
  return { input, pixels, count, height: crop, width: crop, scale, mean, std, layout, channels };
}
