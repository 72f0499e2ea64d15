import type { Stretch } from './timeline.js';
import type { Totals } from './totals.js';
import type { Quantity } from './types.js';

/**
 * The present, as a second of it: gauges as they were read last, counters at the rate they grew between the last two looks.
 * What has fallen silent is absent.
 */
export class Live implements Stretch {
  readonly seconds = 1;
  readonly #totals: Totals;
  readonly #seen = new Map<string, { readonly value: number; readonly time: number; readonly rate?: number }>();

  constructor(totals: Totals) {
    this.#totals = totals;
  }

  get quantities(): readonly Quantity[] {
    return this.#totals.quantities;
  }

  /** Looks at what came since the last time. */
  look(): void {
    for (const { name } of this.quantities) {
      const latest = this.#totals.latest(name);
      const before = this.#seen.get(name);
      // Not due since then: it goes on at its rate.
      if (!latest || latest.time === before?.time) continue;
      const rate = before && { rate: (latest.value - before.value) / (latest.time - before.time) };
      this.#seen.set(name, { ...latest, ...rate });
    }
  }

  /** Of a gauge. */
  value(name: string): number | undefined {
    return this.#totals.latest(name)?.value;
  }

  /** Of a counter, per second. */
  rate(name: string): number | undefined {
    return this.#totals.latest(name) && this.#seen.get(name)?.rate;
  }

  integral(name: string): { readonly value: number; readonly seconds: number } | undefined {
    const value = this.value(name);
    return value === undefined ? undefined : { value, seconds: 1 };
  }

  difference(name: string): { readonly value: number; readonly seconds: number } | undefined {
    const value = this.rate(name);
    return value === undefined ? undefined : { value, seconds: 1 };
  }

  mean(name: string): number | undefined {
    return this.value(name);
  }

  peak(name: string): number | undefined {
    return this.value(name);
  }

  growth(): undefined {
    return undefined;
  }
}
