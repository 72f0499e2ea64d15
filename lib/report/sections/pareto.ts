import type { Summary } from '../../characterize/summary.js';
import { paretoChart, withFront } from '../charts/pareto.js';
import { type Block, numeric, type Section, text, words } from '../document.js';
import { percent, quantity } from '../numbers.js';
import { whyMissing, whyNoAccuracy } from '../reasons.js';
import { type Entry, type Group, legendOf } from '../variants.js';

export function paretoSection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'pareto', short: 'Pareto', title: 'Accuracy against latency' };
  const entries = groups.flatMap(({ items }) => items);
  const complete = entries.flatMap((entry) => {
    const { summary: found, speed, model } = entry;
    if (speed === undefined || found.accuracy === undefined || found.accuracy.seeded) return [];
    return [
      { entry, latency: speed.p50.value, top1: found.accuracy.top1.share, bytes: found.size?.engine ?? model.bytes },
    ];
  });
  if (complete.length === 0) {
    const timed = entries.some(({ speed }) => speed !== undefined);
    const why = timed ? whyNoAccuracy(summary, entries) : whyMissing(summary, entries);
    return { ...section, blocks: [{ kind: 'absent', what: 'Accuracy against latency', why }] };
  }
  const choices = withFront(
    complete.map(({ entry, ...numbers }) => ({
      name: groups.length === 1 ? entry.label : `${entry.model.id} ${entry.label}`,
      series: entry.series,
      ...numbers,
    })),
  );
  const left = entries.length - complete.length;
  const blocks: Block[] = [
    text(
      'Further up is more accurate, further left is faster, and the area of a mark is the size of its file (of an original model: its checkpoint). The dashed line joins what no other variant of any model beats in both.',
    ),
    ...(left > 0
      ? [text(`${left} of ${entries.length} variants lack accuracy or latency and are not drawn.`, 'note')]
      : []),
    {
      kind: 'figure',
      figure: {
        id: 'pareto',
        caption: 'Top-1 over median latency at batch 1, on a logarithmic axis. Names stand where there is room.',
        legend: legendOf([{ items: complete.map(({ entry }) => entry) }], true),
        chart: paretoChart(choices),
        table: {
          caption: 'Accuracy, latency and size of each variant',
          columns: [
            ...words('Variant'),
            ...numeric('Median latency', 'Top-1', 'Size'),
            ...words('On the front', 'On that with size'),
          ],
          rows: [...choices]
            .map((choice, index) => ({ choice, entry: (complete[index] as { entry: Entry }).entry }))
            .sort((a, b) => a.choice.latency - b.choice.latency)
            .map(({ choice, entry }) => [
              choice.name,
              quantity(choice.latency, 'ms'),
              percent(choice.top1),
              quantity(choice.bytes, 'B'),
              choice.front ? 'yes' : 'no',
              entry.summary.paretoBest ? 'yes' : 'no',
            ]),
        },
      },
    },
  ];
  return { ...section, blocks };
}
