import type { Speed } from '../../characterize/summary.js';
import { fitText, INK, type Spec, textWidth, tickLabel } from '../chart.js';
import type { TitledChart } from '../document.js';
import { significant } from '../numbers.js';
import { type Entry, seriesArea, seriesColour, seriesShape } from '../variants.js';

export type ThroughputEntry = Entry & { readonly found: readonly Speed[] };

const HEIGHT = 190;
const LABEL_SIZE = 11;

/** Samples a second over the batch size, a line for each variant. */
export const throughputChart = (title: string, entries: readonly ThroughputEntry[]): TitledChart => ({
  title,
  label: `Throughput of ${title} against batch size: ${entries
    .map(({ label, found }) => {
      const best = found.reduce((a, b) => (b.throughput.value > a.throughput.value ? b : a));
      return `${label} reaches ${significant(best.throughput.value)} a second at batch ${best.batch}`;
    })
    .join('; ')}.`,
  spec: (width) => draw(width, entries),
});

function draw(width: number, entries: readonly ThroughputEntry[]): Spec {
  const points = entries.flatMap(({ variant, series, found }) =>
    found.map(({ batch, throughput: { value, interval = [value, value] } }) => ({
      batch,
      value,
      low: interval[0],
      high: interval[1],
      series,
      id: variant.id,
    })),
  );
  const batches = [...new Set(points.map(({ batch }) => batch))].sort((a, b) => a - b);
  const most = Math.max(...points.map(({ high }) => high)) * 1.05;
  // Colour and shape tell precisions apart; where several variants share one, each line is named at its end.
  const named = new Set(entries.map(({ series }) => series)).size < entries.length;
  const names = named ? placeNames(entries, most) : [];
  const right = named ? Math.min(120, Math.max(...names.map(({ text }) => textWidth(text, LABEL_SIZE))) + 6) : 8;
  const inner = width - 40 - right;
  const x: Spec = {
    field: 'batch',
    type: 'ordinal',
    scale: { type: 'point', domain: batches, padding: 0.3 },
    axis: { title: 'batch', titleAlign: 'right', titleAnchor: 'end', labelAngle: 0, domain: false, grid: false },
  };
  const y = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, most], nice: false },
    axis: { title: null, tickCount: 5, domain: false, labelExpr: tickLabel('') },
  });
  return {
    width: inner,
    height: HEIGHT,
    padding: { left: 40, right, top: 10, bottom: 42 },
    layer: [
      {
        name: 'lines',
        data: { values: points },
        mark: { type: 'line', strokeWidth: 1.8 },
        encoding: { x, y: y('value'), detail: { field: 'id', type: 'nominal' }, stroke: seriesColour() },
      },
      {
        name: 'whiskers',
        data: { values: points },
        mark: { type: 'rule', strokeWidth: 1.5 },
        encoding: { x, y: y('low'), y2: { field: 'high' }, stroke: seriesColour() },
      },
      {
        name: 'points',
        data: { values: points },
        mark: { type: 'point', filled: true, opacity: 1, stroke: INK.page, strokeWidth: 1 },
        encoding: { x, y: y('value'), fill: seriesColour(), shape: seriesShape(), size: seriesArea() },
      },
      {
        name: 'names',
        data: { values: names.map(({ text, y: at }) => ({ y: at, text: fitText(text, right - 4, LABEL_SIZE) })) },
        mark: { type: 'text', align: 'left', fontSize: LABEL_SIZE },
        encoding: {
          x: { value: inner },
          y: { field: 'y', type: 'quantitative', scale: null, axis: null },
          text: { field: 'text', type: 'nominal' },
        },
      },
    ],
  };
}

/** Names at the ends of lines, from the top down, apart by a line of text. */
function placeNames(
  entries: readonly ThroughputEntry[],
  most: number,
): { readonly text: string; readonly y: number }[] {
  const apart = LABEL_SIZE + 3;
  const ends = entries
    .map(({ label, found }) => ({ text: label, y: HEIGHT * (1 - (found.at(-1)?.throughput.value ?? 0) / most) }))
    .sort((a, b) => a.y - b.y);
  // Pushed down from the top, then back up from the bottom where that went too far.
  let least = 0;
  const down = ends.map(({ text, y }) => {
    least = Math.max(y, least) + apart;
    return { text, y: least - apart };
  });
  let limit = HEIGHT;
  return down
    .reverse()
    .map(({ text, y }) => {
      limit = Math.min(y, limit) - apart;
      return { text, y: limit + apart };
    })
    .reverse();
}
