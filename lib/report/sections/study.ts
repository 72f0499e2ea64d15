import { frameworkName } from '../../characterize/summary/label.js';
import type { Summary } from '../../characterize/summary.js';
import { type Block, type Section, text } from '../document.js';
import { enumeration } from '../numbers.js';
import { whyNoAccuracy, whyNoGpu } from '../reasons.js';
import { studyRows, studyTables } from '../study-table.js';
import type { Group } from '../variants.js';

export function studySection(summary: Summary, groups: readonly Group[]): Section {
  const rows = studyRows(summary, groups);
  const { tables, absent } = studyTables(rows);
  const int8 = rows.find((row) => row.int8)?.int8?.variant.calibration;
  const original = rows.find((row) => row.original)?.original?.variant.framework;
  const reasons = [...new Set(absent.map((what) => why(what, summary, groups)))];
  const blocks: Block[] = [
    text(
      `Laid out as the study lays it out, so that its numbers can be put beside these. Original is ${original ? `the trained model run by ${frameworkName(original)}` : 'the trained model; no framework ran it here, so that only its size is known'}${int8 ? `; INT8 was calibrated by ${int8.method} with ${int8.samples} pictures (the study: entropy, 128)` : ''}.`,
    ),
    { kind: 'tables', tables },
    ...reasons.map(
      (reason): Block => ({
        kind: 'absent',
        what: enumeration(absent.filter((what) => why(what, summary, groups) === reason)),
        why: reason,
      }),
    ),
  ];
  return { id: 'study', short: 'Study table', title: 'Beside the study', blocks };
}

function why(what: string, summary: Summary, groups: readonly Group[]): string {
  if (what.startsWith('GPU')) return whyNoGpu(summary.results);
  if (what.startsWith('Top-1'))
    return whyNoAccuracy(
      summary,
      groups.flatMap(({ items }) => items),
    );
  return 'no trial of these results tells it';
}
