import type { OverheadCase, OverheadResults } from '../parts/overhead.js';
import { median } from '../workers/measure.js';
import { atMost, digits, type Section, table } from './format.js';

const overhead = ({ trials }: OverheadCase): number => median(trials.map(({ overheadUs }) => overheadUs));

export function overheadSection({ cases }: OverheadResults): Section {
  const rows = cases.map((entry) => [
    `${entry.network}, ${entry.precision.toUpperCase()}`,
    `\`engine.${entry.call}()\``,
    digits(median(entry.trials.map(({ wallMs }) => wallMs * 1000))),
    digits(median(entry.trials.map(({ nativeMs }) => nativeMs * 1000))),
    `**${digits(overhead(entry))}**`,
  ]);
  const calls = [...new Set(cases.map(({ call }) => call))];
  return {
    title: 'Overhead of a call',
    blocks: [
      'Microseconds of a call at batch 1 as a caller waits for it, of the native call inside as the backend reports it, ' +
        'and of the difference run by run: median of a trial, median over the trials.',
      table(['network', 'call', 'as a caller waits', 'native call', 'difference'], rows),
    ],
    verdicts: calls.map((call) =>
      atMost(
        `\`engine.${call}()\` ≤ 30 µs above the native call`,
        Math.max(...cases.filter((entry) => entry.call === call).map(overhead)),
        30,
        (v) => `${digits(v)} µs`,
      ),
    ),
  };
}
