/// <reference path="../lib/jstat.d.ts" />
import jstat from 'jstat';

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** y = factor · x^exponent, by least squares of the logarithms. */
export interface PowerFit {
  readonly exponent: number;
  /** 95 %, by Student's t; absent where there are no more points than numbers that were fitted. */
  readonly interval?: readonly [low: number, high: number];
  /** Each y by what the fit says. */
  readonly residuals: ReadonlyMap<Point, number>;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Fits groups of points: one exponent for all, a factor for each group, so that each only tells how y grows within it.
 * Undefined where x differs in no group.
 */
export function fitPower(groups: readonly (readonly Point[])[]): PowerFit | undefined {
  const centred = groups.flatMap((points) => {
    const [x, y] = [points.map((point) => Math.log(point.x)), points.map((point) => Math.log(point.y))];
    const [centreX, centreY] = [mean(x), mean(y)];
    return points.map((point, index) => ({
      point,
      x: (x[index] ?? Number.NaN) - centreX,
      y: (y[index] ?? Number.NaN) - centreY,
    }));
  });
  const squares = centred.reduce((sum, { x }) => sum + x ** 2, 0);
  if (!(squares > 0)) return undefined;
  const exponent = centred.reduce((sum, { x, y }) => sum + x * y, 0) / squares;
  const errors = centred.map(({ point, x, y }) => [point, y - exponent * x] as const);
  const freedom = centred.length - groups.length - 1;
  const variance = errors.reduce((sum, [, error]) => sum + error ** 2, 0) / freedom;
  const half = freedom > 0 ? jstat.studentt.inv(0.975, freedom) * Math.sqrt(variance / squares) : undefined;
  return {
    exponent,
    ...(half !== undefined && { interval: [exponent - half, exponent + half] as const }),
    residuals: new Map(errors.map(([point, error]) => [point, Math.exp(error)])),
  };
}
