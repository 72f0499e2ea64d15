import { createHash } from 'node:crypto';
import type {
  CompressTrial,
  Conditions,
  Energy,
  LatencyStatistics,
  Resources,
  Variant,
} from '../../lib/characterize/results.js';
import { mean, quantile, standardDeviation } from '../../lib/statistics.js';
import type { Span } from '../../lib/telemetry/types.js';

/** Uniform numbers in [0, 1) and normal ones that follow from a seed (mulberry32; Box and Muller). */
export function random(seed: number): { uniform(): number; normal(): number } {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

export interface MachineOptions {
  readonly cores: number;
  readonly gpu: boolean;
  readonly scope: Energy['scope'] | 'none';
  uniform(): number;
}

/** A made-up device with a clock: what it was like around a trial, and what a stretch of time used. */
export function machine({ cores, gpu, scope, uniform }: MachineOptions) {
  let clock = Date.UTC(2025, 0, 15, 9);
  const now = (): string => new Date(clock).toISOString();
  const conditions = (): Conditions => ({
    time: now(),
    load: 0.4 + uniform() * 0.2,
    clocks: Array.from({ length: cores }, () => 1_510_400_000),
    ...(gpu && { gpuClock: 624_750_000 }),
    temperatures: { 'cpu-thermal': 48 + uniform() * 4 },
    memoryAvailable: 5.2e9,
    pageCache: { cached: 4e6, size: 4e6 },
  });
  const sampler = (seconds: number) => ({
    rate: 100,
    samples: Math.round(seconds * 100),
    lost: 0,
    missed: 0,
    seconds,
    cpuSeconds: seconds * 0.002,
    sources: [{ name: 'process', reads: Math.round(seconds * 100), seconds: seconds * 0.001 }],
  });
  const energy = (seconds: number, watts: number): Energy[] => {
    if (scope === 'none') return [];
    const rails = [scope === 'board' ? 'power.VDD_IN' : `energy.${scope}-0`];
    return [{ scope, rails, estimated: false, joules: watts * seconds, meanWatts: watts, seconds }];
  };
  return {
    now,
    /** What every trial has. */
    common: (id: string, variant: string, repeat: number, seconds: number) => {
      const before = conditions();
      clock += seconds * 1000;
      return {
        id,
        variant,
        repeat,
        attempt: 1,
        started: before.time,
        seconds,
        conditions: { before, after: conditions() },
        flags: [],
        sampler: sampler(seconds),
      };
    },
    resources: (seconds: number, busy: number, rss: number, watts: number): Resources => ({
      seconds,
      cpu: { userSeconds: seconds * busy * 0.95, systemSeconds: seconds * busy * 0.05, cores: busy },
      memory: { meanRss: rss * 0.9, peakRss: rss, peakPss: rss * 0.97 },
      ...(gpu && { gpu: { meanLoad: 0.7, peakLoad: 0.98, meanClock: 624_750_000 } }),
      ...(scope !== 'none' && { energy: energy(seconds, watts) }),
      switches: { voluntary: 120, involuntary: 14 },
      faults: { minor: 9000, major: 0 },
      io: { read: 1e6, written: 4e6 },
      temperatures: { 'cpu-thermal': 55 },
    }),
  };
}

export const span = (name: string, start: number, seconds: number, spans: Span[] = []): Span => ({
  name,
  start,
  seconds,
  cpuSeconds: seconds * 1.6,
  rssBytes: 2.1e8,
  spans,
});

type Timeline = NonNullable<NonNullable<CompressTrial['compress']>['timeline']>;

type Step = readonly [name: string, seconds: number, within?: Readonly<Record<string, number>>];

/** A span of steps that follow one another; `within` has the shares of a step's own steps. */
export function phase(name: string, start: number, steps: readonly Step[]): Span {
  let at = start;
  const spans = steps.map(([step, seconds, within = {}]) => {
    const inner = Object.entries(within).map(([part, share]): Step => [part, seconds * share]);
    const begun = at;
    at += seconds;
    return inner.length > 0 ? phase(step, begun, inner) : span(step, begun, seconds);
  });
  return span(name, start, at - start, spans);
}

export function latencyOf(values: readonly number[]): LatencyStatistics {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (q: number): number => quantile(sorted, q);
  return {
    min: at(0),
    mean: mean(values),
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
    jitter: standardDeviation(values),
  };
}

/** Of a network of so many million multiply-accumulates and megabytes. */
export const layersOf = (precision: string, macs: number, megabytes: number) =>
  ['features.0', 'features.1', 'classifier'].map((name, index) => ({
    name,
    op: index === 2 ? 'Gemm' : 'Conv',
    requested: precision,
    precision,
    kernel: `jit:${precision}`,
    macs: macs * 1e6 * ([0.3, 0.69, 0.01][index] as number),
    weightBytes: megabytes * 1e6 * ([0.1, 0.7, 0.2][index] as number),
    reformat: false,
    seconds: macs * 1e-5 * ([0.35, 0.6, 0.05][index] as number),
  }));

/** Ten samples a second: CPU, memory, and power where there is a sensor. One reading of the power is missing. */
export function timelineOf(start: number, seconds: number, scope: string, watts: number): Timeline {
  const time = Array.from({ length: Math.max(2, Math.ceil(seconds * 10)) }, (_, index) => index / 10);
  const rail = scope === 'board' ? 'power.VDD_IN' : 'power.package-0';
  const quantity = (name: string, unit: 's' | 'B' | 'W', kind: 'gauge' | 'counter', source: string) =>
    ({ name, unit, kind, source, sensor: source, estimated: false }) as const;
  return {
    start,
    time,
    columns: {
      'process.cpu.user': time.map((at) => at * 1.6),
      'process.rss': time.map((at) => 1.2e8 + 1e7 * at),
      ...(scope !== 'none' && { [rail]: time.map((at, index) => (index === 3 ? null : watts + 0.3 * Math.sin(at))) }),
    },
    quantities: [
      quantity('process.cpu.user', 's', 'counter', 'process'),
      quantity('process.rss', 'B', 'gauge', 'process'),
      ...(scope === 'none' ? [] : [quantity(rail, 'W', 'gauge', 'ina3221')]),
    ],
    sources: [{ name: 'process', available: true }],
    sampler: { rate: 10, samples: time.length, lost: 0, missed: 0, seconds, cpuSeconds: seconds * 0.002, sources: [] },
  };
}

/** The study's networks: parameters and multiply-accumulates in million, and how often they are right. */
const NETWORKS: Readonly<Record<string, { parameters: number; macs: number; top1: number }>> = {
  mobilenet_v3_small: { parameters: 0.5, macs: 65, top1: 0.86 },
  efficientnet_b1: { parameters: 6.7, macs: 690, top1: 0.91 },
  densenet201: { parameters: 18.51, macs: 4340, top1: 0.93 },
  mobilenet_v3_large: { parameters: 1.53, macs: 209, top1: 0.89 },
  efficientnet_b3: { parameters: 10.94, macs: 1830, top1: 0.92 },
  densenet169: { parameters: 12.81, macs: 3400, top1: 0.92 },
};

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

export function network(model: string): (typeof NETWORKS)[string] {
  const found = NETWORKS[model];
  if (found === undefined) throw new Error(`no made-up network is called ${model}`);
  return found;
}

export const checkpointBytes = (model: string): number => Math.round(network(model).parameters * 4.02e6) + 20_000;

export const energySource = (scope: string) =>
  scope === 'none'
    ? { name: 'rapl', available: false, reason: '/sys/class/powercap has no intel-rapl' }
    : { name: scope === 'board' ? 'ina3221' : 'rapl', available: true };

export function variantsOf(
  model: string,
  backend: string,
  precisions: readonly Variant['precision'][],
  calibrations: readonly { readonly method: string; readonly samples: number }[],
  baseline: Variant['framework'] | 'none',
): Variant[] {
  const own = { model, framework: 'presisi', frameworkVersion: '0.1.0', backend } as const;
  const made = precisions.flatMap((precision): Variant[] =>
    precision === 'int8'
      ? calibrations.map((calibration) => {
          const id = `${model}/${backend}-int8-${calibration.method}-${calibration.samples}`;
          return { id, ...own, precision, calibration: { ...calibration } };
        })
      : [{ id: `${model}/${backend}-${precision}`, ...own, precision }],
  );
  if (baseline === 'none') return made;
  const id = `${model}/${baseline}-fp32`;
  return [{ id, model, framework: baseline, frameworkVersion: '1.20.0', precision: 'fp32' }, ...made];
}

export const anotherClass = (answer: number, classes: number, uniform: number): number =>
  (answer + 1 + Math.floor(uniform * (classes - 1))) % classes;

/** What a network answers follows from its weights: it is the same on every device. */
export function answersOf(model: string, truth: readonly number[], classes: number): number[] {
  const { uniform } = random(Number.parseInt(sha256(model).slice(0, 8), 16));
  const { top1 } = network(model);
  return truth.map((answer) => (uniform() < top1 ? answer : anotherClass(answer, classes, uniform())));
}
