import { fitText, INK, logTicks, type Spec, textWidth, tickLabel } from '../chart.js';
import type { Chart } from '../document.js';
import { percent, significant } from '../numbers.js';
import { type Series, seriesColour, seriesShape } from '../variants.js';

export interface Choice {
  /** `densenet169 INT8` */
  readonly name: string;
  readonly series: Series;
  /** Milliseconds. */
  readonly latency: number;
  /** Share. */
  readonly top1: number;
  readonly bytes: number;
  /** On the front of accuracy and latency: nothing is faster and at least as accurate. */
  readonly front: boolean;
}

/** Marks those that no other beats in accuracy and latency. */
export const withFront = (choices: readonly Omit<Choice, 'front'>[]): Choice[] =>
  choices.map((choice) => ({
    ...choice,
    front: !choices.some(
      (other) =>
        other.latency <= choice.latency &&
        other.top1 >= choice.top1 &&
        (other.latency < choice.latency || other.top1 > choice.top1),
    ),
  }));

/** Accuracy over latency; the area of a mark is its size in bytes, the line joins what nothing else beats. */
export const paretoChart = (choices: readonly Choice[]): Chart => ({
  label: `Accuracy over latency. Nothing beats, from fast to accurate: ${front(choices)
    .map(({ name, latency, top1 }) => `${name} (${significant(latency)} ms, ${percent(top1)})`)
    .join(', ')}.`,
  spec: (width) => draw(width, choices),
});

const front = (choices: readonly Choice[]): Choice[] =>
  choices.filter((choice) => choice.front).sort((a, b) => a.latency - b.latency || a.top1 - b.top1);

function draw(width: number, choices: readonly Choice[]): Spec {
  const latencies = choices.map(({ latency }) => latency);
  const domain: [number, number] = [Math.min(...latencies) / 1.25, Math.max(...latencies) * 1.25];
  const shares = choices.map(({ top1 }) => top1 * 100);
  const air = Math.max(0.5, (Math.max(...shares) - Math.min(...shares)) * 0.1);
  const range: [number, number] = [Math.min(...shares) - air, Math.min(100, Math.max(...shares)) + air];
  const inner = width - 56;
  const height = width < 500 ? 300 : 380;
  const largest = Math.max(...choices.map(({ bytes }) => bytes));
  const area = (bytes: number): number => Math.max(60, (bytes / largest) * (width < 500 ? 420 : 700));
  const px = (latency: number): number => (Math.log(latency / domain[0]) / Math.log(domain[1] / domain[0])) * inner;
  const py = (top1: number): number => ((range[1] - top1 * 100) / (range[1] - range[0])) * height;
  const x: Spec = {
    field: 'latency',
    type: 'quantitative',
    scale: { type: 'log', domain, nice: false },
    axis: { title: null, values: logTicks(domain, inner / 60), domain: false, labelExpr: tickLabel('ms') },
  };
  const y: Spec = {
    field: 'percent',
    type: 'quantitative',
    scale: { domain: range, nice: false, zero: false },
    axis: { title: null, tickCount: 5, domain: false, labelExpr: "datum.value > 100 ? '' : datum.label + ' %'" },
  };
  const points = choices
    .map((choice) => ({ ...choice, percent: choice.top1 * 100, area: area(choice.bytes) }))
    .sort((a, b) => b.area - a.area);
  const best = front(choices);
  const labels = placeLabels(
    points.map(({ name, latency, top1, area: size, front: first }) => ({
      x: px(latency),
      y: py(top1),
      radius: Math.sqrt(size) / 2,
      text: fitText(name, inner * 0.5, 11),
      wanted: first,
    })),
    inner,
    height,
    stairs(best.map(({ latency, top1 }) => [px(latency), py(top1)])),
  );
  return {
    width: inner,
    height,
    padding: { left: 48, right: 8, top: 8, bottom: 28 },
    layer: [
      {
        name: 'front',
        data: { values: best.map(({ latency, top1 }) => ({ latency, percent: top1 * 100 })) },
        mark: { type: 'line', interpolate: 'step-after', stroke: INK.muted, strokeWidth: 1.5, strokeDash: [5, 4] },
        encoding: { x, y, order: { field: 'latency', type: 'quantitative' } },
      },
      {
        name: 'choices',
        data: { values: points },
        mark: { type: 'point', filled: true, stroke: INK.page, strokeWidth: 1 },
        encoding: {
          x,
          y,
          fill: seriesColour(),
          shape: seriesShape(),
          size: { field: 'area', type: 'quantitative', legend: null, scale: null },
          opacity: { condition: { test: 'datum.front', value: 1 }, value: 0.6 },
        },
      },
      {
        name: 'names',
        data: { values: labels },
        mark: { type: 'text', align: 'left', fontSize: 11 },
        encoding: {
          x: { field: 'x', type: 'quantitative', scale: null, axis: null },
          y: { field: 'y', type: 'quantitative', scale: null, axis: null },
          text: { field: 'text', type: 'nominal' },
          fill: { condition: { test: 'datum.wanted', value: INK.text }, value: INK.muted },
        },
      },
    ],
  };
}

type Box = readonly [left: number, top: number, right: number, bottom: number];

/** The line that joins the front, as thin boxes: first along, then up. */
const stairs = (points: readonly (readonly [number, number])[]): Box[] =>
  points.slice(1).flatMap(([x, y], index): Box[] => {
    const [fromX, fromY] = points[index] as readonly [number, number];
    return [
      [fromX, fromY - 1, x, fromY + 1],
      [x - 1, Math.min(y, fromY), x + 1, Math.max(y, fromY)],
    ];
  });

interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly wanted: boolean;
}

interface Spot {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly text: string;
  readonly wanted: boolean;
}

/** Names beside their marks where there is room; those that are wanted first. A name without room is left to the table. */
export function placeLabels(
  spots: readonly Spot[],
  width: number,
  height: number,
  obstacles: readonly Box[] = [],
): Label[] {
  const marks = spots.map(({ x, y, radius }): Box => [x - radius, y - radius, x + radius, y + radius]);
  const taken: Box[] = [...obstacles];
  const hits = (a: Box, b: Box): boolean => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  const labels: Label[] = [];
  for (const spot of [...spots].sort((a, b) => Number(b.wanted) - Number(a.wanted))) {
    const own = spots.indexOf(spot);
    const wide = textWidth(spot.text, 11);
    const away = spot.radius + 4;
    const places: [number, number][] = [
      [spot.x + away, spot.y],
      [spot.x - away - wide, spot.y],
      [spot.x - wide / 2, spot.y - away - 6],
      [spot.x - wide / 2, spot.y + away + 7],
      [spot.x + away * 0.7, spot.y - away - 4],
      [spot.x + away * 0.7, spot.y + away + 5],
      [spot.x - away * 0.7 - wide, spot.y - away - 4],
      [spot.x - away * 0.7 - wide, spot.y + away + 5],
    ];
    const place = places.find(([left, middle]) => {
      const box: Box = [left, middle - 7, left + wide, middle + 7];
      const inside = box[0] >= 0 && box[2] <= width && box[1] >= 0 && box[3] <= height;
      return (
        inside &&
        !taken.some((other) => hits(box, other)) &&
        !marks.some((mark, index) => index !== own && hits(box, mark))
      );
    });
    if (place === undefined) continue;
    taken.push([place[0], place[1] - 7, place[0] + wide, place[1] + 7]);
    labels.push({ x: place[0], y: place[1], text: spot.text, wanted: spot.wanted });
  }
  return labels;
}
