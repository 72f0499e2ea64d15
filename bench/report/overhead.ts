import type { OverheadCase, OverheadResults } from '../parts/overhead.js';
import { median } from '../workers/measure.js';
import { atMost, digits, type Section, table } from './format.js';

const overhead = ({ trials }: OverheadCase): number => median(trials.map(({ overheadUs }) => overheadUs));

export function overheadSection({ cases }: OverheadResults): Section {
  const rows = cases.map((entry) => [
    `${entry.network}, ${entry.precision.toUpperCase()}`,
    digits(median(entry.trials.map(({ wallMs }) => wallMs * 1000))),
    digits(median(entry.trials.map(({ nativeMs }) => nativeMs * 1000))),
    `**${digits(overhead(entry))}**`,
  ]);
  return {
    title: 'Overhead of a call',
    blocks: [
      'Microseconds of `engine.run()` at batch 1 as a caller waits for it, of the native call inside as the backend ' +
        'reports it, and of the difference run by run: median of a trial, median over the trials.',
      table(['network', '`engine.run()`', 'native call', 'difference'], rows),
    ],
    verdicts: [
      atMost(
        '`engine.run()` ≤ 30 µs above the native call',
        Math.max(...cases.map(overhead)),
        30,
        (v) => `${digits(v)} µs`,
      ),
    ],
  };
}
