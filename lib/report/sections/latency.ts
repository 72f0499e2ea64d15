import { frameworkName } from '../../characterize/summary/label.js';
import type { Ratio, Speed, Summary } from '../../characterize/summary.js';
import { logTicks } from '../chart.js';
import { dotChart } from '../charts/dots.js';
import { latencyChart } from '../charts/latency.js';
import { type Block, numeric, type Section, type Table, text, words } from '../document.js';
import { change, enumeration, estimate, ratio, significant } from '../numbers.js';
import { whyMissing } from '../reasons.js';
import { type Group, having, legendOf } from '../variants.js';

type Timed = ReturnType<typeof having<Speed>>;

export function latencySection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'latency', short: 'Latency', title: 'Latency' };
  const timed = having(groups, ({ speed }) => speed);
  if (timed.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'Latency', why }] };
  }
  const batch = timed[0]?.items[0]?.found.batch ?? 1;
  const blocks: Block[] = [
    text(
      `One run of the network at batch ${batch}, as the caller waits for it; decoding and preprocessing of pictures not included. Every repeat is a fresh process, and estimates are medians over the repeats.`,
    ),
    ...comparison(groups, summary),
    {
      kind: 'figure',
      figure: {
        id: 'latency',
        caption:
          'Where single runs lie. A line marks the median, a triangle the 99th percentile; every hill is scaled to the same height, and each model has an axis of its own that does not start at 0.',
        legend: legendOf(timed, false),
        chart: timed.map(({ heading, items }) => latencyChart(heading, items)),
        table: latencyTable(timed),
      },
    },
  ];
  return { ...section, blocks };
}

/** How much faster than the original model, or where that wasn't measured, than the FP32 engine. */
function comparison(groups: readonly Group[], { results }: Summary): Block[] {
  const baselines = [...new Set(results.variants.map(({ framework }) => framework))].filter(
    (name) => name !== 'presisi',
  );
  const against = (speed: Speed | undefined): Ratio | undefined =>
    baselines.length > 0 ? speed?.againstBaseline : speed?.againstFp32;
  const compared = having(groups, ({ speed, series }) => (series === 'baseline' ? undefined : against(speed)));
  const other =
    baselines.length > 0 ? `the original model in ${enumeration(baselines.map(frameworkName))}` : 'the FP32 engine';
  const note: Block[] =
    baselines.length > 0
      ? []
      : [
          {
            kind: 'absent',
            what: 'The original model in its framework',
            why: 'the experiment has no baseline, or it could not run here',
          },
        ];
  if (compared.length === 0) return note;
  const rows = compared.map(({ heading, items }) => ({
    heading,
    items: items.map(({ label, series, found }) => ({
      label,
      series,
      value: found.value,
      ...(found.interval && { interval: found.interval }),
      text: found.beyondNoise === false ? `${change(found.value)} ≈` : change(found.value),
    })),
  }));
  const ends = rows.flatMap(({ items }) => items.flatMap(({ value, interval }) => [value, ...(interval ?? [])]));
  const domain = [Math.min(1, ...ends) / 1.06, Math.max(1, ...ends) * 1.06] as const;
  return [
    ...note,
    {
      kind: 'figure',
      figure: {
        id: 'latency-ratio',
        caption: `Median latency over that of ${other} (the dashed line at 1×; left of it is faster), with 95 % intervals. ≈ marks what can't be told from noise.`,
        legend: legendOf(compared, true),
        chart: dotChart({
          label: `Latency of every variant against ${other}, from ${change(Math.min(...ends))} to ${change(Math.max(...ends))}.`,
          groups: rows,
          axis: { domain, type: 'log', unit: '×' },
          ticks: (width) => ratioTicks(domain, width < 500 ? 4 : 8),
          reference: 1,
        }),
        table: {
          caption: `Latency against ${other}`,
          columns: [...words('Model', 'Variant'), ...numeric('Ratio', 'Change')],
          rows: compared.flatMap(({ heading, items }) =>
            items.map(({ label, found }) => [heading, label, `${significant(found.value)}×`, ratio(found)]),
          ),
        },
      },
    },
  ];
}

/** Round numbers of a ratio's axis, 1 always among them. */
function ratioTicks(domain: readonly [number, number], most: number): number[] {
  const close = [0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.5, 2, 3, 4];
  const inside = close.filter((tick) => tick >= domain[0] && tick <= domain[1]);
  if (domain[1] / domain[0] > 16) return logTicks(domain, most);
  if (inside.length <= most) return inside;
  return inside.filter((tick) => [0.25, 0.5, 0.75, 1, 1.5, 2, 4].includes(tick));
}

function latencyTable(timed: Timed): Table {
  const several = timed.some(({ items }) => items.some(({ summary }) => summary.speeds.length > 1));
  return {
    caption: `Latency in milliseconds of a run${several ? ', every batch size and number of threads' : ''}`,
    columns: [
      ...words('Model', 'Variant'),
      ...(several ? numeric('Batch', 'Threads') : []),
      ...numeric('p50', 'Mean', 'p90', 'p95', 'p99', 'Jitter', 'Against baseline', 'Against FP32', 'Load', 'First run'),
    ],
    rows: timed.flatMap(({ heading, items }) =>
      items.flatMap(({ label, summary }) =>
        summary.speeds.map((speed) => [
          heading,
          label,
          ...(several ? [`${speed.batch}`, speed.threads === 0 ? 'cores' : `${speed.threads}`] : []),
          estimate(speed.p50, 'ms'),
          ...[speed.mean, speed.p90, speed.p95, speed.p99, speed.jitter].map(({ value }) => significant(value)),
          ratio(speed.againstBaseline),
          ratio(speed.againstFp32),
          estimate(speed.loadSeconds, 's').text,
          estimate(speed.firstRunSeconds, 's').text,
        ]),
      ),
    ),
  };
}
