import { auditOf, type PrecisionAudit } from '../../audit.js';
import type { AuditedLayer } from '../../characterize/results.js';
import type { Summary } from '../../characterize/summary.js';
import { auditChart, parts } from '../charts/audit.js';
import { type Block, type LegendItem, numeric, type Section, type Table, text, words } from '../document.js';
import { integer, percent, plural, quantity, significant } from '../numbers.js';
import { whyMissing } from '../reasons.js';
import { type Entry, type Group, having, SERIES } from '../variants.js';

type Audited = Entry & { readonly found: PrecisionAudit };

/** Layers listed of a variant, by the time or else the MACs they take; the rest is in layers.csv. */
const LISTED = 400;

export function auditSection(summary: Summary, groups: readonly Group[]): Section {
  const section = { id: 'audit', short: 'Precision audit', title: 'Which precision every layer ran in' };
  const audited = having(groups, ({ summary: { layers }, variant }) =>
    layers && layers.length > 0 ? auditOf(layers, variant.precision) : undefined,
  );
  if (audited.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'The audit', why }] };
  }
  const charts = [
    { title: 'Multiply-accumulates', of: ({ macs }: PrecisionAudit) => macs },
    { title: 'Time', of: ({ time }: PrecisionAudit) => time },
  ].flatMap(({ title, of }) => {
    const rows = audited
      .map(({ heading, items }) => ({
        heading,
        items: items.flatMap(({ label, series, variant, found }) => {
          const shares = of(found);
          return shares ? [{ label, series, precision: variant.precision, shares }] : [];
        }),
      }))
      .filter(({ items }) => items.length > 0);
    return rows.length > 0 ? [{ title, rows }] : [];
  });
  const profiled = charts.some(({ title }) => title === 'Time');
  const found = new Set(
    charts.flatMap(({ rows }) =>
      rows.flatMap(({ items }) => items.flatMap(({ shares }) => parts(shares).map(({ precision }) => precision))),
    ),
  );
  const blocks: Block[] = [
    text(
      'An engine is asked for one precision; layers that the backend cannot run in it fall back to another. The share of the work that runs in what was asked for stands beside each bar.',
    ),
    ...(profiled
      ? []
      : [{ kind: 'absent', what: 'Time by layer', why: 'no engine was profiled layer by layer' } as const]),
    ...(charts.length === 0
      ? [
          {
            kind: 'absent',
            what: 'Shares',
            why: 'the backend does not tell the multiply-accumulates of its layers',
          } as const,
        ]
      : [
          {
            kind: 'figure',
            figure: {
              id: 'audit',
              caption: 'Shares of the work by the precision it ran in.',
              legend: (['int8', 'fp16', 'fp32', 'other'] as const)
                .filter((name) => found.has(name))
                .map(
                  (name): LegendItem =>
                    name === 'other'
                      ? { label: 'other, or not told', colour: '--muted', shape: 'square' }
                      : { label: SERIES[name].label, colour: SERIES[name].colour, shape: 'square' },
                ),
              chart: charts.map(({ title, rows }) => auditChart(title, rows)),
              table: auditTable(audited),
            },
          } as const,
        ]),
    ...audited.flatMap(({ heading, items }): Block[] => [
      {
        kind: 'details',
        title: `Layers of ${heading}`,
        file: 'layers.csv',
        tables: items.map((entry) => layerTable(entry, entry.summary.layers ?? [])),
      },
    ]),
  ];
  return { ...section, blocks };
}

const shown = (shares: PrecisionAudit['macs']): string =>
  shares === undefined
    ? '–'
    : parts(shares)
        .map(
          ({ precision, share }) => `${percent(share, 0)} ${precision === 'other' ? 'other' : SERIES[precision].label}`,
        )
        .join(', ');

const auditTable = (audited: readonly { readonly heading: string; readonly items: readonly Audited[] }[]): Table => ({
  caption: 'Audit of each engine',
  columns: [
    ...words('Model', 'Variant', 'Multiply-accumulates', 'Time'),
    ...numeric('Layers', 'Fallbacks', 'Reformats', 'Time in reformats'),
    ...words('Verdict'),
  ],
  rows: audited.flatMap(({ heading, items }) =>
    items.map(({ label, summary, found }) => [
      heading,
      label,
      shown(found.macs),
      shown(found.time),
      integer(summary.layers?.length ?? 0),
      integer(found.fallbacks.length),
      integer(found.reformats),
      found.reformatTime === undefined ? '–' : percent(found.reformatTime),
      summary.verdict ?? (found.verdict.join('; ') || 'nothing stands out'),
    ]),
  ),
});

function layerTable({ label, model }: Audited, layers: readonly AuditedLayer[]): Table {
  const timed = layers.some(({ seconds }) => seconds !== undefined);
  const listed = layers.slice(0, LISTED);
  const fallback = ({ requested, precision }: AuditedLayer): boolean => requested !== '' && precision !== requested;
  const reasons = listed.some(({ reason }) => reason);
  return {
    caption: `${model.id}, ${label}: ${plural(layers.length, 'layer')}${listed.length < layers.length ? `, the first ${LISTED}; all are in layers.csv` : ''}`,
    columns: [
      ...words('Layer', 'Operator', 'Precision', 'Kernel'),
      ...numeric('MACs', 'Weights', ...(timed ? ['Time'] : [])),
      ...(reasons ? words('Reason') : []),
    ],
    rows: listed.map((layer) => [
      layer.name,
      layer.reformat ? `${layer.op} (reformat)` : layer.op,
      fallback(layer) ? { text: `${layer.precision} instead of ${layer.requested}`, mark: 'warning' } : layer.precision,
      layer.kernel,
      layer.macs > 0 ? macs(layer.macs) : '–',
      layer.weightBytes > 0 ? quantity(layer.weightBytes, 'B') : '–',
      ...(timed ? [layer.seconds === undefined ? '–' : quantity(layer.seconds, 's')] : []),
      ...(reasons ? [layer.reason ?? ''] : []),
    ]),
  };
}

const macs = (count: number): string => (count >= 1e6 ? `${significant(count / 1e6)} M` : integer(count));
