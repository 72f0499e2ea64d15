import type { Summary } from '../../characterize/summary.js';
import { sizeChart } from '../charts/size.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { ABSENT, change, quantity } from '../numbers.js';
import { whyMissing } from '../reasons.js';
import { type Group, having, legendOf } from '../variants.js';

export function sizeSection(summary: Summary, groups: readonly Group[]): Section {
  const sized = having(groups, ({ summary: { size } }) => size);
  const section = { id: 'size', short: 'Size', title: 'Size on disk' };
  if (sized.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'Sizes', why }] };
  }
  const rows = sized.map(({ heading, model, items }) => ({
    heading,
    items: [
      { label: 'checkpoint', series: 'baseline' as const, bytes: items[0]?.found.checkpoint ?? model.bytes },
      ...items.map(({ label, series, found }) => ({
        label,
        series,
        bytes: found.engine,
        ratio: found.againstCheckpoint,
      })),
    ],
  }));
  const blocks: Block[] = [
    text(
      'The engine file of every variant, against the checkpoint it was made from. Weights alone halve in FP16 and quarter in INT8; the rest of a file is structure, scales and whatever the checkpoint carried besides.',
    ),
    {
      kind: 'figure',
      figure: {
        id: 'size',
        caption: 'Bytes on disk, and how much that is below the checkpoint.',
        legend: [{ label: 'checkpoint', colour: '--baseline', shape: 'square' }, ...legendOf(sized, false)],
        chart: sizeChart(rows),
        table: sizeTable(sized),
      },
    },
  ];
  return { ...section, blocks };
}

function sizeTable(groups: ReturnType<typeof having<NonNullable<Group['items'][number]['summary']['size']>>>): Table {
  const bytes = (value: number | undefined): Cell => (value === undefined ? ABSENT : { text: quantity(value, 'B') });
  const ratio = (value: number | undefined): Cell => (value === undefined ? ABSENT : { text: change(value) });
  return {
    caption: 'Sizes of files',
    columns: [
      ...words('Model', 'Variant'),
      ...numeric('Checkpoint', 'ONNX', 'Engine', 'Weights', 'Against checkpoint', 'Against FP32 engine'),
    ],
    rows: groups.flatMap(({ heading, items }) =>
      items.map(({ label, found }) => [
        heading,
        label,
        bytes(found.checkpoint),
        bytes(found.onnx),
        bytes(found.engine),
        bytes(found.weights),
        ratio(found.againstCheckpoint),
        ratio(found.againstFp32),
      ]),
    ),
  };
}
