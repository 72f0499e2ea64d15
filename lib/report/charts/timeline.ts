import { FONT_SIZE, INK, type Spec, tickLabel } from '../chart.js';
import type { TitledChart } from '../document.js';
import { quantity, scaleOf, significant } from '../numbers.js';
import { type Phase, phaseColour, phaseOf } from '../phases.js';
import type { Recording, Track } from '../timeline.js';

const STRIP = 16;
const LABEL = 24;
const ROW = 42;
const GAP = 6;

/** Of a track, at the right above it: how high it went. */
export function peak({ unit, runs }: Track): string {
  const most = Math.max(...runs.flat().map(([, value]) => value));
  if (unit === 'cores') return `${significant(most, 2)} ${most === 1 ? 'core' : 'cores'}`;
  return unit === 'share' ? `${significant(most * 100, 2)} %` : quantity(most, unit);
}

/** Steps as a numbered strip with their bands below it, and every quantity in a row of its own from 0 to its peak. */
export const timelineChart = (title: string, recording: Recording, phases: readonly Phase[]): TitledChart => ({
  title,
  label: `Timeline of compressing ${title}: ${recording.tracks.map((track) => `${track.name} up to ${peak(track)}`).join(', ')}.`,
  spec: (width) => draw(width, recording, phases),
});

function draw(width: number, { seconds, steps, tracks }: Recording, phases: readonly Phase[]): Spec {
  const scale = scaleOf([seconds], 's');
  const height = STRIP + tracks.length * (LABEL + ROW + GAP);
  const inner = width - 12;
  const x = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, seconds / scale.divisor], nice: false, zero: false },
    axis: { title: null, tickCount: 5, grid: false, domain: false, labelFlush: true, labelExpr: tickLabel(scale.unit) },
  });
  const y = (field: string): Spec => ({
    field,
    type: 'quantitative',
    scale: { domain: [0, height], range: [0, height], nice: false, zero: false },
    axis: null,
  });
  const bands = steps.map(({ phase, name, start, seconds: length }) => ({
    from: Math.max(0, start) / scale.divisor,
    to: (start + length) / scale.divisor,
    top: 0,
    strip: STRIP,
    bottom: height,
    phase: phaseOf(phases, `${phase}/${name}`)?.number ?? phases.length,
  }));
  const numbered = bands
    .filter(({ from, to }) => ((to - from) / (seconds / scale.divisor)) * inner >= 12)
    .map(({ from, to, phase }) => ({ at: (from + to) / 2, y: STRIP / 2, phase: `${phase}` }));
  const rows = tracks.map((track, index) => {
    const top = STRIP + index * (LABEL + ROW + GAP) + LABEL;
    const most = Math.max(...track.runs.flat().map(([, value]) => value)) || 1;
    const points = track.runs.flatMap((run, part) =>
      run.map(([at, value]) => ({
        at: round(at / scale.divisor),
        value: round(top + ROW - (value / most) * ROW),
        base: top + ROW,
        part: `${index}/${part}`,
      })),
    );
    return { track, top, points };
  });
  const bandsOf = (name: string, bottom: string, opacity: number): Spec => ({
    name,
    data: { values: bands },
    mark: { type: 'rect', opacity, ...(opacity === 1 && { stroke: INK.page, strokeWidth: 1 }) },
    encoding: { x: x('from'), x2: { field: 'to' }, y: y('top'), y2: { field: bottom }, fill: phaseColour(phases) },
  });
  const words = (name: string, align: 'left' | 'right', of: (track: Track) => string): Spec => ({
    name,
    data: { values: rows.map(({ track, top }) => ({ y: top - LABEL / 2, text: of(track) })) },
    mark: { type: 'text', align, fontSize: FONT_SIZE - 0.5, ...(align === 'right' && { fill: INK.text }) },
    encoding: { x: { value: align === 'left' ? 3 : inner - 3 }, y: y('y'), text: { field: 'text', type: 'nominal' } },
  });
  const lines = rows.flatMap(({ points }) => points);
  return {
    width: inner,
    height,
    padding: { left: 6, right: 6, top: 2, bottom: 26 },
    layer: [
      bandsOf('bands', 'bottom', 0.12),
      bandsOf('strip', 'strip', 1),
      {
        name: 'numbers',
        data: { values: numbered },
        mark: { type: 'text', fill: 'var(--on-phase)', fontSize: 10.5 },
        encoding: { x: x('at'), y: y('y'), text: { field: 'phase', type: 'nominal' } },
      },
      {
        name: 'areas',
        data: { values: lines },
        mark: { type: 'area', fill: INK.text, opacity: 0.1 },
        encoding: { x: x('at'), y: y('value'), y2: { field: 'base' }, detail: { field: 'part', type: 'nominal' } },
      },
      {
        name: 'lines',
        data: { values: lines },
        mark: { type: 'line', stroke: INK.text, strokeWidth: 1.4, strokeJoin: 'round' },
        encoding: { x: x('at'), y: y('value'), detail: { field: 'part', type: 'nominal' } },
      },
      words('tracks', 'left', ({ name }) => name),
      words('peaks', 'right', (track) => `peak ${peak(track)}`),
    ],
  };
}

/** A hundredth of a pixel or of a unit is all a drawing shows. */
const round = (value: number): number => Number(value.toPrecision(5));
