import { energyOver } from '../telemetry/energy.js';
import type { Live } from '../telemetry/live.js';
import type { Totals } from '../telemetry/totals.js';
import type { SamplerStatistics, SourceStatus } from '../telemetry/types.js';
import * as format from './format.js';
import { absences, clock, energyNow, energySoFar, hertz, samplerCost } from './monitor-text.js';
import type { Process } from './processes.js';
import { type Paint, type Style, widthOf, wrap } from './terminal.js';

/** Everything a picture of the device is drawn from. */
export interface View {
  readonly device: string;
  readonly rate: number;
  readonly totals: Totals;
  readonly live: Live;
  readonly sources: readonly SourceStatus[];
  readonly statistics: SamplerStatistics;
  /** Whose the process lines are: `itself`, `process`, `process 4711`. */
  readonly watched: string;
  /** With the busy cores of each, where it was seen before. */
  readonly processes: readonly (Process & { readonly cores?: number })[];
  /** Where the metrics are served. */
  readonly metrics: string | undefined;
}

const LABEL = 9;
const BAR = 24;
/** Up to here each core has a line of its own. */
const FEW_CORES = 8;

const CPU_PARTS: readonly { readonly name: string; readonly glyph: string; readonly style: Style }[] = [
  { name: 'user', glyph: '█', style: 'green' },
  { name: 'system', glyph: '▓', style: 'yellow' },
  { name: 'iowait', glyph: '▒', style: 'blue' },
  { name: 'steal', glyph: '░', style: 'red' },
];

/** The picture, line by line; lines are as long as what they say. */
export function renderView(view: View, columns: number, paint: Paint): string[] {
  const { live, totals } = view;
  const room = columns - LABEL;
  const section = (name: string, lines: readonly string[]): string[] =>
    lines.map((line, i) => `${paint('bold', (i === 0 ? name : '').padEnd(LABEL))}${line}`);
  const temperatures = named(live, 'temperature.', (value) => `${value.toFixed(1)} °C`);
  const rails = named(live, 'power.', (value) => `${value.toFixed(2)} W`);
  return [
    `${paint('bold', 'presisi')}  ${view.device} · ${clock(totals.seconds)} · ${view.rate} samples a second`,
    ...section('CPU', cpuLines(live, room, paint)),
    ...section('memory', memoryLines(live, paint)),
    ...section(
      'GPU',
      gpusOf(live).flatMap((gpu) => gpuLines(live, gpu, paint)),
    ),
    ...section('heat', wrap(temperatures, room)),
    ...section('power', wrap([...energyNow(live), ...rails], room)),
    ...section('energy', energySoFar(energyOver(totals))),
    ...section(view.watched.split(' ')[0] ?? '', processLines(view, room)),
    ...section('sampler', [samplerCost(view.statistics)]),
    ...(view.metrics === undefined ? [] : section('metrics', [view.metrics])),
    ...section(
      'absent',
      absences(view.sources).map((line) => paint('dim', line)),
    ),
  ];
}

function cpuLines(live: Live, room: number, paint: Paint): string[] {
  const cores = live.quantities.flatMap(({ name }) => /^system\.cpu\.(\d+)\.user$/.exec(name)?.[1] ?? []);
  if (cores.length <= FEW_CORES) return cores.map((core) => coreLine(live, core, BAR, true, paint));
  const cell = 26;
  const perLine = Math.max(1, Math.floor(room / (cell + 2)));
  const cells = cores.map((core) => pad(coreLine(live, core, 8, false, paint), cell));
  return Array.from({ length: Math.ceil(cells.length / perLine) }, (_, i) =>
    cells.slice(i * perLine, (i + 1) * perLine).join('  '),
  );
}

function coreLine(live: Live, core: string, width: number, detailed: boolean, paint: Paint): string {
  const frequency = live.value(`clock.cpu.${core}`);
  const at = frequency === undefined ? '' : hertz(frequency).padStart(detailed ? 8 : 0);
  const rates = [...CPU_PARTS.map(({ name }) => name), 'idle'].map(
    (name) => live.rate(`system.cpu.${core}.${name}`) ?? 0,
  );
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  if (!(total > 0)) return `${core.padStart(2)} ${bar([], width, paint)}    ?    ${at}`;
  const shares = rates.map((rate) => rate / total);
  const parts = CPU_PARTS.map((part, i) => ({ ...part, share: shares[i] as number }));
  // Waiting for a disk is no work.
  const busy = parts.reduce((sum, { name, share }) => sum + (name === 'iowait' ? 0 : share), 0);
  const detail = parts
    .filter(({ share }) => share >= 0.005)
    .map(({ name, share, style }) => `${paint(style, name)} ${(share * 100).toFixed(0)}`)
    .join(' ');
  const words = [
    `${core.padStart(2)} ${bar(parts, width, paint)}`,
    `${(busy * 100).toFixed(0).padStart(3)} %`,
    at,
    detailed ? detail : '',
  ];
  return words.filter(Boolean).join(' ');
}

function memoryLines(live: Live, paint: Paint): string[] {
  const [total, available] = [live.value('system.memory.total'), live.value('system.memory.available')];
  if (total === undefined || available === undefined) return [];
  const controller = live.value('memory.load');
  const busy = controller === undefined ? '' : `, controller ${(controller * 100).toFixed(0)} %`;
  return [
    `   ${meter((total - available) / total, paint)} ${format.bytes(total - available)} of ${format.bytes(total)}${busy}`,
  ];
}

/** `gpu`, `gpu1`, … */
const gpusOf = (live: Live): string[] => [
  ...new Set(live.quantities.flatMap(({ name }) => /^(gpu\d*)\./.exec(name)?.[1] ?? [])),
];

function gpuLines(live: Live, gpu: string, paint: Paint): string[] {
  const load = live.value(`${gpu}.load`);
  const frequency = live.value(`${gpu}.clock`);
  const [used, total] = [live.value(`${gpu}.memory.used`), live.value(`${gpu}.memory.total`)];
  const words = [
    ...(load === undefined ? [] : [`${meter(load, paint)} ${(load * 100).toFixed(0).padStart(3)} %`]),
    ...(frequency === undefined ? [] : [hertz(frequency).padStart(8)]),
    ...(used === undefined || total === undefined ? [] : [`${format.bytes(used)} of ${format.bytes(total)}`]),
    ...((live.value(`${gpu}.throttle`) ?? 0) > 0 ? [paint('red', 'slowed down')] : []),
  ];
  return words.length === 0 ? [] : [`${gpu.slice(3).padStart(2)} ${words.join(' ')}`];
}

function processLines({ live, processes, watched }: View, room: number): string[] {
  const show = (name: string, text: (value: number) => string, value = live.value(name)): string[] =>
    value === undefined ? [] : [text(value)];
  const [user, system] = [live.rate('process.cpu.user'), live.rate('process.cpu.system')];
  const words = [
    ...watched.split(' ').slice(1),
    ...(user === undefined || system === undefined ? [] : [`${(user + system).toFixed(2)} cores`]),
    ...show('process.rss', (value) => `${format.bytes(value)} resident`),
    ...show('process.pss', (value) => `${format.bytes(value)} PSS`),
    ...show('process.rss.peak', (value) => `peak ${format.bytes(value)}`),
    ...show('process.threads', (value) => (value === 1 ? '1 thread' : `${value} threads`)),
    ...show('process.children', (value) => (value === 1 ? '1 child' : `${value} children`)),
    ...show('', (value) => `read ${format.bytes(Math.round(value))}/s`, live.rate('process.io.read')),
    ...show('', (value) => `written ${format.bytes(Math.round(value))}/s`, live.rate('process.io.written')),
  ];
  const tree = processes.map(({ pid, depth, name, cores, rss }) => {
    const share = cores === undefined ? '' : `${(cores * 100).toFixed(0)} %`;
    const what = `${'  '.repeat(depth)}${pid} ${name}`;
    return `${pad(what, 36)} ${share.padStart(6)}  ${(rss === undefined ? '' : format.bytes(rss)).padStart(8)}`;
  });
  return [...wrap(words, room), ...tree];
}

/** `cpu 53.9 °C`, of every quantity under a prefix. */
const named = (live: Live, prefix: string, render: (value: number) => string): string[] =>
  live.quantities.flatMap(({ name }) => {
    const value = name.startsWith(prefix) ? live.value(name) : undefined;
    return value === undefined ? [] : [`${name.slice(prefix.length)} ${render(value)}`];
  });

const meter = (share: number, paint: Paint): string => bar([{ share, glyph: '█', style: 'green' }], BAR, paint);

/** Each part as long as its share; their common end is rounded, not each of them, so that they add up. */
function bar(
  parts: readonly { readonly share: number; readonly glyph: string; readonly style: Style }[],
  width: number,
  paint: Paint,
): string {
  let drawn = 0;
  let sum = 0;
  let line = '';
  for (const { share, glyph, style } of parts) {
    sum += share;
    const end = Math.min(width, Math.max(drawn, Math.round(sum * width)));
    line += paint(style, glyph.repeat(end - drawn));
    drawn = end;
  }
  return `[${line}${paint('dim', '·'.repeat(width - drawn))}]`;
}

const pad = (text: string, width: number): string => text + ' '.repeat(Math.max(0, width - widthOf(text)));
