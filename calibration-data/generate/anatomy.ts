import type { PetalColor } from './color.js';

/** The outline of one petal, in units of its own length and width. */
export interface PetalShape {
  /** Largest width over length. */
  readonly width: number;
  /** Where along the length the petal is widest, 0 to 1. */
  readonly shoulder: number;
  /** Width at the base over the largest width. */
  readonly base: number;
  /** How late the petal widens: 1 is even, more makes a narrow claw. */
  readonly claw?: number;
  /** Exponent of the tip's curve: 1 is a straight-sided point, 2 a half circle, 3 nearly square. */
  readonly tip: number;
  /** Depth and width of the cut in the tip. */
  readonly notch?: readonly [depth: number, width: number];
  /** Number and depth of the teeth along the tip. */
  readonly teeth?: readonly [count: number, depth: number];
  /** Sideways lean that makes a pinwheel. */
  readonly skew?: number;
}

/** What is drawn on a petal. */
export type Marking =
  | { readonly kind: 'veins'; readonly count: number }
  | { readonly kind: 'midrib' }
  | { readonly kind: 'spots'; readonly count: number }
  | { readonly kind: 'blotch'; readonly reach: number; readonly tone: 'dark' | 'light' | 'yellow' }
  | { readonly kind: 'band'; readonly at: number };

/** What sits in the middle of a flower. */
export type Center =
  | { readonly kind: 'disc'; readonly radius: number; readonly tone: 'yellow' | 'dark' }
  | { readonly kind: 'stamens'; readonly count: number; readonly length: number; readonly tone: 'yellow' | 'dark' }
  | { readonly kind: 'eye'; readonly radius: number; readonly tone: 'yellow' | 'white' }
  | { readonly kind: 'trumpet'; readonly radius: number };

/** One ring of petals. Rings are listed from the outermost in. */
export interface Ring {
  readonly petals: readonly [least: number, most: number];
  /** Length over the flower's radius. */
  readonly length: number;
  readonly shape: PetalShape;
  /** Turned by half a petal against the ring outside it. */
  readonly offset?: boolean;
}

export interface Species {
  readonly name: string;
  readonly rings: readonly Ring[];
  readonly colors: readonly PetalColor[];
  readonly markings: readonly Marking[];
  readonly center: Center;
  /** Whether green sepals show between the petals. */
  readonly sepals?: boolean;
}
