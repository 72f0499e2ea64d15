import type { Quantity } from './types.js';

/** What a quantity is called in Prometheus: a metric shared by its kin, and the labels that tell them apart. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
}

interface Rule {
  readonly pattern: RegExp;
  /** Without prefix, unit and `_total`. */
  readonly name: string;
  readonly help: string;
  /** Names of the pattern's groups, in order. */
  readonly labels: readonly string[];
}

const rule = (pattern: RegExp, name: string, help: string, ...labels: string[]): Rule => ({
  pattern,
  name,
  help,
  labels,
});

const RULES: readonly Rule[] = [
  rule(/^process\.cpu\.(\w+)$/, 'process_cpu', 'CPU time of the process and its children', 'mode'),
  rule(/^process\.rss$/, 'process_resident_memory', 'Resident memory of the process and its children'),
  rule(/^process\.rss\.peak$/, 'process_resident_memory_peak', 'The most resident memory so far'),
  rule(/^process\.pss$/, 'process_proportional_memory', 'Resident memory, shared pages counted by share'),
  rule(/^process\.switches\.(\w+)$/, 'process_context_switches', 'Context switches', 'kind'),
  rule(/^process\.faults\.(\w+)$/, 'process_page_faults', 'Page faults; major ones waited for a disk', 'kind'),
  rule(/^process\.io\.(\w+)$/, 'process_io', 'Data from and to disks', 'direction'),
  rule(/^process\.threads$/, 'process_threads', 'Threads of the process and its children'),
  rule(/^process\.children$/, 'process_children', 'Living children of the process'),
  rule(/^system\.cpu\.(\d+)\.(\w+)$/, 'cpu', 'Time of each core by what it did', 'core', 'mode'),
  rule(/^system\.memory\.(\w+)$/, 'memory', "The system's memory", 'state'),
  rule(/^system\.load$/, 'load_average', 'Runnable tasks, mean of a minute'),
  rule(/^clock\.cpu\.(\d+)$/, 'cpu_clock', 'Clock of each core', 'core'),
  rule(/^throttle\.cpu\.(\d+)$/, 'cpu_throttles', 'How often each core was slowed down', 'core'),
  rule(/^temperature\.(.+)$/, 'temperature', "Temperatures by the device's names of the sensors", 'sensor'),
  rule(/^power\.(.+)$/, 'power', "Power by the device's names of the rails", 'rail'),
  rule(/^energy\.(.+)$/, 'energy', "Energy since any moment, by the device's names of the rails", 'rail'),
  rule(/^gpu(\d*)\.load$/, 'gpu_load', 'Busy share of the GPU', 'gpu'),
  rule(/^gpu(\d*)\.clock$/, 'gpu_clock', 'Clock of the GPU', 'gpu'),
  rule(/^gpu(\d*)\.memory\.(\w+)$/, 'gpu_memory', "The GPU's own memory", 'gpu', 'state'),
  rule(/^gpu(\d*)\.throttle$/, 'gpu_throttled', '1 while the GPU is being slowed down', 'gpu'),
  rule(/^memory\.load$/, 'memory_controller_load', 'Busy share of the memory controller'),
];

/** Prometheus' base units; counts have none. */
const UNITS: Readonly<Record<Quantity['unit'], string>> = {
  s: '_seconds',
  B: '_bytes',
  Hz: '_hertz',
  W: '_watts',
  J: '_joules',
  '°C': '_celsius',
  share: '_ratio',
  count: '',
};

/** Where a figure's trustworthiness depends on how it was made. */
const QUALIFIED = new Set<Quantity['unit']>(['W', 'J']);

export function metricOf(quantity: Quantity): Metric {
  const { name, labels, help } = identify(quantity.name);
  const total = quantity.kind === 'counter' ? '_total' : '';
  return {
    name: `presisi_${name}${UNITS[quantity.unit]}${total}`,
    help,
    labels: {
      ...labels,
      ...(QUALIFIED.has(quantity.unit) && { source: quantity.source, estimated: String(quantity.estimated) }),
    },
  };
}

function identify(quantity: string): Metric {
  for (const { pattern, name, help, labels } of RULES) {
    const groups = pattern.exec(quantity);
    if (!groups) continue;
    // The first GPU has no number in its name.
    const entries = labels.map((label, i) => [label, groups[i + 1] || '0'] as const);
    return { name, help, labels: Object.fromEntries(entries) };
  }
  return { name: quantity.replaceAll(/\W+/g, '_'), help: quantity, labels: {} };
}
