import type { Overhead } from '../../characterize/summary.js';
import type { Chart } from '../document.js';
import { quantity, scaleOf } from '../numbers.js';
import { type Phase, phaseColour, phaseKey, phaseOf } from '../phases.js';
import { type Bar, barLayer, type Placed, rowChart } from '../rows.js';
import type { Series } from '../variants.js';

export interface OverheadRow {
  readonly label: string;
  readonly series: Series;
  readonly found: Overhead;
}

interface Segment extends Bar {
  readonly phase: number;
}

/** Bars of seconds, stacked by step; a number in each step that is wide enough says which. */
export function overheadChart(
  groups: readonly { readonly heading: string; readonly items: readonly OverheadRow[] }[],
  phases: readonly Phase[],
): Chart {
  const totals = groups.flatMap(({ items }) => items.map(({ found }) => Math.max(found.seconds.value, sum(found))));
  const scale = scaleOf(totals, 's');
  const most = Math.max(...totals) / scale.divisor;
  return {
    label: 'Stacked bars of the time that compressing takes, by step, for every model and precision.',
    spec: (width) =>
      rowChart({
        width,
        groups,
        axis: { domain: [0, most], unit: scale.unit },
        values: ({ found }) => quantity(found.seconds.value, 's'),
        end: ({ found }) => sum(found) / scale.divisor,
        layers: (placed, plot) => {
          const bars = placed.flatMap((row) => segments(row, phases, scale.divisor));
          const wide = bars.filter(({ from, to }) => ((to - from) / most) * plot.width >= 13);
          return [
            barLayer('segments', bars, plot, phaseColour(phases)),
            {
              name: 'numbers',
              data: {
                values: wide.map((bar) => ({
                  at: (bar.from + bar.to) / 2,
                  y: (bar.top + bar.bottom) / 2,
                  phase: `${bar.phase}`,
                })),
              },
              mark: { type: 'text', fill: 'var(--on-phase)', fontSize: 10.5 },
              encoding: { x: plot.x('at'), y: plot.y('y'), text: { field: 'phase', type: 'nominal' } },
            },
          ];
        },
      }),
  };
}

const sum = (overhead: Overhead): number => overhead.phases.reduce((total, { seconds }) => total + seconds.value, 0);

function segments(row: Placed<OverheadRow>, phases: readonly Phase[], divisor: number): Segment[] {
  const times = new Map<number, number>();
  for (const cost of row.item.found.phases) {
    const number = phaseOf(phases, phaseKey(cost))?.number ?? phases.length;
    times.set(number, (times.get(number) ?? 0) + cost.seconds.value / divisor);
  }
  let at = 0;
  return [...times]
    .sort(([a], [b]) => a - b)
    .map(([phase, seconds]) => {
      at += seconds;
      return { phase, from: at - seconds, to: at, top: row.top, bottom: row.bottom };
    });
}
