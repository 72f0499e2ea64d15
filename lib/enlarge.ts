import type { Kernel } from './preprocess.js';

/** A run of pixels along one axis. */
export interface Span {
  readonly first: number;
  readonly count: number;
}

/** Weights are multiples of 2^-22: sums of 255 of them, and more where weights are negative, fit 32 bits. */
const ONE = 1 << 22;

/** How pixels of one axis are made: the span of the source's that are needed, and how much each counts. */
export interface Enlargement extends Span {
  /** Weights that each pixel of the result has. */
  readonly width: number;
  /** For each pixel of the result: where in the span its weights begin. */
  readonly starts: Int32Array;
  /** For each pixel of the result its `width` weights, which sum to {@link ONE}. */
  readonly weights: Int32Array;
}

/** An interpolating kernel and the distance, in pixels of the source, from which on it is 0. */
interface Shape {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const LINEAR: Shape = { support: 1, weight: (x) => 1 - x };

/** Keys 1981 with a = -1/2. */
const CUBIC: Shape = {
  support: 2,
  weight: (x) => (x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2),
};

/** Whatever the distance: the one pixel that is looked at counts alone. */
const NEAREST: Shape = { support: 0.5, weight: () => 1 };

/**
 * The weights that make `span` of `to` pixels out of `from` fewer ones. Pixels are squares: the middle of the first is
 * at 1/2, in both. Beyond the edge there is nothing, and what is left of the weights counts for more.
 *
 * Kernels differ in how they smooth, which enlarging doesn't; all but `nearest` and `linear` interpolate as `cubic`.
 */
export function enlargement(from: number, to: number, span: Span, kernel: Kernel): Enlargement {
  const shape = kernel === 'nearest' ? NEAREST : kernel === 'linear' ? LINEAR : CUBIC;
  const width = Math.min(from, 2 * shape.support);
  const starts = new Int32Array(span.count);
  const weights = new Int32Array(span.count * width);
  for (let i = 0; i < span.count; i += 1) {
    const centre = (span.first + i + 0.5) * (from / to);
    const nominal = Math.floor(centre - shape.support + 0.5);
    const start = Math.min(Math.max(0, nominal), from - width);
    starts[i] = start;
    weigh(centre - start, shape, weights.subarray(i * width, (i + 1) * width));
  }
  // Centres only move on: the first pixel's weights begin first, and the last one's end last.
  const first = starts[0] as number;
  const count = (starts[span.count - 1] as number) + width - first;
  return { first, count, width, starts: starts.map((start) => start - first), weights };
}

/** Fills in the weights around a centre. What rounding leaves goes to the last of them, where it is one part in 2^21. */
function weigh(centre: number, { support, weight }: Shape, weights: Int32Array): void {
  let sum = 0;
  for (let i = 0; i < weights.length; i += 1) sum += within(Math.abs(i + 0.5 - centre), support, weight);
  let left = ONE;
  for (let i = 0; i < weights.length - 1; i += 1) {
    const share = Math.round((within(Math.abs(i + 0.5 - centre), support, weight) / sum) * ONE);
    weights[i] = share;
    left -= share;
  }
  weights[weights.length - 1] = left;
}

const within = (distance: number, support: number, weight: Shape['weight']): number =>
  distance <= support ? weight(distance) : 0;
