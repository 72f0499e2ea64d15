import type { Chart } from '../document.js';
import { change, quantity, scaleOf } from '../numbers.js';
import { barLayer, rowChart } from '../rows.js';
import { type Series, seriesColour } from '../variants.js';

export interface SizeRow {
  readonly label: string;
  readonly series: Series;
  readonly bytes: number;
  /** Over the checkpoint; absent for the checkpoint itself. */
  readonly ratio?: number;
}

/** Bars of bytes, with how much smaller than the checkpoint. */
export function sizeChart(groups: readonly { readonly heading: string; readonly items: readonly SizeRow[] }[]): Chart {
  const all = groups.flatMap(({ items }) => items.map(({ bytes }) => bytes));
  const scale = scaleOf(all, 'B');
  const best = groups
    .flatMap(({ heading, items }) => items.map((item) => ({ heading, ...item })))
    .reduce<{ heading: string; label: string; ratio: number } | undefined>(
      (least, { heading, label, ratio }) =>
        ratio !== undefined && (least === undefined || ratio < least.ratio) ? { heading, label, ratio } : least,
      undefined,
    );
  return {
    label: `Bars of file sizes by model and variant.${best ? ` The largest reduction is ${change(best.ratio)}: ${best.heading} as ${best.label}.` : ''}`,
    spec: (width) =>
      rowChart({
        width,
        groups,
        axis: { domain: [0, Math.max(...all) / scale.divisor], unit: scale.unit },
        values: ({ bytes, ratio }) =>
          ratio === undefined ? quantity(bytes, 'B') : `${quantity(bytes, 'B')}, ${change(ratio)}`,
        end: ({ bytes }) => bytes / scale.divisor,
        layers: (placed, plot) => [
          barLayer(
            'bars',
            placed.map(({ item, top, bottom }) => ({
              top,
              bottom,
              from: 0,
              to: item.bytes / scale.divisor,
              series: item.series,
            })),
            plot,
            seriesColour(),
          ),
        ],
      }),
  };
}
