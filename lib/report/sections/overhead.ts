import type { Overhead, PhaseCost, Summary } from '../../characterize/summary.js';
import { overheadChart } from '../charts/overhead.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { ABSENT, enumeration, estimate, percent } from '../numbers.js';
import { NOTABLE, type Phase, phaseLegend } from '../phases.js';
import { whyMissing } from '../reasons.js';
import { type Group, having } from '../variants.js';

type Costs = ReturnType<typeof having<Overhead>>;

export function overheadSection(summary: Summary, groups: readonly Group[], phases: readonly Phase[]): Section {
  const section = { id: 'overhead', short: 'Overhead', title: 'What compressing costs' };
  const costs = having(groups, ({ summary: { overhead } }) => overhead);
  if (costs.length === 0) {
    const why = whyMissing(
      summary,
      groups.flatMap(({ items }) => items),
    );
    return { ...section, blocks: [{ kind: 'absent', what: 'Overhead', why }] };
  }
  const blocks: Block[] = [
    text(
      'Phase 1 turns the checkpoint into ONNX, phase 2 the ONNX model into an engine for this device. Both ran here, in a fresh process for every repeat.',
    ),
    {
      kind: 'figure',
      figure: {
        id: 'overhead',
        caption:
          'Time by step, in the order the steps are done. Parts are medians of the steps, the number beside a bar is the median of the whole.',
        legend: phaseLegend(phases),
        chart: overheadChart(costs, phases),
        table: stepTable(costs),
      },
    },
    { kind: 'table', table: costTable(costs) },
    text(repeatability(costs)),
  ];
  return { ...section, blocks };
}

/** Every step, those within others indented. */
function stepTable(groups: Costs): Table {
  const rows = groups.flatMap(({ heading, items }) =>
    items.flatMap(({ label, found }) => {
      const notable = ({ seconds }: PhaseCost): boolean => seconds.value >= NOTABLE * found.seconds.value;
      const of = (cost: PhaseCost, depth: number): Table['rows'][number][] => [
        [
          `${heading}, ${label}`,
          `${'\u2003'.repeat(depth)}${cost.name}`,
          cost.phase,
          estimate(cost.seconds, 's'),
          percent(cost.seconds.value / (found.seconds.value || 1)),
          estimate(cost.cpuSeconds, 's'),
        ],
        ...cost.steps.filter(notable).flatMap((step) => of(step, depth + 1)),
      ];
      return found.phases.filter(notable).flatMap((cost) => of(cost, 0));
    }),
  );
  return {
    caption: `Steps of the compression; those under ${percent(NOTABLE)} of the whole are left out`,
    columns: [...words('Variant', 'Step', 'Phase'), ...numeric('Time', 'Of the whole', 'CPU time')],
    rows,
  };
}

function costTable(groups: Costs): Table {
  const all = groups.flatMap(({ items }) => items.map(({ found }) => found));
  const gpu = all.some(({ gpuLoad }) => gpuLoad);
  const energy = all.find(({ joules }) => joules)?.joules;
  return {
    caption: 'Overhead of each variant',
    columns: [
      ...words('Model', 'Variant'),
      ...numeric('Phase\u00a01', 'Phase\u00a02', 'Total', 'CPU cores', 'Peak memory'),
      ...(gpu ? numeric('GPU load') : []),
      ...(energy ? numeric(`Energy (${energy.scope})`) : []),
      ...numeric('Times vary by'),
    ],
    rows: groups.flatMap(({ heading, items }) =>
      items.map(({ label, found }): (Cell | string)[] => [
        heading,
        label,
        estimate(found.phase1, 's'),
        estimate(found.phase2, 's'),
        estimate(found.seconds, 's'),
        estimate(found.cores, 'count'),
        estimate(found.peakRss, 'B'),
        ...(gpu ? [found.gpuLoad ? { text: percent(found.gpuLoad.value, 0) } : '–'] : []),
        ...(energy ? [estimate(found.joules, 'J')] : []),
        found.builds.variation === undefined ? ABSENT : percent(found.builds.variation),
      ]),
    ),
  };
}

/** Whether building again gives the same file. */
function repeatability(groups: Costs): string {
  const built = groups.flatMap(({ heading, items }) =>
    items.map(({ label, found: { builds } }) => ({ heading, label, ...builds })),
  );
  const again = built.filter(({ count }) => count > 1);
  if (again.length === 0)
    return 'Every variant was built once, so whether building again gives the same file is not known.';
  const counts = [...new Set(again.map(({ count }) => count))];
  const times = counts.length === 1 ? `${counts[0]} times` : `${Math.min(...counts)} to ${Math.max(...counts)} times`;
  const differ = again.filter(({ identical }) => !identical).map(({ heading, label }) => `${heading} as ${label}`);
  if (differ.length === 0) return `Each was built ${times}, and gave the same file, byte for byte.`;
  if (differ.length === again.length) return `Each was built ${times}; builds of one variant gave different files.`;
  return `Each was built ${times}. The files of ${enumeration(differ)} differ; those of every other variant are the same, byte for byte.`;
}
