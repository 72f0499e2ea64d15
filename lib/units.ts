/** `3.4 MB`; decimal, as disks are sold. */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0)} ${units[unit]}`;
}

/** `1.25 ms`, `3.10 s` */
export function seconds(value: number): string {
  if (value >= 1) return `${value.toFixed(2)} s`;
  return value >= 1e-3 ? `${(value * 1e3).toFixed(2)} ms` : `${(value * 1e6).toFixed(1)} µs`;
}

/** `1.25 J`, `34.2 mJ` */
export function joules(value: number): string {
  const size = Math.abs(value);
  if (size >= 1) return `${value.toFixed(2)} J`;
  return size >= 1e-3 ? `${(value * 1e3).toFixed(size < 0.01 ? 2 : 1)} mJ` : `${(value * 1e6).toFixed(1)} µJ`;
}

/** 0.07 is 7 percent; times 100 it would be 7.000000000000001. */
export const inPercent = (share: number): number => Number((share * 100).toPrecision(12));

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** `1 repeat`, `3 repeats` */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
