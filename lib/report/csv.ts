/** A cell of a CSV file; undefined is empty: nothing was measured. */
export type CsvValue = string | number | boolean | undefined;

/** Named values of a row; every row of a file has the same names. */
export type CsvRecord = Readonly<Record<string, CsvValue>>;

/** RFC 4180, with lines that end in a line feed alone. The header is of the names that any row has, in their order. */
export function csvOf(records: readonly CsvRecord[]): string {
  const names = [...new Set(records.flatMap((record) => Object.keys(record)))];
  const lines = [names, ...records.map((record) => names.map((name) => record[name]))];
  return lines.map((line) => `${line.map(csvCell).join(',')}\n`).join('');
}

/**
 * Text that a spreadsheet would compute (`=1+1`, `@SUM(…)`) gets an apostrophe before it, which spreadsheets take as "this is
 * text". Numbers are written as they are, negative ones included.
 */
export function csvCell(value: CsvValue): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return Number.isNaN(value) ? '' : String(value);
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
