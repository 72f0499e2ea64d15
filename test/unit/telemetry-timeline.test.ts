import { describe, expect, test } from 'vitest';
import {
  differenceOf,
  energyOf,
  integralOf,
  meanOf,
  PresisiError,
  peakOf,
  resourcesOf,
  sliceTimeline,
} from '../../lib/index.js';
import { energyOver } from '../../lib/telemetry/energy.js';
import { resourcesOver } from '../../lib/telemetry/resources.js';
import { Totals } from '../../lib/telemetry/totals.js';
import type { Timeline } from '../../lib/telemetry/types.js';
import { quantityOf, timelineOf } from './telemetry-support.js';

/** The same numbers for the same seed, evenly in 0 to 1. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('a gauge', () => {
  // By hand: 10 W falling to 4 W in 0.2 s, then rising to 8 W in 0.4 s.
  const timeline = timelineOf([0, 0.2, 0.6], { 'power.VDD_IN': [10, 4, 8] });

  test('its integral is the area under its samples', () => {
    expect(integralOf(timeline, 'power.VDD_IN', 1000, 1000.6)).toBeCloseTo(1.4 + 2.4, 9);
  });

  test.each([
    ['from between samples', 1000.1, 1000.2, 0.1 * 5.5],
    ['to between samples', 1000.2, 1000.3, 0.1 * 4.5],
    ['within one interval', 1000.3, 1000.5, 0.2 * 6],
    ['over all of them', 1000.1, 1000.5, 0.1 * 5.5 + 0.3 * 5.5],
    ['of no time', 1000.3, 1000.3, 0],
  ])('the ends are interpolated: %s', (_, from, to, joules) => {
    expect(integralOf(timeline, 'power.VDD_IN', from, to)).toBeCloseTo(joules, 9);
  });

  test('a little before the first and after the last sample it is what those said', () => {
    expect(integralOf(timeline, 'power.VDD_IN', 999.9, 1000)).toBeCloseTo(1, 9);
    expect(integralOf(timeline, 'power.VDD_IN', 1000.6, 1000.7)).toBeCloseTo(0.8, 9);
    expect(integralOf(timeline, 'power.VDD_IN', 990, 1000)).toBeUndefined();
    expect(integralOf(timeline, 'power.VDD_IN', 1000, 1010)).toBeUndefined();
  });

  test('its mean is by time, not by samples', () => {
    expect(meanOf(timeline, 'power.VDD_IN', 1000, 1000.6)).toBeCloseTo(3.8 / 0.6, 9);
    expect(meanOf(timeline, 'power.VDD_IN', 1000.3, 1000.3)).toBeCloseTo(5, 9);
  });

  test('its peak is the largest sample, ends included', () => {
    expect(peakOf(timeline, 'power.VDD_IN', 1000, 1000.6)).toBe(10);
    expect(peakOf(timeline, 'power.VDD_IN', 1000.1, 1000.6)).toBe(8);
    expect(peakOf(timeline, 'power.VDD_IN', 1000.2, 1000.4)).toBeCloseTo(6, 9);
  });

  test('moments at which it was not due are no zeros', () => {
    const slow = timelineOf([0, 0.1, 0.2, 0.3, 0.4], { 'power.VDD_IN': [10, null, null, null, 20] });
    expect(integralOf(slow, 'power.VDD_IN', 1000, 1000.4)).toBeCloseTo(6, 9);
    expect(meanOf(slow, 'power.VDD_IN', 1000.1, 1000.3)).toBeCloseTo(15, 9);
  });

  test('a silence leaves nothing known of what contains it', () => {
    const time = Array.from({ length: 601 }, (_, i) => i / 100);
    const gap = timelineOf(time, { 'power.VDD_IN': time.map((t) => (t > 2 && t < 4 ? null : 5)) });
    expect(integralOf(gap, 'power.VDD_IN', 1000, 1006)).toBeUndefined();
    expect(meanOf(gap, 'power.VDD_IN', 1002.5, 1003)).toBeUndefined();
    expect(peakOf(gap, 'power.VDD_IN', 1002.5, 1003)).toBeUndefined();
    // What was seen around it was seen.
    expect(peakOf(gap, 'power.VDD_IN', 1001, 1005)).toBe(5);
    expect(integralOf(gap, 'power.VDD_IN', 1000, 1002)).toBeCloseTo(10, 6);
    expect(integralOf(gap, 'power.VDD_IN', 1004, 1006)).toBeCloseTo(10, 6);
  });

  test('a sensor that dies takes what follows with it, not to zero', () => {
    const time = Array.from({ length: 501 }, (_, i) => i / 100);
    const dying = timelineOf(time, { 'power.VDD_IN': time.map((t) => (t > 2 ? null : 5)) });
    expect(integralOf(dying, 'power.VDD_IN', 1000, 1002)).toBeCloseTo(10, 6);
    expect(integralOf(dying, 'power.VDD_IN', 1000, 1005)).toBeUndefined();
    expect(energyOf(dying, 1000, 1005)).toEqual([]);
    expect(resourcesOf(dying, 1000, 1005)).not.toHaveProperty('energy');
  });

  test('what was never read is unknown', () => {
    const never = timelineOf([0, 1], { 'power.VDD_IN': [null, null] });
    expect(integralOf(never, 'power.VDD_IN', 1000, 1001)).toBeUndefined();
    expect(peakOf(never, 'power.VDD_IN', 1000, 1001)).toBeUndefined();
    expect(integralOf(never, 'power.NOWHERE', 1000, 1001)).toBeUndefined();
  });
});

describe('a counter', () => {
  const timeline = timelineOf([0, 0.1, 0.2, 0.3], { 'energy.package-0': [100, 101, 103, 103] });

  test.each([
    [1000, 1000.3, 3],
    [1000.05, 1000.15, 0.5 + 1],
    [1000.12, 1000.14, 0.4],
    [1000.2, 1000.3, 0],
    [999.9, 1000.1, 1],
  ])('grows from %d to %d by %d', (from, to, joules) => {
    expect(differenceOf(timeline, 'energy.package-0', from, to)).toBeCloseTo(joules, 9);
  });

  test('never steps back', () => {
    const shaken = timelineOf([0, 0.1, 0.2, 0.3], { 'process.cpu.user': [5, 7, 6.5, 7.2] });
    expect(differenceOf(shaken, 'process.cpu.user', 1000.1, 1000.2)).toBeCloseTo(0, 9);
    expect(differenceOf(shaken, 'process.cpu.user', 1000, 1000.3)).toBeCloseTo(2.2, 9);
  });

  test('a silence between the ends does no harm, one at an end does', () => {
    const time = [0, 0.1, 0.2, 5, 5.1, 5.2];
    const gap = timelineOf(time, { 'energy.package-0': [0, 1, 2, 50, 51, 52] });
    expect(differenceOf(gap, 'energy.package-0', 1000, 1005.2)).toBe(52);
    expect(differenceOf(gap, 'energy.package-0', 1000, 1003)).toBeUndefined();
  });
});

test('powers and the counters that integrate them agree on random signals', () => {
  for (let seed = 1; seed <= 50; seed += 1) {
    const random = randomOf(seed);
    let [time, joules, before] = [0, random() * 1e6, random() * 20];
    const [times, watts, energy] = [[0], [before], [joules]];
    for (let i = 0; i < 200; i += 1) {
      const width = 0.002 + random() * 0.02;
      const power = random() * 20;
      time += width;
      joules += (width * (power + before)) / 2;
      before = power;
      times.push(time);
      watts.push(power);
      energy.push(joules);
    }
    const timeline = timelineOf(times, { 'power.VDD_IN': watts, 'energy.package-0': energy });
    // Between samples a counter is taken to grow evenly, so ends lie on samples here.
    const [from, to] = [times[20] as number, times[170] as number].map((t) => 1000 + t) as [number, number];
    const [board, cpu] = energyOf(timeline, from, to);
    expect(board?.joules).toBeCloseTo(cpu?.joules ?? Number.NaN, 5);
    // Parts add up to the whole, wherever it is cut.
    const cut = from + (to - from) * random();
    const parts = [integralOf(timeline, 'power.VDD_IN', from, cut), integralOf(timeline, 'power.VDD_IN', cut, to)];
    expect((parts[0] ?? Number.NaN) + (parts[1] ?? Number.NaN)).toBeCloseTo(board?.joules ?? Number.NaN, 8);
  }
});

describe('a slice', () => {
  const timeline = timelineOf([0, 0.1, 0.2, 0.3], { 'power.VDD_IN': [1, 2, null, 4], 'process.rss': [5, 6, 7, 8] });

  test('is a timeline of its own', () => {
    const slice = sliceTimeline(timeline, 1000.05, 1000.25);
    expect(slice.start).toBeCloseTo(1000.1, 9);
    expect(slice.time.map((time) => time.toFixed(3))).toEqual(['0.000', '0.100']);
    expect(slice.columns).toEqual({ 'power.VDD_IN': [2, null], 'process.rss': [6, 7] });
    expect(meanOf(slice, 'process.rss', 1000.1, 1000.2)).toBeCloseTo(6.5, 9);
    expect(timeline.time).toHaveLength(4);
  });

  test('of nothing is empty', () => {
    expect(sliceTimeline(timeline, 1001, 1002)).toMatchObject({ time: [], columns: { 'process.rss': [] } });
  });
});

describe('energy', () => {
  const over = (columns: Timeline['columns'], quantities?: Timeline['quantities']) =>
    energyOf(timelineOf([0, 0.5, 1], columns, 1000, quantities), 1000, 1001);
  const constant = (watts: number) => [watts, watts, watts];

  test.each(['VDD_IN', 'POM_5V_IN', 'VIN'])('%s feeds the whole board', (rail) => {
    const columns = { [`power.${rail}`]: constant(6), 'power.VDD_CPU_CV': constant(2) };
    expect(over(columns)).toEqual([
      { scope: 'board', rails: [`power.${rail}`], estimated: false, joules: 6, meanWatts: 6, seconds: 1 },
    ]);
  });

  const SUMS = [
    ['AGX Orin', ['VDD_GPU_SOC', 'VDD_CPU_CV', 'VIN_SYS_5V0']],
    ['AGX Xavier', ['GPU', 'CPU', 'SOC', 'CV', 'VDDRQ', 'SYS5V']],
  ] as const;

  test.each(SUMS)('%s is the sum of its rails, other rails left out', (_, rails) => {
    const columns = Object.fromEntries(rails.map((rail, i) => [`power.${rail}`, constant(i + 1)]));
    const [board, ...rest] = over({ ...columns, 'power.VDDQ_VDD2_1V8AO': constant(100), 'power.NC': constant(100) });
    const total = (rails.length * (rails.length + 1)) / 2;
    expect(board).toMatchObject({ scope: 'board', joules: total, rails: rails.map((rail) => `power.${rail}`) });
    expect(rest).toEqual([]);
  });

  test.each(SUMS)('%s without one of them has no figure', (_, rails) => {
    const columns = Object.fromEntries(rails.slice(1).map((rail) => [`power.${rail}`, constant(1)]));
    expect(over(columns)).toEqual([]);
  });

  test('packages add up; neither their parts nor psys do', () => {
    const growing = (joules: number) => [0, joules / 2, joules];
    const names = { 'package-0': 10, 'package-1': 20, core: 5, uncore: 1, dram: 2, psys: 50 };
    const columns = Object.fromEntries(Object.entries(names).map(([name, j]) => [`energy.${name}`, growing(j)]));
    expect(over(columns)).toMatchObject([
      { scope: 'package', joules: 30, rails: ['energy.package-0', 'energy.package-1'] },
    ]);
  });

  test('GPUs: their counters before their powers', () => {
    const powers = { 'power.gpu0': constant(100), 'power.gpu1': constant(50) };
    expect(over(powers)).toMatchObject([{ scope: 'gpu', joules: 150, meanWatts: 150 }]);
    const counters = { 'energy.gpu0': [0, 60, 90], 'energy.gpu1': [7, 17, 27] };
    expect(over({ ...powers, ...counters })).toMatchObject([{ scope: 'gpu', joules: 110 }]);
    const dead = { 'energy.gpu0': [null, null, null], 'energy.gpu1': [7, 17, 27] };
    expect(over({ ...powers, ...dead })).toMatchObject([{ scope: 'gpu', joules: 150 }]);
  });

  test('one estimated rail makes an estimate', () => {
    const columns = { 'energy.package-0': [0, 1, 2], 'energy.package-1': [0, 1, 2] };
    const quantities = [quantityOf('energy.package-0'), quantityOf('energy.package-1', { estimated: true })];
    expect(over(columns, quantities)).toMatchObject([{ estimated: true, joules: 4 }]);
  });

  test('nothing of nothing, and of no time', () => {
    expect(over({ 'process.rss': [1, 2, 3] })).toEqual([]);
    expect(energyOf(timelineOf([0, 1], { 'power.VDD_IN': [5, 5] }), 1000, 1000)).toEqual([]);
  });
});

describe('resources', () => {
  const timeline = timelineOf([0, 0.25, 0.5, 0.75, 1], {
    'process.cpu.user': [1, 1.25, 1.5, 1.75, 2],
    'process.cpu.system': [0, 0.125, 0.25, 0.375, 0.5],
    'process.rss': [100, 200, 200, 200, 100],
    'process.rss.peak': [100, null, 200, null, 260],
    'process.children': [0, 0, 0, 0, 0],
    'process.switches.voluntary': [0, 10, 20, 30, 41],
    'process.switches.involuntary': [0, 0, 0, 0, 0],
    'process.faults.minor': [0, 1, 2, 3, 4],
    'gpu.load': [0, 0.5, 1, 0.5, 0],
    'temperature.cpu': [50, 51, 52, 51, 50],
    'temperature.gone': [null, null, null, null, null],
    'power.VDD_IN': [4, 4, 4, 4, 4],
  });

  test('what there is, and nothing else', () => {
    expect(resourcesOf(timeline, 1000, 1001)).toEqual({
      seconds: 1,
      cpu: { userSeconds: 1, systemSeconds: 0.5, cores: 1.5 },
      // 200 was sampled; the kernel's mark saw 260 meanwhile.
      memory: { meanRss: 175, peakRss: 260 },
      gpu: { meanLoad: 0.5, peakLoad: 1 },
      energy: [{ scope: 'board', rails: ['power.VDD_IN'], estimated: false, joules: 4, meanWatts: 4, seconds: 1 }],
      switches: { voluntary: 41, involuntary: 0 },
      temperatures: { cpu: 52 },
    });
  });

  test('the mark of before says nothing of now', () => {
    const before = timelineOf([0, 1], { 'process.rss': [10, 10], 'process.rss.peak': [90, 90] });
    expect(resourcesOf(before, 1000, 1001).memory).toEqual({ meanRss: 10, peakRss: 10 });
  });

  test('counts are whole', () => {
    expect(resourcesOf(timeline, 1000, 1000.1).switches).toEqual({ voluntary: 4, involuntary: 0 });
  });

  test("a span's CPU time takes precedence, split as the samples say", () => {
    const { cpu } = resourcesOf(timeline, 1000.1, 1000.2, { cpuSeconds: 0.3 });
    expect(cpu?.cores).toBeCloseTo(3, 6);
    expect(cpu?.userSeconds).toBeCloseTo(0.2, 6);
    expect(cpu?.systemSeconds).toBeCloseTo(0.1, 6);
  });

  test('but not where there were children, whom it leaves out', () => {
    const columns = { ...timeline.columns, 'process.children': [0, 1, 1, 0, 0] };
    const { cpu } = resourcesOf({ ...timeline, columns }, 1000, 1001, { cpuSeconds: 0.3 });
    expect(cpu?.cores).toBeCloseTo(1.5, 9);
  });
});

test.each([
  [Number.NaN, 1, 'from'],
  [1, Number.NaN, 'to'],
  [2, 1, 'to'],
  [1, Number.POSITIVE_INFINITY, 'to'],
])('a stretch from %d to %d is refused', (from, to, name) => {
  const timeline = timelineOf([0, 1], { 'power.VDD_IN': [1, 1] });
  for (const ask of [sliceTimeline, energyOf, resourcesOf]) {
    expect(() => ask(timeline, from, to)).toThrow(PresisiError);
    expect(() => ask(timeline, from, to)).toThrow(new RegExp(`for ${name} but received`));
  }
});

describe('running totals', () => {
  const samplesOf = ({ start, time, columns }: Timeline) =>
    time.map((at, i) => ({
      time: start + at,
      values: Object.fromEntries(
        Object.entries(columns).flatMap(([name, column]) => (column[i] == null ? [] : [[name, column[i] as number]])),
      ),
    }));
  const totalsOf = (timeline: Timeline): Totals => {
    const totals = new Totals(timeline.quantities);
    for (const sample of samplesOf(timeline)) totals.add(sample);
    return totals;
  };

  test('are what the timeline gives', () => {
    const random = randomOf(7);
    const time = Array.from({ length: 300 }, (_, i) => i / 100);
    const columns = {
      'power.VDD_IN': time.map((_, i) => (i % 3 === 0 || i === 299 ? 5 + random() * 10 : null)),
      'energy.package-0': time.map((t) => t * 3),
      'process.cpu.user': time.map((t) => t * 0.5),
      'process.cpu.system': time.map((t) => t * 0.25),
      'process.rss': time.map(() => 1e6 * random()),
    };
    const timeline = timelineOf(time, columns);
    const totals = totalsOf(timeline);
    const expected = resourcesOf(timeline, 1000, 1000 + 2.99);
    const found = resourcesOver(totals);
    expect(found.memory?.meanRss).toBeCloseTo(expected.memory?.meanRss ?? Number.NaN, 3);
    expect(found.memory?.peakRss).toBe(expected.memory?.peakRss);
    expect(found.cpu?.cores).toBeCloseTo(0.75, 9);
    for (const [i, energy] of (expected.energy ?? []).entries()) {
      expect(found.energy?.[i]?.joules).toBeCloseTo(energy.joules, 6);
    }
    expect(found.energy).toHaveLength(2);
  });

  test('count what lies around a silence, and say over how long', () => {
    const time = [0, 0.5, 1, 11, 11.5, 12];
    const totals = totalsOf(timelineOf(time, { 'power.VDD_IN': [2, 2, 2, 4, 4, 4] }));
    expect(energyOver(totals)).toMatchObject([{ joules: 6, seconds: 2, meanWatts: 3 }]);
  });

  test('forget the latest value of what fell silent', () => {
    const time = Array.from({ length: 100 }, (_, i) => i / 10);
    const totals = totalsOf(
      timelineOf(time, {
        'process.rss': time,
        'temperature.dies': time.map((t) => (t < 5 ? 40 : null)),
        'temperature.slow': time.map((_, i) => (i % 10 === 0 ? 50 : null)),
      }),
    );
    expect(totals.latest('temperature.dies')).toBeUndefined();
    expect(totals.latest('temperature.slow')).toEqual({ value: 50, time: 1009 });
    expect(totals.peak('temperature.dies')).toBe(40);
  });
});
