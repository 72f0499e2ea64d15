import type { Span } from '../telemetry/types.js';
import { seconds } from '../units.js';

export { bytes, joules, percent, seconds } from '../units.js';

/** Columns as wide as their content; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const numeric = header.map(
    (_, column) => rows.length > 0 && rows.every((row) => /^-?[\d.]*( \S+)?$/.test(row[column] ?? '')),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(header), ...rows.map(line)].join('\n');
}

/** The phases of a call, those within others indented, and the whole below them. CPU time is of all threads. */
export function phases(whole: Span): string {
  const rows = (spans: readonly Span[], indent: string): string[][] =>
    spans.flatMap((span) => [row(`${indent}${span.name}`, span), ...rows(span.spans, `${indent}  `)]);
  const row = (name: string, span: Span): string[] => [
    name,
    seconds(span.seconds),
    span.cpuSeconds === undefined ? '' : seconds(span.cpuSeconds),
  ];
  return table(['phase', 'time', 'CPU time'], [...rows(whole.spans, ''), row('all', whole)]);
}

/** `name: value` lines, values aligned; absent values are left out. */
export function facts(entries: Readonly<Record<string, string | number | undefined>>): string {
  const present = Object.entries(entries).filter(([, value]) => value !== undefined && value !== '');
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${`${name}:`.padEnd(width + 1)} ${value}`).join('\n');
}
