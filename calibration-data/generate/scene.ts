import type { Species } from './anatomy.js';
import { drawBloom, type Pose, plantColor } from './bloom.js';
import { css, type Hsl, shift } from './color.js';
import type { Random } from './random.js';
import { SPECIES } from './species.js';

const n = (value: number): string => value.toFixed(2);

/** What lies behind the flower. Overall tone, and the tone of what grows there. */
interface Backdrop {
  readonly near: Hsl;
  readonly far: Hsl;
  readonly growth: Hsl;
}

const BACKDROPS: readonly Backdrop[] = [
  { near: { h: 104, s: 38, l: 22 }, far: { h: 92, s: 36, l: 42 }, growth: { h: 100, s: 42, l: 34 } },
  { near: { h: 130, s: 30, l: 14 }, far: { h: 120, s: 28, l: 26 }, growth: { h: 118, s: 36, l: 26 } },
  { near: { h: 70, s: 40, l: 40 }, far: { h: 58, s: 48, l: 66 }, growth: { h: 82, s: 44, l: 42 } },
  { near: { h: 28, s: 30, l: 26 }, far: { h: 34, s: 28, l: 44 }, growth: { h: 90, s: 30, l: 34 } },
  { near: { h: 110, s: 34, l: 40 }, far: { h: 206, s: 48, l: 76 }, growth: { h: 106, s: 40, l: 38 } },
  { near: { h: 220, s: 14, l: 34 }, far: { h: 210, s: 12, l: 56 }, growth: { h: 140, s: 22, l: 34 } },
];

export interface Scene {
  readonly width: number;
  readonly height: number;
  readonly svg: string;
}

function leaf(random: Random, growth: Hsl, x: number, y: number, size: number): string {
  const tone = shift(growth, random.range(-14, 14), random.range(-8, 10), random.range(-12, 16));
  const w = size * random.range(0.2, 0.36);
  const vein = css(shift(tone, 0, -6, 12));
  return `<g transform="translate(${n(x)} ${n(y)}) rotate(${n(random.range(0, 360))})"><path d="M0 0C${n(-w)} ${n(-size * 0.3)} ${n(-w)} ${n(-size * 0.7)} 0 ${n(-size)}C${n(w)} ${n(-size * 0.7)} ${n(w)} ${n(-size * 0.3)} 0 0Z" fill="${css(tone)}" stroke="${css(shift(tone, 0, 0, -9))}" stroke-width="0.8"/><path d="M0 0L0 ${n(-size * 0.9)}" stroke="${vein}" stroke-width="1.2" opacity="0.7"/></g>`;
}

function blade(random: Random, growth: Hsl, width: number, height: number): string {
  const tone = shift(growth, random.range(-16, 12), random.range(-8, 8), random.range(-10, 18));
  const x = random.range(-20, width + 20);
  const tipX = x + random.range(-90, 90);
  const tipY = random.range(0, height * 0.7);
  const w = random.range(1.5, 5);
  const bend = random.range(-40, 40);
  const middle = height * 0.55;
  return `<path d="M${n(x - w)} ${n(height + 4)}Q${n(x + bend - w)} ${n(middle)} ${n(tipX)} ${n(tipY)}Q${n(x + bend + w)} ${n(middle)} ${n(x + w)} ${n(height + 4)}Z" fill="${css(tone)}"/>`;
}

const blurred = (sigma: number, id: string, body: string): string =>
  `<filter id="${id}" x="-20%" y="-20%" width="140%" height="140%"><feGaussianBlur stdDeviation="${n(sigma)}"/></filter><g filter="url(#${id})">${body}</g>`;

const repeat = (count: number, draw: () => string): string => Array.from({ length: count }, draw).join('');

/** Out-of-focus patches and, at times, out-of-focus flowers of any species. */
function distance(random: Random, backdrop: Backdrop, width: number, height: number): string {
  const patches = repeat(random.int(8, 18), () => {
    const colored = random.chance(0.2);
    const tone = colored
      ? plantColor(random.pick(SPECIES), random)
      : shift(backdrop.growth, random.range(-24, 24), random.range(-12, 8), random.range(-18, 24));
    const size = random.range(0.04, colored ? 0.1 : 0.24) * width;
    return `<ellipse cx="${n(random.range(0, width))}" cy="${n(random.range(0, height))}" rx="${n(size)}" ry="${n(size * random.range(0.5, 1.3))}" fill="${css(tone)}" opacity="${n(random.range(0.35, 0.9))}"/>`;
  });
  const strangers = repeat(random.chance(0.4) ? random.int(1, 3) : 0, () => {
    const other = random.pick(SPECIES);
    const pose: Pose = {
      x: random.range(0, width),
      y: random.range(0, height),
      radius: random.range(14, 32),
      tilt: random.range(0, 0.5),
    };
    return drawBloom(other, plantColor(other, random), pose, random);
  });
  return blurred(random.range(3.5, 8), 'far', patches + strangers);
}

/** Chooses where the flowers of the scene's own species stand: one in the middle of attention, at times others. */
function poses(random: Random, width: number, height: number): Pose[] {
  const small = Math.min(width, height);
  const radius = small * (0.2 + 0.23 * random.next() ** 0.8);
  const tilt = Math.min(0.66, Math.abs(random.normal(0, 0.22)));
  const reach = Math.max(0, small * 0.46 - radius * 0.78);
  const main: Pose = {
    x: width / 2 + random.range(-1, 1) * reach,
    y: height / 2 + random.range(-1, 1) * reach,
    radius,
    tilt,
  };
  const companions = random.chance(0.35) ? random.int(1, 2) : 0;
  const all = [main];
  for (let i = 0; i < companions; i += 1) {
    const angle = random.range(0, 2 * Math.PI);
    const gap = radius * random.range(1.2, 2.1);
    all.unshift({
      x: main.x + gap * Math.cos(angle),
      y: main.y + gap * Math.sin(angle),
      radius: radius * random.range(0.55, 0.9),
      tilt: Math.min(0.66, tilt + random.range(0, 0.25)),
    });
  }
  return all;
}

function flowers(
  random: Random,
  species: Species,
  growth: Hsl,
  width: number,
  height: number,
): { svg: string; main: Pose } {
  const color = plantColor(species, random);
  const standing = poses(random, width, height);
  const stem = css(shift(growth, random.range(-10, 6), 0, random.range(-6, 10)));
  const drawn = standing.map((pose) => {
    const foot = pose.x + random.range(-60, 60);
    const stalk = `<path d="M${n(pose.x)} ${n(pose.y)}Q${n(pose.x + random.range(-16, 16))} ${n((pose.y + height) / 2)} ${n(foot)} ${n(height + 6)}" fill="none" stroke="${stem}" stroke-width="${n(Math.max(2, pose.radius * 0.07))}"/>`;
    const dx = pose.radius * random.range(-0.14, 0.14);
    const shadow = `<circle cx="${n(pose.x + dx)}" cy="${n(pose.y + pose.radius * 0.16)}" r="${n(pose.radius * 0.98)}" fill="url(#shadow)"/>`;
    return stalk + shadow + drawBloom(species, color, pose, random);
  });
  const main = standing[standing.length - 1] as Pose;
  return { svg: drawn.join(''), main };
}

/** Leaves and grass between the viewer and the flower; they cover part of it, never its whole. */
function foreground(random: Random, growth: Hsl, main: Pose, width: number, height: number): string {
  const parts: string[] = [];
  if (random.chance(0.38)) {
    const angle = random.range(0, 2 * Math.PI);
    const gap = main.radius * random.range(0.75, 1.25);
    const [x, y] = [main.x + gap * Math.cos(angle), main.y + gap * Math.sin(angle)];
    parts.push(leaf(random, growth, x, y, main.radius * random.range(0.7, 1.3)));
  }
  parts.push(repeat(random.chance(0.4) ? random.int(1, 4) : 0, () => blade(random, growth, width, height)));
  return blurred(random.range(0.4, 2.6), 'front', parts.join(''));
}

/** Composes a photograph-like scene of one species as SVG, without any text. */
export function drawScene(species: Species, random: Random): Scene {
  const width = random.int(240, 300);
  const height = random.int(240, 300);
  const backdrop = random.pick(BACKDROPS);
  const horizon = random.range(-0.2, 0.6);
  const behind =
    repeat(random.int(2, 9), () =>
      leaf(random, backdrop.growth, random.range(0, width), random.range(0, height), random.range(40, 110)),
    ) + repeat(random.int(0, 12), () => blade(random, backdrop.growth, width, height));
  const far = distance(random, backdrop, width, height);
  const middle = blurred(random.range(0.5, 3), 'middle', behind);
  const subject = flowers(random, species, backdrop.growth, width, height);
  const front = foreground(random, backdrop.growth, subject.main, width, height);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><defs><linearGradient id="sky" x1="0" y1="0" x2="${n(random.range(-0.4, 0.4))}" y2="1"><stop offset="${n(Math.max(0, horizon))}" stop-color="${css(backdrop.far)}"/><stop offset="1" stop-color="${css(backdrop.near)}"/></linearGradient><radialGradient id="throat" gradientUnits="userSpaceOnUse" cx="0" cy="0" r="${n(subject.main.radius)}"><stop offset="0.05" stop-color="#201018" stop-opacity="0.34"/><stop offset="0.5" stop-color="#201018" stop-opacity="0"/><stop offset="1" stop-color="#ffffff" stop-opacity="0.2"/></radialGradient><radialGradient id="shadow"><stop offset="0.55" stop-color="#06100a" stop-opacity="0.5"/><stop offset="1" stop-color="#06100a" stop-opacity="0"/></radialGradient></defs><rect width="${width}" height="${height}" fill="url(#sky)"/>${far}${middle}${subject.svg}${front}</svg>`;
  return { width, height, svg };
}
