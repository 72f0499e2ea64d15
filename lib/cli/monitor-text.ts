import type { Energy } from '../characterize/results.js';
import { energyOver } from '../telemetry/energy.js';
import type { Live } from '../telemetry/live.js';
import { resourcesOver } from '../telemetry/resources.js';
import type { Totals } from '../telemetry/totals.js';
import type { SamplerStatistics, SourceStatus } from '../telemetry/types.js';
import * as format from './format.js';

/** `0:42`, `1:02:03` */
export function clock(seconds: number): string {
  const two = (value: number): string => String(Math.floor(value)).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours > 0 ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}

export const hertz = (value: number): string =>
  value >= 1e9 ? `${(value / 1e9).toFixed(2)} GHz` : `${(value / 1e6).toFixed(0)} MHz`;

/** What the device draws at present: `board 12.48 W`. */
export const energyNow = (live: Live): string[] =>
  energyOver(live).map(({ scope, meanWatts, estimated }) => `${scope} ${meanWatts.toFixed(2)} W${guess(estimated)}`);

/** A line for each scope. */
export const energySoFar = (energies: readonly Energy[]): string[] =>
  energies.map(
    ({ scope, rails, joules, meanWatts, seconds, estimated }) =>
      `${scope} ${joules.toFixed(1)} J, mean ${meanWatts.toFixed(2)} W over ${seconds.toFixed(1)} s${guess(estimated)} (${rails.join(' + ')})`,
  );

const guess = (estimated: boolean): string => (estimated ? ' (estimated)' : '');

export function samplerCost({ cpuSeconds, seconds, samples, lost, missed }: SamplerStatistics): string {
  const share = seconds > 0 ? `${((100 * cpuSeconds) / seconds).toFixed(2)} %` : '?';
  return `${share} of a core; ${samples} samples, ${lost} lost, ${missed} missed`;
}

/** Busy share of all cores, waiting for disks left out. */
function busyShare(rate: (name: string) => number | undefined, names: readonly string[]): number | undefined {
  let [busy, total] = [0, 0];
  for (const name of names) {
    const part = /^system\.cpu\.\d+\.(\w+)$/.exec(name)?.[1];
    const value = part === undefined ? undefined : rate(name);
    if (value === undefined) continue;
    total += value;
    if (part !== 'idle' && part !== 'iowait') busy += value;
  }
  return total > 0 ? busy / total : undefined;
}

/** One sample in a line, for what is no terminal. */
export function renderLine(totals: Totals, live: Live, withProcess: boolean): string {
  const names = live.quantities.map(({ name }) => name);
  const cpu = busyShare((name) => live.rate(name), names);
  const [total, available] = [live.value('system.memory.total'), live.value('system.memory.available')];
  const [user, system] = [live.rate('process.cpu.user'), live.rate('process.cpu.system')];
  const [rss, gpu] = [live.value('process.rss'), live.value('gpu.load')];
  const hottest = names
    .filter((name) => name.startsWith('temperature.'))
    .map((name) => ({ name: name.slice('temperature.'.length), value: live.value(name) ?? Number.NEGATIVE_INFINITY }))
    .reduce((a, b) => (b.value > a.value ? b : a), { name: '', value: Number.NEGATIVE_INFINITY });
  return [
    `${totals.seconds.toFixed(1).padStart(7)} s`,
    ...(cpu === undefined ? [] : [`CPU ${format.percent(cpu)}`]),
    ...(total === undefined || available === undefined ? [] : [`memory ${format.bytes(total - available)}`]),
    ...(!withProcess || user === undefined || system === undefined
      ? []
      : [`process ${(user + system).toFixed(2)} cores`]),
    ...(!withProcess || rss === undefined ? [] : [`resident ${format.bytes(rss)}`]),
    ...(gpu === undefined ? [] : [`GPU ${format.percent(gpu)}`]),
    ...energyNow(live),
    ...(hottest.name === '' ? [] : [`${hottest.name} ${hottest.value.toFixed(1)} °C`]),
  ].join('  ');
}

/** What is known in the end. */
export function renderSummary(totals: Totals, statistics: SamplerStatistics, watched: string): string {
  const { cpu, memory, gpu, energy = [], temperatures = {} } = resourcesOver(totals);
  const names = totals.quantities.map(({ name }) => name);
  const busy = busyShare((name) => totals.difference(name)?.value, names);
  const [load, peak] = [gpu?.meanLoad, gpu?.peakLoad];
  const some = (value: unknown, text: () => string): string | undefined => (value === undefined ? undefined : text());
  return format.facts({
    watched: `${totals.seconds.toFixed(1)} s`,
    CPU: some(busy, () => `${format.percent(busy as number)} of all cores, mean`),
    GPU: some(load, () => `${format.percent(load as number)} mean, ${format.percent(peak as number)} peak`),
    [watched]: some(cpu && memory, () =>
      [
        `${cpu?.cores.toFixed(2)} cores mean (${cpu?.userSeconds.toFixed(2)} s user, ${cpu?.systemSeconds.toFixed(2)} s system)`,
        `${format.bytes(memory?.meanRss as number)} resident mean, ${format.bytes(memory?.peakRss as number)} peak`,
      ].join('; '),
    ),
    heat: Object.entries(temperatures)
      .map(([name, value]) => `${name} ${value.toFixed(1)} °C`)
      .join(', '),
    energy: energySoFar(energy).join('; ') || 'absent: no sensor of the device or its CPU can be read',
    sampler: samplerCost(statistics),
  });
}

/** `rapl: there is no …`, of what can't be read. */
export const absences = (sources: readonly SourceStatus[]): string[] =>
  sources.flatMap(({ name, available, reason }) => (available ? [] : [`${name}: ${reason ?? 'unknown reason'}`]));
