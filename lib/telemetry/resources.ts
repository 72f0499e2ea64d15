import type { Resources } from '../characterize/results.js';
import { present } from '../options.js';
import { energyOver } from './energy.js';
import { type Stretch, stretchOf } from './timeline.js';
import type { Span, Timeline } from './types.js';

/**
 * What a stretch of time used: of the process and its children, and of the device. Whatever could not be read is absent.
 *
 * Precision: a counter (CPU time, energy of RAPL and NVML, switches, faults, I/O) is exact to the share of one sampling
 * interval at each end, over which it is taken to grow evenly. Gauges (memory, loads, clocks, temperatures, powers) are known
 * at their samples and taken to go straight between them. So a stretch shorter than a sampling interval (10 ms at 100 Hz;
 * some sources are slower, see their samples) gets its share of the interval it lies in: right for the whole of many such
 * stretches, a guess for a single one.
 * @param from seconds of the monotonic clock, as {@link Timeline.start} and {@link Span.start} are
 * @param span of that stretch, where there is one: its CPU time, read at the very ends, takes precedence as long as the
 *   process had no children
 */
export function resourcesOf(
  timeline: Timeline,
  from: number,
  to: number,
  span: Pick<Span, 'cpuSeconds'> = {},
): Resources {
  return resourcesOver(stretchOf(timeline, from, to), span);
}

export function resourcesOver(stretch: Stretch, span: Pick<Span, 'cpuSeconds'> = {}): Resources {
  const { seconds } = stretch;
  const grown = (name: string): number | undefined => stretch.difference(name)?.value;
  const counted = (name: string): number | undefined => {
    const value = grown(name);
    return value === undefined ? undefined : Math.round(value);
  };
  const energy = energyOver(stretch);
  return {
    seconds,
    ...present({
      cpu: cpuOf(stretch, span.cpuSeconds),
      memory: memoryOf(stretch),
      gpu: gpuOf(stretch),
      energy: energy.length === 0 ? undefined : energy,
      switches: complete({
        voluntary: counted('process.switches.voluntary'),
        involuntary: counted('process.switches.involuntary'),
      }),
      faults: complete({ minor: counted('process.faults.minor'), major: counted('process.faults.major') }),
      io: complete({ read: grown('process.io.read'), written: grown('process.io.written') }),
      temperatures: temperaturesOf(stretch),
    }),
  };
}

function cpuOf(stretch: Stretch, exact: number | undefined): Resources['cpu'] {
  const [user, system] = [stretch.difference('process.cpu.user'), stretch.difference('process.cpu.system')];
  if (!user || !system || !(user.seconds > 0)) return undefined;
  const sampled = user.value + system.value;
  // The span's figure is of the process alone. Its split is what the samples say; without any of theirs, all is user time.
  const alone = exact !== undefined && stretch.peak('process.children') === 0;
  const total = alone ? exact : sampled;
  const systemSeconds = sampled > 0 ? (total * system.value) / sampled : 0;
  return { userSeconds: total - systemSeconds, systemSeconds, cores: total / user.seconds };
}

function memoryOf(stretch: Stretch): Resources['memory'] {
  const [meanRss, peakRss] = [stretch.mean('process.rss'), stretch.peak('process.rss')];
  if (meanRss === undefined || peakRss === undefined) return undefined;
  // The kernel's own mark sees what rises and falls between two samples; but it holds since the process began.
  const marked = stretch.growth('process.rss.peak') ?? 0;
  return { meanRss, peakRss: Math.max(peakRss, marked), ...present({ peakPss: stretch.peak('process.pss') }) };
}

/** Of the first GPU, where there are several. */
function gpuOf(stretch: Stretch): Resources['gpu'] {
  const gpu = present({
    meanLoad: stretch.mean('gpu.load'),
    peakLoad: stretch.peak('gpu.load'),
    peakMemory: stretch.peak('gpu.memory.used'),
    meanClock: stretch.mean('gpu.clock'),
  });
  return Object.keys(gpu).length === 0 ? undefined : gpu;
}

function temperaturesOf(stretch: Stretch): Resources['temperatures'] {
  const PREFIX = 'temperature.';
  const found = stretch.quantities.flatMap(({ name }) => {
    const peak = name.startsWith(PREFIX) ? stretch.peak(name) : undefined;
    return peak === undefined ? [] : [[name.slice(PREFIX.length), peak] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** All of it or nothing. */
function complete<Key extends string>(parts: Record<Key, number | undefined>): Record<Key, number> | undefined {
  return Object.values(parts).includes(undefined) ? undefined : (parts as Record<Key, number>);
}
