import type { PetalShape, Species } from './anatomy.js';

const ROUND: PetalShape = { width: 0.86, shoulder: 0.6, base: 0.3, tip: 2 };
const HEART: PetalShape = { width: 0.88, shoulder: 0.66, base: 0.22, tip: 2.2, notch: [0.17, 0.2] };
const LANCE: PetalShape = { width: 0.4, shoulder: 0.45, base: 0.4, tip: 1.25 };
const STRAP: PetalShape = { width: 0.24, shoulder: 0.7, base: 0.5, tip: 2.2 };

/**
 * The classes, in label order. The names are those of the plants whose plan each drawing borrows; the drawings are
 * stylised and make no claim to botany. Neighbours in this list are often look-alikes on purpose.
 */
export const SPECIES: readonly Species[] = [
  {
    name: 'buttercup',
    rings: [{ petals: [5, 5], length: 1, shape: ROUND }],
    colors: ['yellow', 'gold', 'white', 'cream'],
    markings: [],
    center: { kind: 'stamens', count: 26, length: 0.3, tone: 'yellow' },
  },
  {
    name: 'cinquefoil',
    rings: [{ petals: [5, 5], length: 1, shape: { ...HEART, width: 0.72 } }],
    colors: ['yellow', 'gold', 'white', 'orange'],
    markings: [],
    center: { kind: 'stamens', count: 20, length: 0.26, tone: 'yellow' },
    sepals: true,
  },
  {
    name: 'primrose',
    rings: [{ petals: [5, 5], length: 1, shape: HEART }],
    colors: ['cream', 'yellow', 'pink', 'magenta', 'lilac'],
    markings: [{ kind: 'blotch', reach: 0.42, tone: 'yellow' }],
    center: { kind: 'eye', radius: 0.09, tone: 'yellow' },
  },
  {
    name: 'forget-me-not',
    rings: [{ petals: [5, 5], length: 1, shape: { ...ROUND, width: 0.82 } }],
    colors: ['sky', 'blue', 'pink', 'lilac', 'white'],
    markings: [],
    center: { kind: 'eye', radius: 0.2, tone: 'yellow' },
  },
  {
    name: 'periwinkle',
    rings: [{ petals: [5, 5], length: 1, shape: { width: 0.78, shoulder: 0.72, base: 0.2, tip: 2.6, skew: 0.3 } }],
    colors: ['lilac', 'blue', 'purple', 'white', 'pink'],
    markings: [{ kind: 'blotch', reach: 0.3, tone: 'light' }],
    center: { kind: 'eye', radius: 0.1, tone: 'white' },
  },
  {
    name: 'cranesbill',
    rings: [{ petals: [5, 5], length: 1, shape: { ...ROUND, width: 0.8 } }],
    colors: ['blue', 'purple', 'lilac', 'magenta', 'pink', 'white'],
    markings: [{ kind: 'veins', count: 7 }],
    center: { kind: 'stamens', count: 10, length: 0.24, tone: 'dark' },
  },
  {
    name: 'mallow',
    rings: [
      {
        petals: [5, 5],
        length: 1,
        shape: { width: 0.66, shoulder: 0.74, base: 0.14, claw: 1.5, tip: 2.2, notch: [0.15, 0.24] },
      },
    ],
    colors: ['magenta', 'pink', 'lilac', 'purple', 'white'],
    markings: [{ kind: 'veins', count: 5 }],
    center: { kind: 'stamens', count: 14, length: 0.2, tone: 'yellow' },
  },
  {
    name: 'wild-rose',
    rings: [
      { petals: [5, 5], length: 1, shape: { width: 1.0, shoulder: 0.66, base: 0.26, tip: 2.3, notch: [0.1, 0.24] } },
    ],
    colors: ['pink', 'rose', 'white', 'cream', 'magenta'],
    markings: [{ kind: 'blotch', reach: 0.36, tone: 'light' }],
    center: { kind: 'stamens', count: 34, length: 0.4, tone: 'yellow' },
  },
  {
    name: 'campion',
    rings: [
      {
        petals: [5, 5],
        length: 1,
        shape: { width: 0.66, shoulder: 0.62, base: 0.16, claw: 1.4, tip: 2.3, notch: [0.46, 0.15] },
      },
    ],
    colors: ['rose', 'magenta', 'pink', 'white'],
    markings: [],
    center: { kind: 'eye', radius: 0.13, tone: 'white' },
  },
  {
    name: 'stitchwort',
    rings: [
      { petals: [5, 5], length: 1, shape: { width: 0.5, shoulder: 0.58, base: 0.26, tip: 1.9, notch: [0.68, 0.13] } },
    ],
    colors: ['white', 'cream', 'pink', 'lilac'],
    markings: [],
    center: { kind: 'stamens', count: 10, length: 0.36, tone: 'yellow' },
    sepals: true,
  },
  {
    name: 'pink',
    rings: [
      {
        petals: [5, 5],
        length: 1,
        shape: { width: 0.78, shoulder: 0.72, base: 0.16, claw: 1.3, tip: 2.8, teeth: [9, 0.13] },
      },
    ],
    colors: ['pink', 'rose', 'magenta', 'white', 'red', 'salmon'],
    markings: [{ kind: 'band', at: 0.38 }],
    center: { kind: 'eye', radius: 0.07, tone: 'white' },
  },
  {
    name: 'poppy',
    rings: [{ petals: [4, 4], length: 1, shape: { width: 1.36, shoulder: 0.62, base: 0.3, tip: 2.5 } }],
    colors: ['red', 'orange', 'salmon', 'pink', 'white'],
    markings: [{ kind: 'blotch', reach: 0.34, tone: 'dark' }],
    center: { kind: 'stamens', count: 34, length: 0.3, tone: 'dark' },
  },
  {
    name: 'evening-primrose',
    rings: [
      { petals: [4, 4], length: 1, shape: { width: 1.22, shoulder: 0.7, base: 0.2, tip: 2.4, notch: [0.14, 0.24] } },
    ],
    colors: ['yellow', 'cream', 'pink', 'white', 'salmon'],
    markings: [],
    center: { kind: 'stamens', count: 8, length: 0.44, tone: 'yellow' },
  },
  {
    name: 'wallflower',
    rings: [{ petals: [4, 4], length: 1, shape: { width: 0.74, shoulder: 0.66, base: 0.16, claw: 1.5, tip: 2.2 } }],
    colors: ['orange', 'gold', 'red', 'lilac', 'purple', 'yellow'],
    markings: [],
    center: { kind: 'stamens', count: 6, length: 0.16, tone: 'yellow' },
  },
  {
    name: 'clematis',
    rings: [{ petals: [6, 6], length: 1, shape: { width: 0.58, shoulder: 0.5, base: 0.36, tip: 1.2 } }],
    colors: ['purple', 'lilac', 'blue', 'magenta', 'pink', 'white'],
    markings: [{ kind: 'midrib' }],
    center: { kind: 'stamens', count: 30, length: 0.36, tone: 'dark' },
  },
  {
    name: 'anemone',
    rings: [{ petals: [7, 8], length: 1, shape: { width: 0.62, shoulder: 0.6, base: 0.4, tip: 1.9 } }],
    colors: ['purple', 'blue', 'red', 'rose', 'white', 'lilac'],
    markings: [{ kind: 'blotch', reach: 0.34, tone: 'light' }],
    center: { kind: 'stamens', count: 36, length: 0.34, tone: 'dark' },
  },
  {
    name: 'lily',
    rings: [
      { petals: [3, 3], length: 1, shape: { ...LANCE, width: 0.5 } },
      { petals: [3, 3], length: 0.98, shape: LANCE, offset: true },
    ],
    colors: ['orange', 'salmon', 'pink', 'white', 'yellow', 'red'],
    markings: [{ kind: 'spots', count: 12 }],
    center: { kind: 'stamens', count: 6, length: 0.56, tone: 'dark' },
  },
  {
    name: 'daylily',
    rings: [
      { petals: [3, 3], length: 0.98, shape: LANCE },
      { petals: [3, 3], length: 1, shape: { ...LANCE, width: 0.54 }, offset: true },
    ],
    colors: ['orange', 'salmon', 'yellow', 'gold', 'red', 'pink'],
    markings: [{ kind: 'blotch', reach: 0.32, tone: 'yellow' }, { kind: 'midrib' }],
    center: { kind: 'stamens', count: 6, length: 0.48, tone: 'yellow' },
  },
  {
    name: 'narcissus',
    rings: [{ petals: [6, 6], length: 1, shape: { width: 0.64, shoulder: 0.48, base: 0.46, tip: 1.5 } }],
    colors: ['yellow', 'white', 'cream', 'gold'],
    markings: [],
    center: { kind: 'trumpet', radius: 0.4 },
  },
  {
    name: 'daisy',
    rings: [{ petals: [18, 22], length: 1, shape: STRAP }],
    colors: ['white', 'pink', 'lilac', 'yellow', 'cream'],
    markings: [],
    center: { kind: 'disc', radius: 0.3, tone: 'yellow' },
  },
  {
    name: 'cosmos',
    rings: [
      { petals: [8, 8], length: 1, shape: { width: 0.62, shoulder: 0.74, base: 0.32, tip: 3, teeth: [3, 0.08] } },
    ],
    colors: ['pink', 'magenta', 'white', 'rose', 'lilac'],
    markings: [{ kind: 'veins', count: 4 }],
    center: { kind: 'disc', radius: 0.2, tone: 'yellow' },
  },
  {
    name: 'coreopsis',
    rings: [
      { petals: [8, 8], length: 1, shape: { width: 0.64, shoulder: 0.76, base: 0.26, tip: 3, teeth: [4, 0.12] } },
    ],
    colors: ['yellow', 'gold', 'pink', 'cream', 'rose'],
    markings: [{ kind: 'blotch', reach: 0.42, tone: 'dark' }],
    center: { kind: 'disc', radius: 0.22, tone: 'dark' },
  },
  {
    name: 'zinnia',
    rings: [
      { petals: [14, 16], length: 1, shape: { width: 0.36, shoulder: 0.72, base: 0.4, tip: 2.4 } },
      { petals: [12, 13], length: 0.76, shape: { width: 0.42, shoulder: 0.72, base: 0.4, tip: 2.4 }, offset: true },
      { petals: [9, 10], length: 0.52, shape: { width: 0.5, shoulder: 0.7, base: 0.4, tip: 2.4 } },
    ],
    colors: ['red', 'rose', 'orange', 'magenta', 'salmon', 'pink'],
    markings: [],
    center: { kind: 'disc', radius: 0.2, tone: 'yellow' },
  },
  {
    name: 'dahlia',
    rings: [
      { petals: [14, 16], length: 1, shape: { width: 0.38, shoulder: 0.55, base: 0.4, tip: 1.3 } },
      { petals: [13, 14], length: 0.78, shape: { width: 0.42, shoulder: 0.55, base: 0.4, tip: 1.3 }, offset: true },
      { petals: [10, 11], length: 0.56, shape: { width: 0.48, shoulder: 0.55, base: 0.4, tip: 1.35 } },
      { petals: [7, 8], length: 0.34, shape: { width: 0.56, shoulder: 0.55, base: 0.45, tip: 1.4 }, offset: true },
    ],
    colors: ['red', 'magenta', 'purple', 'orange', 'salmon', 'pink', 'yellow'],
    markings: [],
    center: { kind: 'disc', radius: 0.09, tone: 'yellow' },
  },
];
