import type { Center, Species } from './anatomy.js';
import { css, type Hsl, PETAL_COLORS, shift, vary } from './color.js';
import { drawPetal } from './petal.js';
import type { Random } from './random.js';

const n = (value: number): string => value.toFixed(2);

const POLLEN: Record<'yellow' | 'dark', Hsl> = {
  yellow: { h: 45, s: 92, l: 52 },
  dark: { h: 320, s: 30, l: 17 },
};

/** Small dots in the spiral of a seed head, the arrangement that fills a disc evenly. */
function seeds(radius: number, count: number, dot: number, random: Random): string {
  return Array.from({ length: count }, (_, i) => {
    const r = radius * Math.sqrt((i + 0.5) / count);
    const a = i * 2.39996 + random.range(-0.1, 0.1);
    return `<circle cx="${n(r * Math.cos(a))}" cy="${n(r * Math.sin(a))}" r="${n(dot)}"/>`;
  }).join('');
}

function drawStamens(count: number, length: number, tone: Hsl, radius: number, random: Random): string {
  const tips: string[] = [];
  const stalks: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const a = ((i + random.range(-0.3, 0.3)) / count) * 2 * Math.PI;
    const r = length * (count > 14 ? random.range(0.45, 1.05) : random.range(0.85, 1.08));
    const [x, y] = [r * Math.cos(a), r * Math.sin(a)];
    stalks.push(`M0 0L${n(x)} ${n(y)}`);
    tips.push(`<ellipse cx="${n(x)}" cy="${n(y)}" rx="${n(radius * 0.034)}" ry="${n(radius * 0.026)}"/>`);
  }
  return [
    `<path d="${stalks.join('')}" fill="none" stroke="${css(shift(tone, 0, -25, 18))}" stroke-width="${n(Math.max(0.5, radius * 0.014))}"/>`,
    `<g fill="${css(tone)}">${tips.join('')}</g>`,
    `<circle r="${n(radius * 0.07)}" fill="hsl(78,48%,48%)"/>`,
  ].join('');
}

function drawCenter(center: Center, color: Hsl, radius: number, random: Random): string {
  switch (center.kind) {
    case 'disc': {
      const tone = vary(POLLEN[center.tone], random);
      const r = center.radius * radius * random.range(0.9, 1.1);
      return [
        `<circle r="${n(r)}" fill="${css(shift(tone, -6, 0, -10))}"/>`,
        `<g fill="${css(shift(tone, 4, 0, 12))}">${seeds(r * 0.93, 44, r * 0.085, random)}</g>`,
        `<circle r="${n(r * 0.42)}" fill="${css(shift(tone, 14, -8, -8))}" opacity="0.55"/>`,
      ].join('');
    }
    case 'stamens':
      return drawStamens(center.count, center.length * radius, vary(POLLEN[center.tone], random), radius, random);
    case 'eye': {
      const tone = center.tone === 'white' ? PETAL_COLORS.white : POLLEN.yellow;
      const r = center.radius * radius * random.range(0.9, 1.1);
      return [
        `<circle r="${n(r)}" fill="${css(vary(tone, random, 0.6))}"/>`,
        `<circle r="${n(r * 0.45)}" fill="${css(shift(tone, -14, -10, -42))}"/>`,
      ].join('');
    }
    case 'trumpet': {
      const warm = shift(color.l > 80 ? PETAL_COLORS.gold : color, -9, 4, color.l > 80 ? 0 : -6);
      const frill = Array.from({ length: 48 }, (_, i) => {
        const a = (i / 48) * 2 * Math.PI;
        const r = center.radius * radius * (1 + 0.06 * Math.sin(a * 12) + random.range(-0.02, 0.02));
        return `${i === 0 ? 'M' : 'L'}${n(r * Math.cos(a))} ${n(r * Math.sin(a))}`;
      });
      return [
        `<path d="${frill.join('')}Z" fill="${css(warm)}" stroke="${css(shift(warm, -6, 0, -18))}" stroke-width="${n(radius * 0.02)}"/>`,
        `<circle r="${n(center.radius * radius * 0.7)}" fill="${css(shift(warm, -5, 0, -20))}" opacity="0.75"/>`,
        drawStamens(6, center.radius * radius * 0.34, POLLEN.yellow, radius, random),
      ].join('');
    }
  }
}

function drawSepals(petals: number, radius: number, turn: number): string {
  const leaves = Array.from({ length: petals }, (_, i) => {
    const angle = turn + ((i + 0.5) * 360) / petals;
    const r = radius * 0.78;
    return `<path transform="rotate(${n(angle)})" d="M0 0Q${n(-r * 0.2)} ${n(-r * 0.55)} 0 ${n(-r)}Q${n(r * 0.2)} ${n(-r * 0.55)} 0 0Z"/>`;
  });
  return `<g fill="hsl(96,42%,40%)" stroke="hsl(100,45%,26%)" stroke-width="0.6">${leaves.join('')}</g>`;
}

/** Where and how a flower is shown. */
export interface Pose {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  /** How far the flower looks away from the viewer, 0 (full face) to about 0.6. */
  readonly tilt: number;
}

/** The colour of all flowers of one plant: one of the species' colours, moved a little. */
export function plantColor(species: Species, random: Random): Hsl {
  return vary(PETAL_COLORS[random.pick(species.colors)], random, 1.2);
}

/** One flower as an SVG group. */
export function drawBloom(species: Species, color: Hsl, pose: Pose, random: Random): string {
  const { radius } = pose;
  const away = random.range(0, 360);
  const contrast = random.range(0.55, 1);
  let turn = random.range(0, 360);
  const parts: string[] = [];
  species.rings.forEach((ring, depth) => {
    const count = random.int(...ring.petals);
    turn += ring.offset ? 180 / count : random.range(0, 20);
    if (species.sepals && depth === 0) parts.push(drawSepals(count, radius, turn));
    const tone = shift(color, 0, 0, depth * -2);
    const lost = random.chance(0.07) ? random.int(0, count - 1) : -1;
    for (let i = 0; i < count; i += 1) {
      const angle = turn + (i * 360) / count + random.normal(0, 22 / count);
      // A cupped flower shows the petals on its far side longer than those on its near side.
      const cup = 1 + 0.24 * pose.tilt * Math.cos(((angle - away) * Math.PI) / 180);
      const length = radius * ring.length * cup * random.normal(1, 0.035);
      if (i === lost && count < 9) continue;
      const petal = drawPetal({ shape: ring.shape, length, color: tone, markings: species.markings, contrast }, random);
      parts.push(`<g transform="rotate(${n(angle)})">${petal}</g>`);
    }
  });
  parts.push(drawCenter(species.center, color, radius, random));
  const squash = 1 - 0.75 * pose.tilt;
  return `<g transform="translate(${n(pose.x)} ${n(pose.y)}) rotate(${n(away)}) scale(1 ${n(squash)}) rotate(${n(-away)})">${parts.join('')}</g>`;
}
