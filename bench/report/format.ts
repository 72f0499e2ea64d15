/** What was promised, and what was found. */
export interface Verdict {
  readonly target: string;
  readonly found: string;
  /** Undefined where too little was measured to say. */
  readonly met: boolean | undefined;
}

/** What a part of the report consists of. */
export interface Section {
  readonly title: string;
  /** Paragraphs and tables. */
  readonly blocks: readonly string[];
  readonly verdicts: readonly Verdict[];
}

/** Markdown; all columns but the first hold numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map(line).join('\n');
}

/** Three significant digits; all of those before the point. */
export const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
export const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
export const megabytes = (bytes: number): string => digits(bytes / 1e6);
export const ratio = (value: number): string => `${value.toFixed(2)}×`;

/** For what was not measured. */
export const ABSENT = '–';

/** NaN of none. */
export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/** Whether something is at most what was promised; undefined where it wasn't measured. */
export function atMost(target: string, value: number | undefined, limit: number, show = ratio): Verdict {
  const known = value !== undefined && Number.isFinite(value);
  return { target, found: known ? show(value) : 'not measured', met: known ? value <= limit : undefined };
}

/** The same of what is at least that. */
export function atLeast(target: string, value: number | undefined, limit: number, show = percent): Verdict {
  const known = value !== undefined && Number.isFinite(value);
  return { target, found: known ? show(value) : 'not measured', met: known ? value >= limit : undefined };
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map(({ target, found, met }) => [
    target,
    found,
    met === undefined ? 'not known' : met ? 'met' : '**missed**',
  ]);
  return table(['target', 'found', 'verdict'], rows);
}
