import { silenceLimit } from './series.js';
import type { Stretch } from './timeline.js';
import type { Quantity, Sample } from './types.js';

/** What is known of a quantity so far; values of counters never step back. */
interface Total {
  readonly quantity: Quantity;
  first: number;
  firstTime: number;
  last: number;
  lastTime: number;
  /** Seconds between two of its samples, the newest weighing most; of one that was read once, what slow sources take. */
  interval: number;
  /** Of a gauge, over the seconds covered: silences are left out. */
  integral: number;
  covered: number;
  peak: number;
}

/**
 * Sums over all samples so far that need no more memory for more of them: what a monitor shows of hours. The same as a
 * timeline's {@link Stretch}, but that what was read around a silence still counts, with the seconds it covers.
 */
export class Totals implements Stretch {
  readonly quantities: readonly Quantity[];
  readonly #totals = new Map<string, Total>();
  readonly #known: ReadonlyMap<string, Quantity>;
  #first = Number.NaN;
  #now = Number.NaN;
  /** Seconds between the two newest samples: no quantity is read more often. */
  #tick = 0;

  constructor(quantities: readonly Quantity[]) {
    this.quantities = quantities;
    this.#known = new Map(quantities.map((quantity) => [quantity.name, quantity]));
  }

  /** Moment of the newest sample, seconds of the monotonic clock. */
  get now(): number {
    return this.#now;
  }

  get seconds(): number {
    return Number.isNaN(this.#first) ? 0 : this.#now - this.#first;
  }

  add({ time, values }: Sample): void {
    for (const [name, value] of Object.entries(values)) {
      const total = this.#totals.get(name);
      const quantity = this.#known.get(name);
      if (total) grow(total, time, value, this.#limitOf(total));
      else if (quantity) this.#totals.set(name, begin(quantity, time, value));
    }
    if (Number.isNaN(this.#first)) this.#first = time;
    else this.#tick = time - this.#now;
    this.#now = time;
  }

  /** The newest value and its moment; undefined where the source has been silent since for too long. */
  latest(name: string): { readonly value: number; readonly time: number } | undefined {
    const total = this.#totals.get(name);
    if (!total || this.#now - total.lastTime > this.#limitOf(total)) return undefined;
    return { value: total.last, time: total.lastTime };
  }

  integral(name: string): { readonly value: number; readonly seconds: number } | undefined {
    const total = this.#totals.get(name);
    return total && { value: total.integral, seconds: total.covered };
  }

  difference(name: string): { readonly value: number; readonly seconds: number } | undefined {
    const total = this.#totals.get(name);
    return total && { value: total.last - total.first, seconds: total.lastTime - total.firstTime };
  }

  mean(name: string): number | undefined {
    const total = this.#totals.get(name);
    return total && (total.covered > 0 ? total.integral / total.covered : total.last);
  }

  peak(name: string): number | undefined {
    return this.#totals.get(name)?.peak;
  }

  #limitOf({ interval }: Total): number {
    return silenceLimit(Math.max(interval, this.#tick));
  }

  growth(name: string): number | undefined {
    const total = this.#totals.get(name);
    return total && total.last > total.first ? total.last : undefined;
  }
}

const begin = (quantity: Quantity, time: number, value: number): Total => ({
  quantity,
  first: value,
  firstTime: time,
  last: value,
  lastTime: time,
  interval: 1,
  integral: 0,
  covered: 0,
  peak: value,
});

function grow(total: Total, time: number, reading: number, limit: number): void {
  const value = total.quantity.kind === 'counter' ? Math.max(reading, total.last) : reading;
  const width = time - total.lastTime;
  if (width <= limit) {
    total.integral += (width * (value + total.last)) / 2;
    total.covered += width;
  }
  total.interval = total.lastTime === total.firstTime ? width : (total.interval + width) / 2;
  total.last = value;
  total.lastTime = time;
  total.peak = Math.max(total.peak, value);
}
