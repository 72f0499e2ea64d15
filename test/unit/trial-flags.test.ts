import { describe, expect, test } from 'vitest';
import { conditionsOf } from '../../lib/characterize/trial/conditions.js';
import { flagsOf, type Observed } from '../../lib/characterize/trial/flags.js';
import type { Quantity, Timeline } from '../../lib/telemetry/types.js';

const START = 1000;
const SECONDS = 10;
const RATE = 10;
const TIMES = Array.from({ length: SECONDS * RATE + 1 }, (_, index) => index / RATE);
const LIMITS = { clock: 0.05, foreignLoad: 0.1, steal: 0.1, retries: 1 };

type Columns = Readonly<Record<string, (time: number) => number | null>>;

const isCounter = (name: string): boolean => /^(process\.cpu|system\.cpu|throttle)\./.test(name);

/** Ten seconds of two cores: the process busy on one of them, the other idle, and nothing else. */
function timeline(more: Columns = {}, sampler: Partial<Timeline['sampler']> = {}): Timeline {
  const columns: Columns = {
    'process.cpu.user': (time) => 5 + 0.9 * time,
    'process.cpu.system': (time) => 1 + 0.1 * time,
    ...Object.fromEntries(
      [0, 1].flatMap((core) => [
        [`system.cpu.${core}.user`, (time: number) => 100 + (core === 0 ? 0.9 * time : 0)],
        [`system.cpu.${core}.system`, (time: number) => 50 + (core === 0 ? 0.1 * time : 0)],
        [`system.cpu.${core}.idle`, (time: number) => 900 + (core === 1 ? time : 0)],
        [`system.cpu.${core}.steal`, () => 7],
        [`clock.cpu.${core}`, () => 2e9],
        [`throttle.cpu.${core}`, () => 3],
      ]),
    ),
    ...more,
  };
  const quantity = (name: string): Quantity => ({
    name,
    unit: 'count',
    kind: isCounter(name) ? 'counter' : 'gauge',
    source: 'test',
    sensor: 'test',
    estimated: false,
  });
  return {
    start: START,
    time: TIMES,
    columns: Object.fromEntries(Object.entries(columns).map(([name, value]) => [name, TIMES.map(value)])),
    quantities: Object.keys(columns).map(quantity),
    sources: [],
    sampler: {
      rate: RATE,
      samples: TIMES.length,
      lost: 0,
      missed: 0,
      seconds: SECONDS,
      cpuSeconds: 0,
      sources: [],
      ...sampler,
    },
  };
}

const all = { from: START, to: START + SECONDS };
const flags = (columns: Columns = {}, more: Partial<Observed> = {}) =>
  flagsOf({ timeline: timeline(columns), window: all, steady: all, ...more }, LIMITS);
const kinds = (...asked: Parameters<typeof flags>): string[] => flags(...asked).map(({ kind }) => kind);

test('nothing disturbs: no flag', () => {
  expect(flags()).toEqual([]);
});

test('nothing could be read: no flag, and nothing is taken for 0', () => {
  const { columns, ...rest } = timeline();
  const empty = { ...rest, quantities: [], columns: {} };
  expect(Object.keys(columns).length).toBeGreaterThan(0);
  expect(flagsOf({ timeline: empty, window: all, steady: all }, LIMITS)).toEqual([]);
});

describe('clocks', () => {
  const clock = (of: (time: number) => number | null): Columns => ({ 'clock.cpu.0': of, 'clock.cpu.1': () => 1e9 });

  test('that fall while the load is steady', () => {
    const [flag, ...others] = flags(clock((time) => (time < 6 ? 2e9 : 1.8e9)));
    expect(others).toEqual([]);
    expect(flag).toMatchObject({ kind: 'clock', detail: 'the fastest core ran at 1800 MHz to 2000 MHz', limit: 0.05 });
    expect(flag?.value).toBeCloseTo(0.1, 9);
  });

  test('that fall early, from a boost that does not last', () => {
    expect(kinds(clock((time) => (time < 2 ? 3e9 : 2e9)))).toEqual(['clock']);
  });

  test('that rise late', () => {
    expect(kinds(clock((time) => (time < 5 ? 1.5e9 : 2e9)))).toEqual(['clock']);
  });

  test('that fall and come back', () => {
    expect(kinds(clock((time) => (time > 4 && time < 6.5 ? 1.5e9 : 2e9)))).toEqual(['clock']);
  });

  test.each([
    ['a governor that wakes up', clock((time) => (time < 1.5 ? 0.8e9 : 2e9))],
    ['less than the limit', clock((time) => (time < 5 ? 2e9 : 1.92e9))],
    ['a single odd reading', clock((time) => (time === 5 ? 0.5e9 : 2e9))],
    ['an idle core', { 'clock.cpu.1': (time: number) => 2e9 - time * 1e8 }],
    ['readings too few to tell', clock((time) => (time % 2 === 0 ? 2e9 - time * 1e8 : null))],
    [
      'a process that hardly uses the CPU',
      { ...clock((time) => 2e9 - time * 1e8), 'process.cpu.user': (time: number) => time / 10 },
    ],
  ])('not: %s', (_, columns) => {
    expect(kinds(columns)).not.toContain('clock');
  });

  test('outside of what is steady are nobody’s business', () => {
    const falling = clock((time) => (time < 8 ? 2e9 : 1e9));
    expect(kinds(falling, { steady: { from: START, to: START + 8 } })).toEqual([]);
    const { steady: _, ...idle } = { timeline: timeline(falling), window: all, steady: all };
    expect(flagsOf(idle, LIMITS)).toEqual([]);
  });

  test('of the GPU, while it works', () => {
    const falling: Columns = { 'gpu.clock': (time) => (time < 5 ? 9e8 : 6e8) };
    expect(flags(falling)).toMatchObject([{ kind: 'clock', detail: 'the GPU ran at 600 MHz to 900 MHz' }]);
    expect(kinds({ ...falling, 'gpu.load': () => 0.9 })).toEqual(['clock']);
    expect(kinds({ ...falling, 'gpu.load': () => 0.1 })).toEqual([]);
  });
});

describe('throttling', () => {
  test('of cores: the counters grew', () => {
    const found = flags({ 'throttle.cpu.1': (time) => (time < 5 ? 3 : 8) });
    expect(found).toMatchObject([
      { kind: 'throttle', detail: 'a core was slowed down, 5 times in all', value: 5, limit: 0 },
    ]);
  });

  test('of the GPU', () => {
    const found = flags({ 'gpu.throttle': (time) => (time < 5 ? 0 : 1) });
    expect(found).toMatchObject([
      { kind: 'throttle', detail: expect.stringMatching(/^the GPU was slowed down 5\d %/) },
    ]);
    expect(kinds({ 'gpu.throttle': () => 0 })).toEqual([]);
  });
});

describe('others', () => {
  test('take the CPU: what is busy less what the process and its children used', () => {
    const [flag, ...rest] = flags({ 'system.cpu.1.user': (time) => 100 + 0.5 * time });
    expect(rest).toEqual([]);
    expect(flag).toMatchObject({ kind: 'foreign-load', detail: 'other processes took 25 % of the CPU', limit: 0.1 });
    expect(flag?.value).toBeCloseTo(0.25, 9);
    expect(kinds({ 'system.cpu.1.user': (time) => 100 + 0.1 * time })).toEqual([]);
  });

  test('where the process can not be told from them, nobody is accused', () => {
    const busy = timeline({ 'system.cpu.1.user': (time) => 100 + time });
    const quantities = busy.quantities.filter(({ name }) => !name.startsWith('process.'));
    const columns = Object.fromEntries(quantities.map(({ name }) => [name, busy.columns[name] ?? []]));
    expect(flagsOf({ timeline: { ...busy, quantities, columns }, window: all }, LIMITS)).toEqual([]);
  });

  test('over a short time the kernel’s ticks are not taken for load', () => {
    const tick = { 'system.cpu.1.user': (time: number) => 100 + (time < 5.05 ? 0 : 0.02) };
    expect(kinds(tick, { window: { from: START + 5, to: START + 5.08 } })).toEqual([]);
  });

  test('take the CPU away from the virtual machine', () => {
    const found = flags({ 'system.cpu.0.steal': (time) => 7 + 0.3 * time });
    expect(found).toMatchObject([{ kind: 'steal', detail: 'the hypervisor took 15 % of the CPU' }]);
  });
});

test('swapping', () => {
  expect(flags({}, { swapped: 5e6 })).toMatchObject([
    { kind: 'swap', detail: '5 MB were moved between memory and swap' },
  ]);
  expect(flags({}, { swapped: 4096 })).toEqual([]);
});

test('samples missing', () => {
  const found = (sampler: Partial<Timeline['sampler']>) =>
    flagsOf({ timeline: timeline({}, sampler), window: all, steady: all }, LIMITS);
  expect(found({ lost: 4, missed: 5, samples: 91 })).toMatchObject([
    { kind: 'sampler', detail: '9 of 100 samples are missing' },
  ]);
  expect(found({ missed: 4, samples: 96 })).toEqual([]);
});

test('conditions are what was read first and last; what never was is absent', () => {
  const recorded = timeline({
    'clock.cpu.0': (time) => (time === 0 ? null : 1e9 + time * 1e8),
    'temperature.soc': (time) => 40 + time,
    'system.load': () => 1.5,
  });
  const surroundings = { time: '2026-01-01T00:00:00.000Z' };
  expect(conditionsOf(surroundings, recorded, 'first')).toEqual({
    ...surroundings,
    load: 1.5,
    clocks: [1.01e9, 2e9],
    temperatures: { soc: 40 },
  });
  expect(conditionsOf(surroundings, recorded, 'last')).toMatchObject({ clocks: [2e9, 2e9], temperatures: { soc: 50 } });
  expect(conditionsOf(surroundings, undefined, 'last')).toEqual(surroundings);
});
