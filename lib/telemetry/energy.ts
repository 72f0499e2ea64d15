import type { Energy } from '../characterize/results.js';
import { type Stretch, stretchOf } from './timeline.js';
import type { Timeline } from './types.js';

/** Rails that feed the whole board: Jetson TX2, Xavier NX, Orin NX and Nano; Nano; Thor. */
const WHOLE_BOARD = ['power.VDD_IN', 'power.POM_5V_IN', 'power.VIN'];

/** Boards without one: rails that together feed them. All of them, or the sum would be of something else. */
const BOARD_SUMS = [
  // AGX Orin
  ['power.VDD_GPU_SOC', 'power.VDD_CPU_CV', 'power.VIN_SYS_5V0'],
  // AGX Xavier
  ['power.GPU', 'power.CPU', 'power.SOC', 'power.CV', 'power.VDDRQ', 'power.SYS5V'],
];

/**
 * RAPL's packages: all cores with their caches and, where they have one, their integrated GPU. Not `psys`, though it covers
 * more: what it is wired to is up to who built the machine, nothing tells, and on some it counts nothing at all.
 */
const PACKAGE = /^energy\.package-\d+/;

const GPU = /^(?:energy|power)\.(gpu\d+)$/;

/**
 * What the device drew over a stretch of time, by what the figure covers: the `board`, the CPU's `package`, NVML's `gpu`s.
 * Scopes overlap, so they aren't to be added up. A scope is absent where it has no sensor, or where one of its sensors was
 * silent: a part of a sum would be no figure.
 *
 * Counters of energy are preferred to powers, since they miss nothing between two samples.
 * @param from seconds of the monotonic clock, as {@link Timeline.start} and `Span.start` are
 */
export const energyOf = (timeline: Timeline, from: number, to: number): Energy[] =>
  energyOver(stretchOf(timeline, from, to));

export function energyOver(stretch: Stretch): Energy[] {
  const names = stretch.quantities.map(({ name }) => name);
  const gpus = [...new Set(names.flatMap((name) => GPU.exec(name)?.[1] ?? []))];
  const entry = (scope: Energy['scope'], alternatives: readonly (readonly string[])[]): Energy[] => {
    for (const rails of alternatives) {
      const energy = sum(stretch, scope, rails);
      if (energy) return [energy];
    }
    return [];
  };
  return [
    ...entry('board', [...WHOLE_BOARD.map((rail) => [rail]), ...BOARD_SUMS]),
    ...entry('package', [names.filter((name) => PACKAGE.test(name))]),
    ...entry('gpu', [gpus.map((gpu) => `energy.${gpu}`), gpus.map((gpu) => `power.${gpu}`)]),
  ];
}

function sum(stretch: Stretch, scope: Energy['scope'], rails: readonly string[]): Energy | undefined {
  let joules = 0;
  let watts = 0;
  let seconds = stretch.seconds;
  let estimated = false;
  for (const rail of rails) {
    const quantity = stretch.quantities.find(({ name }) => name === rail);
    const part = quantity && (quantity.kind === 'counter' ? stretch.difference(rail) : stretch.integral(rail));
    if (part === undefined || !(part.seconds > 0)) return undefined;
    joules += part.value;
    watts += part.value / part.seconds;
    seconds = Math.min(seconds, part.seconds);
    estimated ||= quantity?.estimated === true;
  }
  return rails.length === 0 ? undefined : { scope, rails: [...rails], estimated, joules, meanWatts: watts, seconds };
}
