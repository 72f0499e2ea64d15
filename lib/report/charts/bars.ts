import { INK } from '../chart.js';
import type { Chart } from '../document.js';
import { barLayer, type RowGroup, rowChart } from '../rows.js';
import { seriesColour } from '../variants.js';
import type { DotRow, Dots } from './dots.js';

/** Bars from 0 with the 95 % intervals at their ends. */
export const barChart = ({ label, groups, axis }: Omit<Dots, 'ticks' | 'reference'>): Chart => ({
  label,
  spec: (width) =>
    rowChart({
      width,
      groups,
      axis,
      values: ({ text }) => text,
      end: ({ value, interval }) => Math.max(0, value, interval?.[1] ?? value),
      layers: (placed, plot) => [
        barLayer(
          'bars',
          placed.map(({ item: { value, series }, top, bottom }) => ({
            top,
            bottom,
            from: Math.min(0, value),
            to: Math.max(0, value),
            series,
          })),
          plot,
          seriesColour(),
        ),
        {
          name: 'whiskers',
          data: {
            values: placed.flatMap(({ item: { interval }, middle }) =>
              interval ? [{ middle, low: interval[0], high: interval[1] }] : [],
            ),
          },
          mark: { type: 'rule', stroke: INK.text, strokeWidth: 1.5 },
          encoding: { x: plot.x('low'), x2: { field: 'high' }, y: plot.y('middle') },
        },
      ],
    }),
});

/** From 0, or from below it where there are negative values, to the largest. */
export function fromZero(groups: readonly RowGroup<DotRow>[]): readonly [number, number] {
  const ends = groups.flatMap(({ items }) => items.flatMap(({ value, interval }) => [value, ...(interval ?? [])]));
  return [Math.min(0, ...ends), Math.max(0, ...ends)];
}
