import type { Random } from './random.js';

/** Hue in degrees, saturation and lightness in percent. */
export interface Hsl {
  readonly h: number;
  readonly s: number;
  readonly l: number;
}

/** Petal colours by name. Every species draws from several, and several species from each: colour alone decides little. */
export const PETAL_COLORS = {
  white: { h: 45, s: 30, l: 94 },
  cream: { h: 48, s: 75, l: 84 },
  yellow: { h: 50, s: 96, l: 56 },
  gold: { h: 41, s: 96, l: 52 },
  orange: { h: 25, s: 94, l: 55 },
  salmon: { h: 10, s: 85, l: 68 },
  red: { h: 356, s: 80, l: 47 },
  rose: { h: 345, s: 75, l: 62 },
  pink: { h: 332, s: 75, l: 77 },
  magenta: { h: 318, s: 68, l: 53 },
  purple: { h: 282, s: 55, l: 52 },
  lilac: { h: 268, s: 58, l: 76 },
  blue: { h: 226, s: 68, l: 58 },
  sky: { h: 208, s: 72, l: 71 },
} as const satisfies Record<string, Hsl>;

export type PetalColor = keyof typeof PETAL_COLORS;

const clamp = (value: number, low: number, high: number): number => Math.min(high, Math.max(low, value));

/** Moves a colour by the given amounts, keeping it inside the gamut. */
export function shift(color: Hsl, dh: number, ds: number, dl: number): Hsl {
  return {
    h: (color.h + dh + 360) % 360,
    s: clamp(color.s + ds, 0, 100),
    l: clamp(color.l + dl, 2, 98),
  };
}

/** A colour near the given one. */
export function vary(color: Hsl, random: Random, amount = 1): Hsl {
  return shift(color, random.range(-7, 7) * amount, random.range(-9, 6) * amount, random.range(-6, 5) * amount);
}

/** The colour as SVG understands it. */
export function css({ h, s, l }: Hsl): string {
  return `hsl(${h.toFixed(1)},${s.toFixed(1)}%,${l.toFixed(1)}%)`;
}
