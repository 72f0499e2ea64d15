import { thin } from '../../statistics.js';
import type { Saturation, Speed } from '../summary.js';
import { type EnergyMeter, sampleEnergy } from './energy.js';
import { estimate, estimateOf, ratio } from './estimate.js';
import { type Measured, type Timed, timedAt } from './measured.js';

const MOST_SAMPLES = 2000;
/** A batch whose throughput is that near the best one's, as a share, is as good. */
const NEAR_BEST = 0.02;

const p50 = ({ latency }: Timed): number => latency.run.p50;

/** Every batch size and number of threads, smallest first. */
export const speedsOf = (
  measured: Measured,
  baseline: Measured | undefined,
  exact: Measured | undefined,
  meter: EnergyMeter | undefined,
): Speed[] => measured.latency.map((trials) => speedOf(trials, baseline, exact, meter));

function speedOf(
  trials: readonly Timed[],
  baseline: Measured | undefined,
  exact: Measured | undefined,
  meter: EnergyMeter | undefined,
): Speed {
  const { batch, threads } = trials[0] as Timed;
  const of = (pick: (latency: Timed['latency']) => number) => estimateOf(trials.map(({ latency }) => pick(latency)));
  const against = (other: Measured | undefined) =>
    other && ratio(trials.map(p50), timedAt(other, batch, threads).map(p50));
  const cores = estimate(trials.map(({ resources }) => resources?.cpu?.cores));
  const peakRss = estimate(trials.map(({ resources }) => resources?.memory?.peakRss));
  const gpuLoad = estimate(trials.map(({ resources }) => resources?.gpu?.meanLoad));
  const energies = sampleEnergy(trials, meter);
  const energy = energies && estimate(energies.aboveIdle ?? energies.total);
  const againstBaseline = against(baseline);
  const againstFp32 = against(exact);
  return {
    batch,
    threads,
    p50: of(({ run }) => run.p50),
    mean: of(({ run }) => run.mean),
    p90: of(({ run }) => run.p90),
    p95: of(({ run }) => run.p95),
    p99: of(({ run }) => run.p99),
    jitter: of(({ run }) => run.jitter),
    throughput: of(({ throughput }) => throughput),
    loadSeconds: of(({ loadSeconds }) => loadSeconds),
    firstRunSeconds: of(({ firstRunSeconds }) => firstRunSeconds),
    ...(cores && { cores }),
    ...(peakRss && { peakRss }),
    ...(gpuLoad && { gpuLoad }),
    ...(energy &&
      energies &&
      meter && { energy: { ...energy, scope: meter.scope, aboveIdle: energies.aboveIdle !== undefined } }),
    ...(againstBaseline && { againstBaseline }),
    ...(againstFp32 && { againstFp32 }),
    samples: thin(
      trials.flatMap(({ latency }) => latency.samples),
      MOST_SAMPLES,
    ),
  };
}

/** The speed at batch 1, with the number of threads that is fastest there; undefined where batch 1 was not measured. */
export const speedAtOne = (speeds: readonly Speed[]): Speed | undefined =>
  speeds
    .filter(({ batch }) => batch === 1)
    .reduce<Speed | undefined>((best, speed) => (best && best.p50.value <= speed.p50.value ? best : speed), undefined);

/** By number of threads: the smallest batch after which a larger one hardly gains anything. One batch alone shows nothing. */
export function saturationsOf(speeds: readonly Speed[]): Saturation[] {
  return [...new Set(speeds.map(({ threads }) => threads))].flatMap((threads) => {
    const own = speeds.filter((speed) => speed.threads === threads).sort((a, b) => a.batch - b.batch);
    if (own.length < 2) return [];
    const best = Math.max(...own.map(({ throughput }) => throughput.value));
    const first = own.find(({ throughput }) => throughput.value >= best * (1 - NEAR_BEST));
    if (first === undefined) return [];
    return [{ threads, batch: first.batch, throughput: first.throughput.value, reached: first !== own.at(-1) }];
  });
}
