import type { BreakEven, Summary } from '../../characterize/summary.js';
import { logTicks } from '../chart.js';
import { dotChart } from '../charts/dots.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { ABSENT, enumeration, integer, quantity } from '../numbers.js';
import { whyMissing } from '../reasons.js';
import { type Group, having, legendOf, namer } from '../variants.js';

type Repaid = NonNullable<BreakEven['time']>;

export function breakEvenSection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'break-even', short: 'Break-even', title: 'When compressing is repaid' };
  const known = having(groups, ({ summary: { breakEven } }) => breakEven);
  if (known.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'Break-even', why }] };
  }
  const name = namer(summary.results.variants);
  const others = [
    ...new Set(
      known.flatMap(({ items }) =>
        items.flatMap(({ found }) => {
          const other = summary.results.variants.find(({ id }) => id === found.against);
          return other ? [other.framework === 'presisi' ? `the ${name(other)} engine` : name(other)] : [found.against];
        }),
      ),
    ),
  ];
  const repaid = having(groups, ({ summary: { breakEven } }) => breakEven?.time);
  const table = breakEvenTable(known);
  const intro = text(
    `Compressing takes time and energy once; every inference after that may save some against ${enumeration(others)}. After this many inferences at batch 1 it has paid for itself.`,
  );
  if (repaid.length === 0) {
    const why = 'no variant is known to save time here; the table says why for each';
    return {
      ...section,
      blocks: [intro, { kind: 'absent', what: 'A break-even in time', why }, { kind: 'table', table }],
    };
  }
  const counts = repaid.flatMap(({ items }) => items.map(({ found }) => found.inferences));
  const domain: [number, number] = [Math.max(1, Math.min(...counts)) / 1.6, Math.max(...counts) * 1.6];
  const never = known.flatMap(({ items }) => items).length - counts.length;
  const blocks: Block[] = [
    intro,
    ...(never > 0
      ? [
          text(
            `${never} of ${counts.length + never} variants never repay their time, or that can't be told: the table says why.`,
            'note',
          ),
        ]
      : []),
    {
      kind: 'figure',
      figure: {
        id: 'break-even',
        caption: 'Inferences until the time spent on compressing is repaid, on a logarithmic axis.',
        legend: legendOf(repaid, true),
        chart: dotChart({
          label: `Inferences until compressing is repaid, from ${integer(Math.min(...counts))} to ${integer(Math.max(...counts))}.`,
          groups: repaid.map(({ heading, items }) => ({
            heading,
            items: items.map(({ label, series, found }) => ({
              label,
              series,
              value: Math.max(1, found.inferences),
              text: integer(Number(found.inferences.toPrecision(3))),
            })),
          })),
          axis: { domain, type: 'log', unit: '' },
          ticks: (width) => logTicks(domain, width < 500 ? 4 : 8),
        }),
        table,
      },
    },
  ];
  return { ...section, blocks };
}

function breakEvenTable(known: ReturnType<typeof having<BreakEven>>): Table {
  const all = known.flatMap(({ items }) => items.map(({ found }) => found));
  const energy = all.some((found) => found.energy);
  const silent = energy ? [] : [...new Set(all.flatMap(({ reasons }) => reasons.energy ?? []))];
  const reasonsOf = ({ reasons }: BreakEven): string =>
    [reasons.time, energy ? reasons.energy : undefined].filter((reason) => reason !== undefined).join('; ');
  const reasons = all.some((found) => reasonsOf(found) !== '');
  return {
    caption: `Break-even${silent.length > 0 ? `. In energy it can't be told: ${silent.join('; ')}` : ''}`,
    columns: [
      ...words('Model', 'Variant'),
      ...numeric('Costs', 'Saves an inference', 'Repaid after'),
      ...(energy ? numeric('Costs', 'Saves an inference', 'Repaid after') : []),
      ...(reasons ? words('Why never, or not known') : []),
    ],
    rows: known.flatMap(({ heading, items }) =>
      items.map(({ label, found }) => [
        heading,
        label,
        ...cells(found.time, 's'),
        ...(energy ? cells(found.energy, 'J') : []),
        ...(reasons ? [reasonsOf(found)] : []),
      ]),
    ),
  };
}

const cells = (found: Repaid | undefined, unit: 's' | 'J'): Cell[] =>
  found === undefined
    ? [ABSENT, ABSENT, ABSENT]
    : [
        { text: quantity(found.cost, unit) },
        { text: quantity(found.savingPerInference, unit) },
        { text: integer(found.inferences) },
      ];
