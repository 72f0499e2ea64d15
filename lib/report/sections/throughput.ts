import type { Speed, Summary } from '../../characterize/summary.js';
import { throughputChart } from '../charts/throughput.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { estimate, percent, plural, significant } from '../numbers.js';
import { whyMissing } from '../reasons.js';
import { type Entry, type Group, having, legendOf } from '../variants.js';

type Timed = ReturnType<typeof having<readonly Speed[]>>;

export function throughputSection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'throughput', short: 'Throughput', title: 'Throughput against batch size' };
  const timed = having(groups, (entry) => (entry.summary.speeds.length > 0 ? sameThreads(entry) : undefined));
  if (timed.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'Throughput', why }] };
  }
  const batches = new Set(timed.flatMap(({ items }) => items.flatMap(({ found }) => found.map(({ batch }) => batch))));
  const table = throughputTable(timed);
  if (batches.size === 1) {
    const why = `the experiment has one batch size, ${[...batches][0]}`;
    return {
      ...section,
      blocks: [
        { kind: 'absent', what: 'How throughput grows', why },
        { kind: 'table', table },
      ],
    };
  }
  return {
    ...section,
    blocks: [
      text(
        'Samples a second when several go through the network at once. Where a line flattens, the device is saturated.',
      ),
      {
        kind: 'figure',
        figure: {
          id: 'throughput',
          caption:
            'Samples a second by batch size, with 95 % intervals. Each model has an axis of its own; all start at 0.',
          legend: legendOf(timed, true),
          chart: timed.map(({ heading, items }) => throughputChart(heading, items)),
          table,
        },
      },
      ...saturation(timed),
    ],
  };
}

/** The speeds with the number of threads that the report speaks of, by batch. */
const sameThreads = ({ summary: { speeds }, speed }: Entry) =>
  speeds.filter(({ threads }) => threads === speed?.threads).sort((a, b) => a.batch - b.batch);

/** Where a larger batch gains hardly anything. */
function saturation(timed: Timed): Block[] {
  const rows = timed.flatMap(({ heading, items }) =>
    items.flatMap(({ label, speed, summary: { saturations } }) =>
      saturations.filter(({ threads }) => threads === speed?.threads).map((found) => ({ heading, label, ...found })),
    ),
  );
  if (rows.length === 0) return [];
  const largest = Math.max(...rows.map(({ batch }) => batch));
  const reached = rows.filter((row) => row.reached).length;
  const said =
    reached === 0
      ? `No variant is saturated up to batch ${largest}.`
      : `${reached} of ${plural(rows.length, 'variant')} are saturated within the batch sizes that were measured.`;
  const table: Table = {
    caption: 'From which batch on a larger one gains hardly anything',
    columns: [...words('Model', 'Variant'), ...numeric('Batch', 'Samples a second')],
    rows: rows.map((row): (Cell | string)[] => [
      row.heading,
      row.label,
      row.reached ? `${row.batch}` : { text: `not up to ${row.batch}`, mark: 'neutral' },
      significant(row.throughput),
    ]),
  };
  return [
    text(said),
    { kind: 'details', title: 'Where the device is saturated', file: 'summary.json', tables: [table] },
  ];
}

function throughputTable(timed: Timed): Table {
  const all = timed.flatMap(({ items }) => items.flatMap(({ summary }) => summary.speeds));
  const gpu = all.some(({ gpuLoad }) => gpuLoad);
  const several = new Set(all.map(({ threads }) => threads)).size > 1;
  return {
    caption: 'Throughput, and what it took',
    columns: [
      ...words('Model', 'Variant'),
      ...numeric(
        'Batch',
        ...(several ? ['Threads'] : []),
        'Samples a second',
        'CPU cores',
        'Peak memory',
        ...(gpu ? ['GPU load'] : []),
      ),
    ],
    rows: timed.flatMap(({ heading, items }) =>
      items.flatMap(({ label, summary }) =>
        summary.speeds.map((speed) => [
          heading,
          label,
          `${speed.batch}`,
          ...(several ? [speed.threads === 0 ? 'cores' : `${speed.threads}`] : []),
          estimate(speed.throughput, 'count'),
          speed.cores ? significant(speed.cores.value, 2) : '–',
          estimate(speed.peakRss, 'B').text,
          ...(gpu ? [speed.gpuLoad ? percent(speed.gpuLoad.value, 0) : '–'] : []),
        ]),
      ),
    ),
  };
}
