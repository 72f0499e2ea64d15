import { knownTop1 } from '../../characterize/summary/accuracy-summary.js';
import type { Recommendation, Summary, VariantSummary } from '../../characterize/summary.js';
import { type Block, type Cell, numeric, type Section, type Table, type Tile, text, words } from '../document.js';
import {
  ABSENT,
  change,
  enumeration,
  estimate,
  integer,
  percent,
  points,
  quantity,
  range,
  ratio,
  scaleOf,
  share,
} from '../numbers.js';
import { whyNoAccuracy } from '../reasons.js';
import type { Entry, Group } from '../variants.js';
import { dropCell } from './accuracy.js';

/** Alternatives listed beside the choice. */
const LISTED = 6;

export function summarySection(summary: Summary, groups: readonly Group[]): Section {
  const { recommendation, warnings } = summary;
  const entries = groups.flatMap(({ items }) => items);
  const entryOf = (found: VariantSummary): Entry | undefined =>
    entries.find(({ variant }) => variant.id === found.variant.id);
  const best = recommendation.best && entryOf(recommendation.best);
  return {
    id: 'summary',
    short: 'Summary',
    title: 'What to deploy here',
    blocks: [
      ...(best ? chosen(best, summary) : [text('No variant can be recommended.', 'lead')]),
      { kind: 'list', items: recommendation.why },
      ...(best ? [] : closest(recommendation, entryOf)),
      ...alternatives(recommendation, entryOf),
      ...(warnings.length > 0 ? [{ kind: 'warnings', items: warnings } as const] : []),
    ],
  };
}

function chosen(best: Entry, summary: Summary): Block[] {
  return [
    text(`Deploy ${best.model.id} as ${best.label}.`, 'lead'),
    { kind: 'tiles', tiles: [speedTile(best), accuracyTile(best, summary), sizeTile(best), costTile(best)] },
  ];
}

function speedTile({ speed }: Entry): Tile {
  const label = `Latency at batch ${speed?.batch ?? 1}`;
  if (speed === undefined) return { label, value: 'not measured', details: [] };
  const { p50, againstBaseline, againstFp32 } = speed;
  const found = againstBaseline ?? againstFp32;
  const other = againstBaseline ? 'the original model' : 'FP32';
  const interval = p50.interval
    ? [`95\u00a0% interval ${range(p50.interval, scaleOf([p50.value], 'ms'))}\u00a0ms`]
    : [];
  const compared = found
    ? [`${ratio(found).text} against ${other}${found.beyondNoise === false ? ', within noise' : ''}`]
    : [];
  return { label, value: quantity(p50.value, 'ms'), details: [...compared, ...interval] };
}

function accuracyTile(best: Entry, summary: Summary): Tile {
  const { accuracy } = best.summary;
  if (accuracy === undefined || accuracy.seeded) {
    return { label: 'Top-1', value: 'not measured', details: [whyNoAccuracy(summary, [best])] };
  }
  const { top1, drop } = accuracy;
  const lost = drop ? [`${points(-drop.value)} points against FP32${drop.beyondNoise ? '' : ', within noise'}`] : [];
  return {
    label: 'Top-1',
    value: percent(top1.share),
    details: [...lost, `95\u00a0% interval ${share(top1).detail}\u00a0%`],
  };
}

function sizeTile({ summary: { size } }: Entry): Tile {
  if (size === undefined) return { label: 'Engine file', value: 'not measured', details: [] };
  return {
    label: 'Engine file',
    value: quantity(size.engine, 'B'),
    details: [`${change(size.againstCheckpoint)} against the checkpoint’s ${quantity(size.checkpoint, 'B')}`],
  };
}

function costTile({ summary: { overhead, breakEven } }: Entry): Tile {
  const label = 'Compressing it takes';
  if (overhead === undefined) return { label, value: 'not measured', details: [] };
  const scale = scaleOf([overhead.seconds.value], 's');
  const { interval } = overhead.seconds;
  const known = interval ? [`95\u00a0% interval ${range(interval, scale)}\u00a0${scale.unit}`] : [];
  const repaid = breakEven?.time
    ? [`repaid after ${integer(breakEven.time.inferences)} inferences`]
    : breakEven?.reasons.time
      ? ['not repaid in time, see below']
      : [];
  return { label, value: quantity(overhead.seconds.value, 's'), details: [...repaid, ...known] };
}

function alternatives({ candidates }: Recommendation, entryOf: (found: VariantSummary) => Entry | undefined): Block[] {
  const listed = candidates.slice(0, LISTED).flatMap((found) => entryOf(found) ?? []);
  if (listed.length < 2) return [];
  const left = candidates.length - listed.length;
  return [
    {
      kind: 'table',
      table: choiceTable(
        `Variants that keep the limits and that no other beats, best first${left > 0 ? ` (${left} more are not listed)` : ''}`,
        listed,
      ),
    },
  ];
}

function choiceTable(caption: string, entries: readonly Entry[]): Table {
  const energy = entries.some(({ speed }) => speed?.energy);
  return {
    caption,
    columns: [
      ...words('Model', 'Variant'),
      ...numeric('Top-1', 'Lost, points', 'Median latency', 'Engine file', 'Overhead', ...(energy ? ['Energy'] : [])),
    ],
    rows: entries.map(({ model, label, summary, speed }): (Cell | string)[] => [
      model.id,
      label,
      knownTop1(summary) === undefined ? ABSENT : share(summary.accuracy?.top1),
      summary.accuracy?.seeded ? ABSENT : dropCell(summary.accuracy?.drop),
      estimate(speed?.p50, 'ms'),
      summary.size
        ? { text: quantity(summary.size.engine, 'B'), detail: change(summary.size.againstCheckpoint) }
        : ABSENT,
      estimate(summary.overhead?.seconds, 's'),
      ...(energy ? [estimate(speed?.energy, 'J')] : []),
    ]),
  };
}

function closest({ closest: near }: Recommendation, entryOf: (found: VariantSummary) => Entry | undefined): Block[] {
  const items = near.flatMap(({ variant, misses }) => {
    const entry = entryOf(variant);
    return entry ? [`${entry.model.id} as ${entry.label} comes closest but misses: ${enumeration(misses)}.`] : [];
  });
  return items.length > 0 ? [{ kind: 'list', items }] : [];
}
