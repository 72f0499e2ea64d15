import { FONT_SIZE, fitText, INK, type Spec, textWidth, tickLabel } from './chart.js';
import { type Series, seriesArea, seriesColour, seriesShape } from './variants.js';

/** A row of a chart: a label at the left, marks beside it. */
export interface Row {
  readonly label: string;
  readonly series: Series;
}

export interface RowGroup<T extends Row> {
  readonly heading: string;
  readonly items: readonly T[];
}

/** Where a row stands: pixels from the top of the plot. */
export interface Placed<T> {
  readonly item: T;
  readonly top: number;
  readonly middle: number;
  readonly bottom: number;
}

interface Layout<T> {
  readonly rows: readonly Placed<T>[];
  readonly headings: readonly { readonly text: string; readonly y: number }[];
  readonly height: number;
}

const HEADING = 26;
const BETWEEN_GROUPS = 8;

function layOut<T extends Row>(groups: readonly RowGroup<T>[], pitch: number, thickness: number): Layout<T> {
  const rows: Placed<T>[] = [];
  const headings: { text: string; y: number }[] = [];
  let y = 0;
  for (const [index, { heading, items }] of groups.entries()) {
    if (index > 0) y += BETWEEN_GROUPS;
    headings.push({ text: heading, y: y + HEADING / 2 });
    y += HEADING;
    for (const item of items) {
      const middle = y + pitch / 2;
      rows.push({ item, top: middle - thickness / 2, middle, bottom: middle + thickness / 2 });
      y += pitch;
    }
  }
  return { rows, headings, height: y + 4 };
}

/** The horizontal axis of a chart of rows. */
export interface RowAxis {
  readonly domain: readonly [number, number];
  readonly type?: 'linear' | 'log';
  /** What stands behind the numbers of the axis; empty: nothing does. */
  readonly unit: string;
  readonly ticks?: readonly number[];
}

/** What layers are drawn with. */
export interface Plot {
  readonly x: (field: string) => Spec;
  readonly y: (field: string) => Spec;
  /** Pixels of the axis. */
  readonly width: number;
}

export interface RowChart<T extends Row> {
  readonly width: number;
  readonly groups: readonly RowGroup<T>[];
  readonly axis: RowAxis;
  /** Texts at the right of the marks; room is left for the longest. */
  readonly values: (item: T) => string;
  /** Where the mark ends that the text stands beside. */
  readonly end: (item: T) => number;
  /** Marks of the rows, in the axis' quantity. */
  readonly layers: (placed: readonly Placed<T>[], plot: Plot) => readonly Spec[];
  readonly pitch?: number;
  readonly thickness?: number;
}

/**
 * Rows below headings, on one horizontal axis: what most charts of the report are. Every row has its own position in
 * pixels, so that nothing overlaps and a chart is as tall as it has rows.
 */
export function rowChart<T extends Row>(chart: RowChart<T>): Spec {
  const { width, groups, axis, values, end, layers, pitch = 22, thickness = 14 } = chart;
  const { rows, headings, height } = layOut(groups, pitch, thickness);
  const longest = Math.max(...rows.map(({ item }) => textWidth(item.label)));
  const left = Math.ceil(Math.min(width * 0.36, longest)) + 10;
  const right = Math.ceil(Math.max(14, ...rows.map(({ item }) => textWidth(values(item)) + 12)));
  const inner = width - left - right;
  const x = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: axis.domain, nice: false, ...(axis.type === 'log' ? { type: 'log' } : { zero: false }) },
    axis: {
      title: null,
      domain: false,
      labelExpr: tickLabel(axis.unit),
      tickCount: Math.max(2, Math.floor(inner / 90)),
      ...(axis.ticks && { values: axis.ticks }),
    },
  });
  const y = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, height], range: [0, height], nice: false, zero: false },
    axis: null,
  });
  const labels = rows.map(({ item, middle }) => ({ middle, label: fitText(item.label, left - 10) }));
  const shown = rows.map(({ item, middle }) => ({ middle, end: end(item), value: values(item) }));
  return {
    width: inner,
    height,
    padding: { left, right, top: 2, bottom: 28 },
    layer: [
      ...layers(rows, { x, y, width: inner }),
      {
        name: 'headings',
        data: { values: headings.map(({ text, y: at }) => ({ y: at, text: fitText(text, width - 4, FONT_SIZE + 2) })) },
        mark: { type: 'text', align: 'left', fontWeight: 600, fontSize: FONT_SIZE + 1 },
        encoding: { x: { value: -left }, y: y('y'), text: { field: 'text', type: 'nominal' } },
      },
      {
        name: 'labels',
        data: { values: labels },
        mark: { type: 'text', align: 'left', fill: INK.muted },
        encoding: { x: { value: -left }, y: y('middle'), text: { field: 'label', type: 'nominal' } },
      },
      {
        name: 'values',
        data: { values: shown },
        mark: { type: 'text', align: 'left', dx: 8 },
        encoding: { x: x('end'), y: y('middle'), text: { field: 'value', type: 'nominal' } },
      },
    ],
  };
}

/** Dots with whiskers, each on a faint line: a value and its 95 % interval. */
export function dotLayers<T extends Row>(
  placed: readonly Placed<T>[],
  { x, y }: Plot,
  of: (item: T) => { readonly value: number; readonly interval?: readonly [number, number] },
): Spec[] {
  const data = placed.map(({ item, middle }) => {
    const { value, interval = [value, value] } = of(item);
    return { middle, value, low: interval[0], high: interval[1], series: item.series };
  });
  return [
    {
      name: 'guides',
      data: { values: data },
      mark: { type: 'rule', stroke: INK.grid },
      encoding: { x: { value: 0 }, x2: { value: 'width' }, y: y('middle') },
    },
    {
      name: 'whiskers',
      data: { values: data },
      mark: { type: 'rule', strokeWidth: 2, strokeCap: 'round' },
      encoding: { x: x('low'), x2: { field: 'high' }, y: y('middle'), stroke: seriesColour() },
    },
    {
      name: 'dots',
      data: { values: data },
      mark: { type: 'point', filled: true, opacity: 1, stroke: INK.page, strokeWidth: 1 },
      encoding: { x: x('value'), y: y('middle'), fill: seriesColour(), shape: seriesShape(), size: seriesArea() },
    },
  ];
}

/** A stretch of a row, in the axis' quantity. */
export interface Bar {
  readonly top: number;
  readonly bottom: number;
  readonly from: number;
  readonly to: number;
}

export const barLayer = <T extends Bar>(name: string, bars: readonly T[], { x, y }: Plot, fill: Spec): Spec => ({
  name,
  data: { values: bars },
  mark: { type: 'rect', stroke: INK.page, strokeWidth: 1 },
  encoding: { x: x('from'), x2: { field: 'to' }, y: y('top'), y2: { field: 'bottom' }, fill },
});
