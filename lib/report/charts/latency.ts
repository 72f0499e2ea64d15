import type { Speed } from '../../characterize/summary.js';
import { quantile } from '../../statistics.js';
import { INK, type Spec, tickLabel } from '../chart.js';
import type { TitledChart } from '../document.js';
import { significant } from '../numbers.js';
import { type Entry, seriesColour, VEGA_SHAPES } from '../variants.js';

const LABEL = 20;
const HILL = 30;
const GAP = 10;
const PITCH = LABEL + HILL + GAP;

export type LatencyEntry = Entry & { readonly found: Speed };

/** Where single runs lie, a hill for each variant, with the median and the 99th percentile marked. */
export const latencyChart = (title: string, entries: readonly LatencyEntry[]): TitledChart => ({
  title,
  label: `Latency of single runs of ${title}: ${entries.map(({ label, found }) => `${label} has a median of ${significant(found.p50.value)} ms and a 99th percentile of ${significant(found.p99.value)} ms`).join('; ')}.`,
  spec: (width) => draw(width, entries),
});

function draw(width: number, entries: readonly LatencyEntry[]): Spec {
  const hills = entries.map(({ found }) => density(found.samples));
  const ends = entries.flatMap(({ found }, index) => [
    found.p50.value,
    found.p99.value,
    ...(hills[index] ?? []).map(({ at }) => at),
  ]);
  const domain = [Math.min(...ends), Math.max(...ends)];
  const height = entries.length * PITCH;
  const inner = width - 24;
  const x = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain, nice: false, zero: false },
    axis: { title: null, tickCount: 5, domain: false, labelExpr: tickLabel('ms'), labelFlush: true },
  });
  const y = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, height], range: [0, height], nice: false, zero: false },
    axis: null,
  });
  const rows = entries.map((entry, index) => ({
    ...entry,
    base: (index + 1) * PITCH - GAP,
    p50: entry.found.p50.value,
    p99: entry.found.p99.value,
  }));
  const text = (
    name: string,
    align: 'left' | 'right',
    of: (row: (typeof rows)[number]) => string,
    at: number,
  ): Spec => ({
    name,
    data: { values: rows.map((row) => ({ y: row.base - HILL - LABEL / 2 + 1, text: of(row) })) },
    mark: { type: 'text', align, ...(align === 'left' ? { fontWeight: 600 } : { fill: INK.muted }) },
    encoding: { x: { value: at }, y: y('y'), text: { field: 'text', type: 'nominal' } },
  });
  const marks = rows.map(({ base, p50, p99, series }) => ({
    base,
    foot: base + 5,
    top: base - HILL,
    p50,
    p99,
    series,
  }));
  return {
    width: inner,
    height,
    padding: { left: 12, right: 12, top: 2, bottom: 26 },
    layer: [
      {
        name: 'hills',
        data: {
          values: rows.flatMap(({ base, series, variant }, index) =>
            (hills[index] ?? []).map(({ at, share }) => ({ at, y: base - share * HILL, base, series, id: variant.id })),
          ),
        },
        mark: { type: 'area', opacity: 0.55, line: false },
        encoding: {
          x: x('at'),
          y: y('y'),
          y2: { field: 'base' },
          fill: seriesColour(),
          detail: { field: 'id', type: 'nominal' },
        },
      },
      {
        name: 'medians',
        data: { values: marks },
        mark: { type: 'rule', strokeWidth: 2 },
        encoding: { x: x('p50'), y: y('top'), y2: { field: 'foot' }, stroke: seriesColour() },
      },
      {
        name: 'tails',
        data: { values: marks },
        mark: { type: 'point', shape: VEGA_SHAPES.triangle, filled: true, opacity: 1, size: 36 },
        encoding: { x: x('p99'), y: y('foot'), fill: seriesColour() },
      },
      text('labels', 'left', ({ label }) => label, 0),
      text('values', 'right', ({ p50, p99 }) => `median ${significant(p50)}, p99 ${significant(p99)}`, inner),
    ],
  };
}

/** Points of a hill; enough for a smooth outline at 700 pixels. */
const POINTS = 72;

/**
 * A Gaussian kernel density (Silverman's bandwidth, which takes the smaller of deviation and quartile distance so that
 * few slow runs don't smear the rest), scaled so that its top is 1. Ends where a hundredth of the runs is left on
 * either side. Empty for fewer than two different runs.
 */
export function density(samples: readonly number[]): { readonly at: number; readonly share: number }[] {
  const sorted = [...samples].sort((a, b) => a - b);
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const deviation = Math.sqrt(sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / sorted.length);
  const quartiles = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34;
  const bandwidth = 0.9 * (Math.min(deviation, quartiles) || deviation) * sorted.length ** -0.2;
  if (!(bandwidth > 0)) return [];
  // Not below the fastest run: a kernel would smear some of it to times that never were.
  const low = Math.max(sorted[0] ?? 0, quantile(sorted, 0.01) - 2 * bandwidth);
  const high = quantile(sorted, 0.99) + 2 * bandwidth;
  const heights = Array.from({ length: POINTS }, (_, index) => {
    const at = low + ((high - low) * index) / (POINTS - 1);
    const share = sorted.reduce((sum, value) => sum + Math.exp(-0.5 * ((at - value) / bandwidth) ** 2), 0);
    return { at, share };
  });
  const top = Math.max(...heights.map(({ share }) => share));
  return heights.map(({ at, share }) => ({ at, share: share / top }));
}
