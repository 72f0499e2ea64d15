import type { ComparedFigure, ComparedQuantity, Comparison } from '../characterize/compare/comparison.js';
import type { Estimate, Ratio } from '../characterize/summary.js';
import * as format from './format.js';

/** A table with a heading. */
export interface Section {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const UNITS: Readonly<Record<ComparedFigure['unit'], (value: number) => string>> = {
  s: format.seconds,
  ms: (value) => format.seconds(value / 1000),
  '1/s': (value) => `${value.toFixed(1)} /s`,
  J: format.joules,
  B: format.bytes,
};

/** In this order. Throughput is left to JSON: its ratios are those of the latency, upside down. */
const TITLES: Partial<Record<ComparedQuantity, string>> = {
  latency: 'Latency, median',
  overhead: 'Overhead, both phases',
  'phase 1': 'Phase 1: checkpoint to ONNX',
  'phase 2': 'Phase 2: ONNX to engine',
  size: 'Engine file',
  memory: 'Peak memory while inferring',
  energy: 'Energy of a sample',
};

const known = (value: Estimate | null | undefined, show: (value: number) => string): string =>
  value ? show(value.value) : 'not measured';

/** `0.453 (0.431 to 0.472)`; what may be noise says so. */
function ratioOf(ratio: Ratio | null | undefined): string {
  if (!ratio) return '';
  const { value, interval, beyondNoise } = ratio;
  if (interval?.every((end) => end === 1)) return 'the same';
  const within = interval ? ` (${interval[0].toFixed(3)} to ${interval[1].toFixed(3)})` : '';
  return `${value.toFixed(3)}${within}${beyondNoise === false ? ', noise' : ''}`;
}

/** Everything a comparison says, as tables. */
export function compareSections(comparison: Comparison): Section[] {
  const labels = comparison.results.map(({ label }) => label);
  const others = labels.slice(1).map((label) => (labels.length > 2 ? `${label} / first` : 'ratio'));
  const figures = Object.entries(TITLES).map(([quantity, title]): Section => {
    const rows = comparison.variants.flatMap((variant) =>
      variant.figures
        .filter((figure) => figure.quantity === quantity)
        .map((figure) => ({ name: `${variant.model}, ${variant.label}`, figure })),
    );
    const batches = new Set(rows.map(({ figure }) => figure.batch)).size > 1;
    const threads = new Set(rows.map(({ figure }) => figure.threads)).size > 1;
    return {
      title,
      header: ['variant', ...(batches ? ['batch'] : []), ...(threads ? ['threads'] : []), ...labels, ...others],
      rows: rows.map(({ name, figure }) => [
        name,
        ...(batches ? [`${figure.batch}`] : []),
        ...(threads ? [`${figure.threads}`] : []),
        ...figure.values.map((value) => known(value, UNITS[figure.unit])),
        ...figure.ratios.slice(1).map(ratioOf),
      ]),
    };
  });
  const sections = [
    ...figures,
    accuracySection(comparison, labels),
    {
      title: "The study's claims",
      header: ['claim', 'study', 'here', 'verdict'],
      rows: comparison.claims.map(({ statement, study, here, verdict, detail }) => [
        statement,
        study,
        verdict === 'not measured' ? detail : here,
        verdict,
      ]),
    },
    {
      title: 'What else differs',
      header: ['', ...labels],
      rows: comparison.differences.map(({ what, values }) => [what, ...values]),
    },
    {
      title: 'Not compared',
      header: ['results', 'variant'],
      rows: comparison.leftOut.flatMap((ids, index) => ids.map((id) => [labels[index] ?? '', id])),
    },
  ];
  return sections.filter(({ rows }) => rows.length > 0);
}

function accuracySection({ variants }: Comparison, labels: readonly string[]): Section {
  const points = (share: number): string => (share * 100).toFixed(2);
  const others = labels.slice(1).map((label) => (labels.length > 2 ? `${label}: points lost` : 'points lost'));
  return {
    title: 'Top-1',
    header: ['variant', ...labels, ...others],
    rows: variants.flatMap(({ model, label, accuracy }) =>
      accuracy
        ? [
            [
              `${model}, ${label}`,
              ...accuracy.values.map((share) => (share ? format.percent(share.share) : 'not measured')),
              ...accuracy.drops.slice(1).map((drop) => {
                if (!drop) return '';
                const within = `${points(drop.interval[0])} to ${points(drop.interval[1])}`;
                return `${points(drop.value)} (${within})${drop.beyondNoise ? '' : ', noise'}`;
              }),
            ],
          ]
        : [],
    ),
  };
}

export const textOf = (sections: readonly Section[]): string =>
  sections.map(({ title, header, rows }) => `${title}\n\n${format.table(header, rows)}`).join('\n\n');

/** For issues and documents; warnings are part of it, since there is no other place for them. */
export function markdownOf({ results, warnings }: Comparison, sections: readonly Section[]): string {
  const cell = (text: string): string => text.replace(/[|\\]/g, '\\$&').replace(/\s+/g, ' ');
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  const tables = sections.map(({ title, header, rows }) =>
    [`## ${title}`, '', line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n'),
  );
  const head = `# ${results.map(({ label }) => label).join(' and ')}`;
  const note = 'Ratios are over the first, with 95 % intervals; *noise* means that the interval includes 1.';
  return [
    head,
    note,
    ...(warnings.length > 0 ? [warnings.map((warning) => `- ${warning}`).join('\n')] : []),
    ...tables,
  ].join('\n\n');
}
