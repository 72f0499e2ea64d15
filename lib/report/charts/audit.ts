import type { Shares } from '../../audit.js';
import type { TitledChart } from '../document.js';
import { percent } from '../numbers.js';
import { barLayer, type RowGroup, rowChart } from '../rows.js';
import { SERIES, type Series } from '../variants.js';

export interface ShareRow {
  readonly label: string;
  readonly series: Series;
  /** What was asked for. */
  readonly precision: string;
  readonly shares: Shares;
}

const ORDER = ['int8', 'fp16', 'fp32'] as const;

/** How much of something runs in each precision, 0 to 100 %. */
export const auditChart = (title: string, groups: readonly RowGroup<ShareRow>[]): TitledChart => ({
  title,
  label: `${title} by precision: ${groups
    .flatMap(({ heading, items }) =>
      items.map(
        ({ label, precision, shares }) =>
          `${heading} ${label} ${percent(shares[precision] ?? 0, 0)} in ${precision.toUpperCase()}`,
      ),
    )
    .join('; ')}.`,
  spec: (width) =>
    rowChart({
      width,
      groups,
      axis: { domain: [0, 100], unit: '%' },
      values: ({ precision, shares }) => percent(shares[precision] ?? 0, 0),
      end: () => 100,
      layers: (placed, plot) => [
        barLayer(
          'shares',
          placed.flatMap(({ item, top, bottom }) => {
            let at = 0;
            return parts(item.shares).map(({ precision, share }) => {
              at += share * 100;
              return { top, bottom, from: at - share * 100, to: at, precision };
            });
          }),
          plot,
          {
            field: 'precision',
            type: 'nominal',
            legend: null,
            scale: {
              domain: [...ORDER, 'other'],
              range: [...ORDER.map((name) => `var(${SERIES[name].colour})`), 'var(--muted)'],
            },
          },
        ),
      ],
    }),
});

/** In a fixed order; whatever is no precision of ours, or unknown, is `other`. */
export function parts(
  shares: Shares,
): { readonly precision: (typeof ORDER)[number] | 'other'; readonly share: number }[] {
  const known = ORDER.map((precision) => ({ precision, share: shares[precision] ?? 0 }));
  const rest = Object.entries(shares).filter(([name]) => !(ORDER as readonly string[]).includes(name));
  const other = { precision: 'other' as const, share: rest.reduce((sum, [, share]) => sum + share, 0) };
  return [...known, other].filter(({ share }) => share > 0);
}
