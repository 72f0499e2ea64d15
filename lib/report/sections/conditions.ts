import type { Results, Trial } from '../../characterize/results.js';
import type { Summary } from '../../characterize/summary.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { enumeration, integer, percent, plural, quantity, significant } from '../numbers.js';

/** How far the results may be believed: what disturbed trials, what failed, what could not be read, what reading cost. */
export function conditionsSection({ results, variants }: Summary): Section {
  const failures = variants.flatMap(({ variant, failures: found }) =>
    found.map((failure) => `${variant.id}: ${failure}`),
  );
  const flagged = results.trials.filter(({ flags }) => flags.length > 0);
  const blocks: Block[] = [
    text(method(results)),
    ...(failures.length > 0
      ? [{ kind: 'heading', text: 'Trials that failed' } as const, { kind: 'list', items: failures } as const]
      : []),
    { kind: 'heading', text: 'Disturbances' },
    flagged.length === 0
      ? text(`None of the ${plural(results.trials.length, 'attempt')} was disturbed beyond the limits.`)
      : text(disturbances(flagged, results.trials.length)),
    ...(flagged.length === 0
      ? []
      : [{ kind: 'details', title: 'Every disturbance', file: 'trials.csv', tables: [flagTable(flagged)] } as const]),
    { kind: 'heading', text: 'Clocks, temperatures, load' },
    { kind: 'table', table: conditionTable(results) },
    { kind: 'heading', text: 'Sources of telemetry' },
    { kind: 'table', table: sourceTable(results) },
    ...sampler(results),
  ];
  return { id: 'conditions', short: 'Method', title: 'Method and conditions', blocks };
}

function method({ experiment, trials, planned }: Results): string {
  const { repeats, seed, coolDown, latency, calibration } = experiment as {
    readonly repeats?: number;
    readonly seed?: number;
    readonly coolDown?: number;
    readonly latency?: { readonly warmUp?: number; readonly duration?: number; readonly iterations?: number };
    readonly calibration?: { readonly methods?: readonly string[]; readonly samples?: readonly number[] };
  };
  const parts = [
    `Every trial ran in a fresh process${repeats ? `, ${plural(repeats, 'repeat')} of each` : ''}${seed === undefined ? '' : `, in an order shuffled with seed ${seed}`}${coolDown ? `, after ${significant(coolDown)} s of rest` : ''}: ${plural(planned, 'trial')} planned, ${plural(trials.length, 'attempt')} recorded.`,
    latency?.duration
      ? `Latency: ${latency.warmUp ?? 0} ms of warm-up, then at least ${significant(latency.duration)} s and ${plural(latency.iterations ?? 0, 'run')}.`
      : '',
    calibration?.samples?.length
      ? `INT8 was calibrated by ${enumeration(calibration.methods ?? [])} with ${enumeration(calibration.samples.map(String))} pictures.`
      : '',
    'Estimates are medians over repeats with 95 % intervals where there are enough of them; shares have Wilson intervals. What could not be read is absent, never 0.',
  ];
  return parts.filter(Boolean).join(' ');
}

const KINDS: Readonly<Record<string, string>> = {
  clock: 'clock moved',
  throttle: 'throttled',
  'foreign-load': 'other processes',
  steal: 'hypervisor',
  swap: 'swapping',
  sampler: 'sampler',
};

/** How many attempts, and by what. */
function disturbances(flagged: readonly Trial[], attempts: number): string {
  const kinds = [...new Set(flagged.flatMap(({ flags }) => flags.map(({ kind }) => kind)))].map((kind) => {
    const count = flagged.filter(({ flags }) => flags.some((flag) => flag.kind === kind)).length;
    return `${KINDS[kind] ?? kind} (${integer(count)})`;
  });
  return `${integer(flagged.length)} of ${plural(attempts, 'attempt')} were disturbed: ${enumeration(kinds)}. A disturbed trial is repeated; of its attempts the last undisturbed one counts, else the last.`;
}

function flagTable(trials: readonly Trial[]): Table {
  return {
    caption: 'Disturbed attempts',
    wordy: true,
    columns: [...words('Trial'), ...numeric('Attempt'), ...words('What', 'Seen')],
    rows: trials.flatMap(({ id, attempt, flags }) =>
      flags.map(({ kind, detail }): (Cell | string)[] => [
        id,
        `${attempt}`,
        { text: KINDS[kind] ?? kind, mark: 'warning' },
        detail,
      ]),
    ),
  };
}

const spread = (values: readonly number[], show: (value: number) => string): string => {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return show(low) === show(high) ? show(low) : `${show(low)} to ${show(high)}`;
};

/** Over all trials, read before and after each: the least and the most. */
function conditionTable({ trials }: Results): Table {
  const all = trials.flatMap(({ conditions: { before, after } }) => [before, after]);
  const temperatures = new Map<string, number[]>();
  for (const [name, value] of all.flatMap(({ temperatures: found }) => Object.entries(found ?? {}))) {
    temperatures.set(name, [...(temperatures.get(name) ?? []), value]);
  }
  const quantities: readonly (readonly [string, readonly number[], (value: number) => string])[] = [
    ['Clock of the cores', all.flatMap(({ clocks }) => clocks ?? []), (value) => quantity(value, 'Hz')],
    ['Clock of the GPU', all.flatMap(({ gpuClock }) => gpuClock ?? []), (value) => quantity(value, 'Hz')],
    ['Load, mean of a minute', all.flatMap(({ load }) => load ?? []), (value) => significant(value, 2)],
    ['Memory available', all.flatMap(({ memoryAvailable }) => memoryAvailable ?? []), (value) => quantity(value, 'B')],
    [
      'Model and engine in the page cache',
      all.flatMap(({ pageCache }) => (pageCache && pageCache.size > 0 ? pageCache.cached / pageCache.size : [])),
      (value) => percent(value, 0),
    ],
    ...[...temperatures].map(
      ([name, values]) => [`Temperature, ${name}`, values, (value: number) => `${significant(value)} °C`] as const,
    ),
  ];
  return {
    caption: 'Read before and after every trial',
    columns: [...words('Condition'), ...numeric('Least to most')],
    rows: quantities.map(([name, values, show]): (Cell | string)[] => [
      name,
      values.length > 0 ? spread(values, show) : { text: 'could not be read', mark: 'absent' },
    ]),
  };
}

const sourceTable = ({ sources }: Results): Table => ({
  caption: 'Where numbers came from, and why some could not',
  wordy: true,
  columns: words('Source', 'There', 'Why not'),
  rows: sources.map(({ name, available, reason }) => [
    name,
    available ? { text: 'yes', mark: 'good' } : { text: 'no', mark: 'absent' },
    available ? '' : (reason ?? 'no reason given'),
  ]),
});

/** What the sampler cost and lost, over all trials. */
function sampler({ trials }: Results): Block[] {
  const all = trials.flatMap(({ sampler: found }) => (found ? [found] : []));
  if (all.length === 0) return [{ kind: 'absent', what: 'The sampler’s own cost', why: 'no trial was sampled' }];
  const sum = (of: (one: (typeof all)[number]) => number): number => all.reduce((total, one) => total + of(one), 0);
  const seconds = sum((one) => one.seconds);
  const worst = Math.max(...all.map((one) => (one.seconds > 0 ? one.cpuSeconds / one.seconds : 0)));
  const rates = [...new Set(all.map(({ rate }) => rate))].map((rate) => significant(rate));
  const sampled = `${integer(sum((one) => one.samples))} samples in ${quantity(seconds, 's')}, ${enumeration(rates)} a second asked for`;
  const lost = `${integer(sum((one) => one.lost))} lost and ${integer(sum((one) => one.missed))} missed`;
  return [
    text(
      `The sampler itself took ${percent(sum((one) => one.cpuSeconds) / seconds, 2)} of a core on the mean, ${percent(worst, 2)} in the worst trial: ${sampled}, ${lost}.`,
    ),
  ];
}
