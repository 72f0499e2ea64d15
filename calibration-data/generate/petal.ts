import type { Marking, PetalShape } from './anatomy.js';
import { css, type Hsl, shift } from './color.js';
import type { Random } from './random.js';

type Point = readonly [x: number, y: number];

const number = (value: number): string => value.toFixed(2);

/** A polyline as SVG path data. */
export function path(points: readonly Point[], closed: boolean): string {
  const commands = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${number(x)} ${number(y)}`);
  return commands.join('') + (closed ? 'Z' : '');
}

/** Half the petal's width at a fraction of its length below the shoulder, over half the largest width. */
function sideProfile(shape: PetalShape, t: number): number {
  const rise = Math.sin((Math.PI / 2) * Math.min(1, t / shape.shoulder)) ** (shape.claw ?? 1);
  return shape.base + (1 - shape.base) * rise;
}

/** How far up the petal reaches at a fraction u in [-1, 1] across, over its length. */
function tipProfile(shape: PetalShape, u: number): number {
  const dome = (1 - Math.abs(u) ** shape.tip) ** (1 / shape.tip);
  let y = shape.shoulder + (1 - shape.shoulder) * dome;
  if (shape.notch) {
    const [depth, width] = shape.notch;
    y -= depth * Math.exp(-((u / width) ** 2));
  }
  if (shape.teeth) {
    const [count, depth] = shape.teeth;
    y -= depth * (0.5 + 0.5 * Math.cos(Math.PI * count * (u + 1))) * (1 - u ** 4);
  }
  return y;
}

/** The outline of a petal that grows from the origin towards negative y. */
export function petalOutline(shape: PetalShape, length: number, stretch: number): Point[] {
  const half = 0.5 * shape.width * length * stretch;
  const lean = (x: number, t: number): Point => [x + (shape.skew ?? 0) * length * t * t * 0.5, -t * length];
  const sides = 7;
  const across = shape.teeth ? 44 : 26;
  const points: Point[] = [];
  for (let i = 0; i <= sides; i += 1) {
    const t = (shape.shoulder * i) / sides;
    points.push(lean(-half * sideProfile(shape, t), t));
  }
  for (let i = 1; i < across; i += 1) {
    // Cosine spacing puts points where the tip's curve turns fastest, at both ends.
    const u = -Math.cos((Math.PI * i) / across);
    points.push(lean(half * u, tipProfile(shape, u)));
  }
  for (let i = sides; i >= 0; i -= 1) {
    const t = (shape.shoulder * i) / sides;
    points.push(lean(half * sideProfile(shape, t), t));
  }
  return points;
}

export interface PetalStyle {
  readonly shape: PetalShape;
  readonly length: number;
  readonly color: Hsl;
  readonly markings: readonly Marking[];
  /** How strongly markings show, 0 to 1. */
  readonly contrast: number;
}

const TONES = {
  dark: { h: 330, s: 45, l: 14 },
  light: { h: 50, s: 40, l: 95 },
  yellow: { h: 48, s: 95, l: 58 },
} as const satisfies Record<string, Hsl>;

function drawMarking(marking: Marking, style: PetalStyle, random: Random): string {
  const { length, shape, color, contrast } = style;
  const half = 0.5 * shape.width * length;
  const ink = css(shift(color, -8, 10, color.l > 60 ? -34 : -24));
  switch (marking.kind) {
    case 'veins': {
      const lines = Array.from({ length: marking.count }, (_, i) => {
        const u = (2 * (i + 0.5)) / marking.count - 1;
        const reach = length * random.range(0.72, 0.86) * (1 - 0.22 * u * u);
        const x = u * half * 0.74;
        return `M0 ${number(-0.12 * length)}Q${number(x * 0.55)} ${number(-0.4 * length)} ${number(x)} ${number(-reach)}`;
      });
      return `<path d="${lines.join('')}" fill="none" stroke="${ink}" stroke-width="${number(Math.max(0.5, length * 0.018))}" opacity="${number(contrast * 0.75)}"/>`;
    }
    case 'midrib': {
      const pale = color.l > 72 ? ink : css(shift(color, 6, -10, 24));
      const w = half * 0.2;
      const d = `M${number(-w * 0.5)} 0Q${number(-w)} ${number(-0.5 * length)} 0 ${number(-0.92 * length)}Q${number(w)} ${number(-0.5 * length)} ${number(w * 0.5)} 0Z`;
      return `<path d="${d}" fill="${pale}" opacity="${number(contrast * 0.85)}"/>`;
    }
    case 'spots': {
      const dots = Array.from({ length: marking.count }, () => {
        const t = random.range(0.22, 0.68);
        const x = random.range(-0.6, 0.6) * half * sideProfile(shape, Math.min(t, shape.shoulder));
        const r = length * random.range(0.014, 0.026);
        return `<circle cx="${number(x)}" cy="${number(-t * length)}" r="${number(r)}"/>`;
      });
      return `<g fill="${css(shift(color, -18, 0, -36))}" opacity="${number(contrast)}">${dots.join('')}</g>`;
    }
    case 'blotch': {
      const reach = marking.reach * length * random.range(0.9, 1.1);
      const wide = half * sideProfile(shape, Math.min(marking.reach, shape.shoulder)) * 0.8;
      const fill = css(TONES[marking.tone]);
      return `<ellipse cx="0" cy="${number(-reach * 0.45)}" rx="${number(wide)}" ry="${number(reach * 0.6)}" fill="${fill}" opacity="${number(contrast * 0.8)}"/>`;
    }
    case 'band': {
      const y = -marking.at * length;
      const w = half * sideProfile(shape, Math.min(marking.at, shape.shoulder)) * 0.92;
      return `<path d="M${number(-w)} ${number(y)}Q0 ${number(y - length * 0.12)} ${number(w)} ${number(y)}" fill="none" stroke="${css(shift(color, -8, 5, -36))}" stroke-width="${number(length * 0.09)}" opacity="${number(contrast)}"/>`;
    }
  }
}

/** One petal as SVG: shaded outline, markings, and a thin rim that tells it from its neighbours. */
export function drawPetal(style: PetalStyle, random: Random): string {
  const { shape, length, color } = style;
  const outline = path(petalOutline(shape, length, random.normal(1, 0.05)), true);
  const glow = random.range(-7, 5);
  const fill = css(shift(color, random.range(-3, 3), 0, glow));
  const shade = css(shift(color, -10, 6, glow - 20));
  const fold = `M0 ${number(-0.1 * length)}Q${number(random.range(-0.05, 0.05) * length)} ${number(-0.5 * length)} 0 ${number(-0.84 * length)}`;
  return [
    `<path d="${outline}" fill="${fill}" stroke="${shade}" stroke-width="${number(Math.max(0.5, length * 0.016))}"/>`,
    `<path d="${outline}" fill="url(#throat)"/>`,
    `<path d="${fold}" fill="none" stroke="${shade}" stroke-width="${number(length * 0.02)}" opacity="0.28"/>`,
    ...style.markings.map((marking) => drawMarking(marking, style, random)),
  ].join('');
}
