import { type Energies, sampleEnergy } from '../summary/energy.js';
import { estimate, ratio } from '../summary/estimate.js';
import { type Measured, type Timed, timedAt } from '../summary/measured.js';
import { phaseSeconds, totalSeconds } from '../summary/overhead.js';
import type { Match, Side } from './compare.js';
import type { ComparedFigure } from './comparison.js';

type Values = readonly (number | undefined)[];

/** Every quantity that at least one device has a figure of. */
export function figuresOf(match: Match): ComparedFigure[] {
  const { measured } = match;
  const compressed = (of: (trial: Measured['compress'][number]) => number): Values[] =>
    measured.map(({ compress }) => compress.map(of));
  const settings = [...new Set(measured.flatMap(({ latency }) => latency.map(([first]) => settingOf(first as Timed))))]
    .map((text) => JSON.parse(text) as [number, number])
    .sort(([batch, threads], [otherBatch, otherThreads]) => batch - otherBatch || threads - otherThreads);
  return [
    figure(
      { quantity: 'size', unit: 'B' },
      compressed(({ compress }) => compress.engineBytes),
    ),
    figure({ quantity: 'overhead', unit: 's' }, compressed(totalSeconds)),
    figure(
      { quantity: 'phase 1', unit: 's' },
      compressed((trial) => phaseSeconds(trial, 'phase 1')),
    ),
    figure(
      { quantity: 'phase 2', unit: 's' },
      compressed((trial) => phaseSeconds(trial, 'phase 2')),
    ),
    ...settings.flatMap(([batch, threads]) => timedFigures(match, batch, threads)),
  ].filter(({ values }) => values.some((value) => value !== null));
}

const settingOf = ({ batch, threads }: Timed): string => JSON.stringify([batch, threads]);

function timedFigures({ measured, sides }: Match, batch: number, threads: number): ComparedFigure[] {
  const trials = measured.map((each) => timedAt(each, batch, threads));
  const timed = (of: (trial: Timed) => number | undefined): Values[] => trials.map((own) => own.map(of));
  const at = { batch, threads };
  const energy = energiesOf(
    sides,
    trials.map((own, index) => sampleEnergy(own, sides[index]?.meter)),
  );
  return [
    figure(
      { quantity: 'latency', unit: 'ms', ...at },
      timed(({ latency }) => latency.run.p50),
    ),
    figure(
      { quantity: 'throughput', unit: '1/s', ...at },
      timed(({ latency }) => latency.throughput),
    ),
    figure(
      { quantity: 'memory', unit: 'B', ...at },
      timed(({ resources }) => resources?.memory?.peakRss),
    ),
    figure({ quantity: 'energy', unit: 'J', ...at }, energy),
  ];
}

/** Energies that cover the same: a device that meters something else than the first that can is left out. */
function energiesOf(sides: readonly Side[], energies: readonly (Energies | undefined)[]): Values[] {
  const above = energies.every((each) => each === undefined || each.aboveIdle !== undefined);
  const scope = sides.find(({ meter }) => meter !== undefined)?.meter?.scope;
  return energies.map((each, index) => {
    if (each === undefined || sides[index]?.meter?.scope !== scope) return [];
    return above ? (each.aboveIdle ?? []) : each.total;
  });
}

function figure(about: Omit<ComparedFigure, 'values' | 'ratios'>, all: readonly Values[]): ComparedFigure {
  const [first = []] = all;
  return {
    ...about,
    values: all.map((values) => estimate(values) ?? null),
    ratios: all.map((values, index) => (index === 0 ? null : (ratio(values, first) ?? null))),
  };
}
