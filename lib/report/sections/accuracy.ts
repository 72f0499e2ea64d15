import type { Accuracy, Summary } from '../../characterize/summary.js';
import { around, dotChart } from '../charts/dots.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { ABSENT, enumeration, percent, plural, points, share, significant } from '../numbers.js';
import { whyNoAccuracy } from '../reasons.js';
import { type Group, having, legendOf } from '../variants.js';

type Measured = ReturnType<typeof having<Accuracy>>;

/** Classes shown of each variant. */
const WORST = 5;

export function accuracySection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'accuracy', short: 'Accuracy', title: 'Accuracy' };
  const measured = having(groups, ({ summary: { accuracy } }) => (accuracy?.seeded ? undefined : accuracy));
  const names = new Set(measured.map(({ heading }) => heading));
  const missing = groups
    .filter(({ heading }) => !names.has(heading))
    .map(({ heading, items }) => ({ heading, why: whyNoAccuracy(summary, items) }));
  const reasons = [...new Set(missing.map(({ why }) => why))].map(
    (why): Block => ({
      kind: 'absent',
      what:
        measured.length === 0 && missing.every((other) => other.why === why)
          ? 'Accuracy'
          : `Accuracy of ${enumeration(missing.filter((other) => other.why === why).map(({ heading }) => heading))}`,
      why,
    }),
  );
  if (measured.length === 0) return { ...section, blocks: reasons };
  const rows = measured.map(({ heading, items }) => ({
    heading,
    items: items.map(({ label, series, found: { top1, drop } }) => ({
      label,
      series,
      value: top1.share * 100,
      interval: [top1.interval[0] * 100, top1.interval[1] * 100] as const,
      text: drop ? `${percent(top1.share)} (${points(-drop.value)})` : percent(top1.share),
    })),
  }));
  const dots = rows.flatMap(({ items }) => items);
  const total = measured[0]?.items[0]?.found.top1.total ?? 0;
  const blocks: Block[] = [
    text(
      `Top-1 on ${plural(total, 'picture')}; ${dataset(summary)}whiskers are 95 % intervals (Wilson). In parentheses, the change against the FP32 engine of the same model in points.`,
    ),
    ...reasons,
    {
      kind: 'figure',
      figure: {
        id: 'accuracy',
        caption: 'Top-1 accuracy with 95 % intervals. The axis does not start at 0.',
        legend: legendOf(measured, true),
        chart: dotChart({
          label: `Top-1 accuracy of every variant, from ${percent(Math.min(...dots.map(({ value }) => value)) / 100)} to ${percent(Math.max(...dots.map(({ value }) => value)) / 100)}.`,
          groups: rows,
          axis: { domain: around(dots, [0, 100]), unit: '%' },
        }),
        table: accuracyTable(measured),
      },
    },
    ...worst(measured),
  ];
  return { ...section, blocks };
}

function dataset({ results }: Summary): string {
  const names = new Set(
    results.trials.flatMap((trial) => (trial.kind === 'accuracy' ? (trial.accuracy?.dataset ?? []) : [])),
  );
  return names.size === 0 ? '' : `the data set is ${enumeration([...names])}; `;
}

function accuracyTable(measured: Measured): Table {
  const k = measured[0]?.items[0]?.found.top5.k ?? 5;
  return {
    caption: 'Accuracy of each variant',
    columns: [
      ...words('Model', 'Variant'),
      ...numeric('Top-1', `Top-${k}`, 'Lost against FP32, points', 'Says what FP32 says'),
    ],
    rows: measured.flatMap(({ heading, items }) =>
      items.map(({ label, found }) => [
        heading,
        label,
        share(found.top1),
        share(found.top5),
        dropCell(found.drop),
        share(found.agreement),
      ]),
    ),
  };
}

export function dropCell(drop: Accuracy['drop']): Cell {
  if (drop === undefined) return ABSENT;
  const detail = `${points(drop.interval[0])} … ${points(drop.interval[1])}`;
  if (!drop.beyondNoise) return { text: points(drop.value), detail: `${detail}\nwithin noise`, mark: 'neutral' };
  return { text: points(drop.value), detail, mark: drop.value > 0 ? 'bad' : 'good' };
}

/** The classes that lost most, of every variant that lost any. */
function worst(measured: Measured): Block[] {
  const rows = measured.flatMap(({ heading, items }) =>
    items.flatMap(({ label, found }) =>
      (found.perClass ?? [])
        .filter(({ before, now }) => before > now)
        .slice(0, WORST)
        .map(({ index, label: name, total, before, now }) => [
          `${heading}, ${label}`,
          name ?? `class ${index}`,
          significant(total),
          percent(before / total, 0),
          percent(now / total, 0),
          points((now - before) / total),
        ]),
    ),
  );
  if (rows.length === 0) return [];
  return [
    {
      kind: 'details',
      title: 'Classes that lost most',
      file: 'summary.json',
      tables: [
        {
          caption: `Up to ${WORST} classes of each variant that are right less often than with FP32. A class has few pictures, so a class alone proves little.`,
          columns: [...words('Variant', 'Class'), ...numeric('Pictures', 'FP32', 'Now', 'Points')],
          rows,
        },
      ],
    },
  ];
}
