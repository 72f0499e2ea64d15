import { INK, type Spec } from '../chart.js';
import type { Chart } from '../document.js';
import { dotLayers, type Placed, type Plot, type RowAxis, type RowGroup, rowChart } from '../rows.js';
import type { Series } from '../variants.js';

export interface DotRow {
  readonly label: string;
  readonly series: Series;
  readonly value: number;
  readonly interval?: readonly [number, number];
  /** Beside the dot, at the end of its whisker. */
  readonly text: string;
}

export interface Dots {
  readonly label: string;
  readonly groups: readonly RowGroup<DotRow>[];
  readonly axis: Omit<RowAxis, 'ticks'>;
  /** By the chart's width, where the axis' own choice won't do. */
  readonly ticks?: (width: number) => readonly number[];
  /** A line through all rows: what values are compared with. */
  readonly reference?: number;
}

/** Values with their 95 % intervals, a row each. */
export const dotChart = ({ label, groups, axis, ticks, reference }: Dots): Chart => ({
  label,
  spec: (width) =>
    rowChart({
      width,
      groups,
      axis: { ...axis, ...(ticks && { ticks: ticks(width) }) },
      values: ({ text }) => text,
      end: ({ value, interval }) => (interval ? Math.max(value, interval[1]) : value),
      layers: (placed, plot) => [
        ...(reference === undefined ? [] : [line(reference, placed, plot)]),
        ...dotLayers(placed, plot, (item) => item),
      ],
    }),
});

const line = (at: number, placed: readonly Placed<DotRow>[], { x, y }: Plot): Spec => ({
  name: 'reference',
  data: { values: [{ at, top: 0, bottom: placed.at(-1)?.bottom ?? 0 }] },
  mark: { type: 'rule', stroke: INK.text, strokeDash: [4, 3] },
  encoding: { x: x('at'), y: y('top'), y2: { field: 'bottom' } },
});

/** A domain around values and intervals with some air, not beyond the limits. */
export function around(
  rows: readonly DotRow[],
  limits: readonly [number, number] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
): [number, number] {
  const all = rows.flatMap(({ value, interval }) => [value, ...(interval ?? [])]);
  const low = Math.min(...all);
  const high = Math.max(...all);
  const air = (high - low || Math.abs(high) || 1) * 0.06;
  return [Math.max(limits[0], low - air), Math.min(limits[1], high + air)];
}
