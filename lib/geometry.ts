import type { Preprocessing } from './preprocess.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A picture's size after scaling, and where in that the crop begins. */
export interface Geometry extends Size {
  readonly left: number;
  readonly top: number;
}

/**
 * Where pixels go, to the pixel as torchvision's `Resize(resize)` and `CenterCrop(crop)` have it: the shorter side
 * becomes `resize`; the longer one is scaled by the same ratio and cut to an integer, not rounded, so the two axes' own
 * scales may differ a little; and a crop that can't lie in the very middle begins at the even one of its two places.
 */
export function geometryOf(
  { width, height }: Size,
  { resize, crop }: Pick<Preprocessing, 'resize' | 'crop'>,
): Geometry {
  const longer = Math.floor((resize * Math.max(width, height)) / Math.min(width, height));
  const scaled = width <= height ? { width: resize, height: longer } : { width: longer, height: resize };
  return { ...scaled, left: middle(scaled.width - crop), top: middle(scaled.height - crop) };
}

/** Half of a margin; halves of odd ones are rounded to even. */
function middle(margin: number): number {
  const half = Math.floor(margin / 2);
  return margin % 2 === 1 && half % 2 === 1 ? half + 1 : half;
}
