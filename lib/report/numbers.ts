import type { Estimate, Ratio } from '../characterize/summary.js';
import type { Share } from '../statistics.js';
import type { Cell } from './document.js';

/** Between a number and its unit: the line must not break there. */
const SPACE = '\u00a0';
const THIN = '\u202f';
const MINUS = '\u2212';

/** What a quantity is counted in: from the smallest unit to the largest. */
const LADDERS = {
  B: [
    [1, 'B'],
    [1e3, 'kB'],
    [1e6, 'MB'],
    [1e9, 'GB'],
    [1e12, 'TB'],
  ],
  s: [
    [1e-6, 'µs'],
    [1e-3, 'ms'],
    [1, 's'],
    [60, 'min'],
    [3600, 'h'],
  ],
  J: [
    [1e-6, 'µJ'],
    [1e-3, 'mJ'],
    [1, 'J'],
    [1e3, 'kJ'],
  ],
  W: [
    [1e-3, 'mW'],
    [1, 'W'],
  ],
  Hz: [
    [1, 'Hz'],
    [1e6, 'MHz'],
    [1e9, 'GHz'],
  ],
  count: [[1, '']],
  ms: [[1, 'ms']],
} as const satisfies Record<string, readonly (readonly [number, string])[]>;

export type Unit = keyof typeof LADDERS;

export interface Scale {
  readonly divisor: number;
  readonly unit: string;
}

/** The unit in which the largest of `values` is a number people read easily. */
export function scaleOf(values: readonly number[], unit: Unit): Scale {
  const largest = Math.max(0, ...values.filter(Number.isFinite).map(Math.abs));
  const steps: readonly (readonly [number, string])[] = LADDERS[unit];
  // Minutes only where seconds would have three digits: `90 s`, but `12.5 min`.
  const fits = steps.filter(([size]) => largest >= size * (size === 60 ? 10 : 0.9995));
  const [divisor, name] = fits.at(-1) ?? (largest === 0 ? [1, unit === 'count' ? '' : unit] : steps[0]) ?? [1, unit];
  return { divisor, unit: name };
}

/** Three significant digits: `1 230`, `45.6`, `7.89`, `0.0123`. */
export function significant(value: number, digits = 3): string {
  if (!Number.isFinite(value)) return '?';
  if (value === 0) return '0';
  const magnitude = Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits)))));
  const text = Math.abs(value).toFixed(Math.min(12, Math.max(0, digits - 1 - magnitude)));
  return `${value < 0 ? MINUS : ''}${thousands(text)}`;
}

const thousands = (text: string): string => {
  const [whole = '', fraction] = text.split('.');
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, THIN) : whole;
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
};

/** An integer, every digit of it. */
export const integer = (value: number): string => thousands(String(Math.round(value)));

const withUnit = (text: string, unit: string): string => (unit === '' ? text : `${text}${SPACE}${unit}`);

/** `12.3 ms` from 0.0123 s. */
export function quantity(value: number, unit: Unit, scale = scaleOf([value], unit)): string {
  return withUnit(significant(value / scale.divisor), scale.unit);
}

/** `12.1–12.6`, in the unit of the value it belongs to. */
export const range = ([low, high]: readonly [number, number], { divisor }: Scale): string =>
  `${significant(low / divisor)}–${significant(high / divisor)}`;

/** A measured quantity as a cell: the value, and its 95 % interval where there is one. */
export function estimate(found: Estimate | undefined, unit: Unit, scale?: Scale): Cell {
  if (found === undefined) return ABSENT;
  const chosen = scale ?? scaleOf([found.value], unit);
  const text = quantity(found.value, unit, chosen);
  const detail = found.interval && range(found.interval, chosen);
  // An interval that rounds to the value itself says nothing more.
  return detail === undefined || detail === range([found.value, found.value], chosen) ? { text } : { text, detail };
}

/** What stands where nothing was measured; the reason is told beside the table. */
export const ABSENT: Cell = { text: '–', mark: 'absent' };

/** `71.3 %` */
export const percent = (share: number, digits = 1): string => withUnit((share * 100).toFixed(digits), '%');

/** `−58 %`, `+3.4 %`: how far a ratio is from 1; `26.4×` where percent would be hard to read. */
export function change(ratio: number, unit = '%'): string {
  if (ratio >= 10) return `${significant(ratio)}×`;
  const value = (ratio - 1) * 100;
  const text = Math.abs(value).toFixed(Math.abs(value) < 9.95 ? 1 : 0);
  if (Number(text) === 0) return withUnit('±0', unit);
  return withUnit(`${value < 0 ? MINUS : '+'}${text}`, unit);
}

/** How a ratio says whether less is better and whether that is more than noise. */
export function ratio(found: Ratio | undefined): Cell {
  if (found === undefined) return ABSENT;
  const text = change(found.value);
  if (!found.interval) return { text, detail: 'no interval' };
  const [low, high] = found.interval;
  const detail = `${change(low, '')} … ${change(high, '')}`;
  if (found.beyondNoise === false) return { text, detail: `${detail}\nwithin noise`, mark: 'neutral' };
  return { text, detail, mark: found.value < 1 ? 'good' : 'bad' };
}

/** `71.3 %`, with the interval below it. */
export function share(found: Share | undefined): Cell {
  if (found === undefined) return ABSENT;
  const [low, high] = found.interval;
  return { text: percent(found.share), detail: `${(low * 100).toFixed(1)}–${(high * 100).toFixed(1)}` };
}

/** Percentage points: `−0.6`, `+1.2`, `±0`. */
export function points(share: number): string {
  const text = Math.abs(share * 100).toFixed(1);
  return Number(text) === 0 ? '±0' : `${share < 0 ? MINUS : '+'}${text}`;
}

/** `2 classes`, `1 class` */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${integer(count)} ${count === 1 ? one : many}`;

/** `a`, `a and b`, `a, b and c` */
export function enumeration(parts: readonly string[]): string {
  return parts.length < 2 ? (parts[0] ?? '') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
