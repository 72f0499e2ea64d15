import { spawn } from 'node:child_process';
import { readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import {
  energyOf,
  integralOf,
  meanOf,
  monitor,
  PresisiError,
  record,
  resourcesOf,
  type TelemetrySample,
  telemetrySources,
} from '../../lib/index.js';
import { native } from '../../lib/native.js';
import { node, presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';
import { copyOf, recorded } from './telemetry-support.js';

const folder = await temporaryFolder();
const library = pathToFileURL(join(ROOT, 'dist', 'index.js')).href;
const NOWHERE = join(folder, 'no-such-library.so');

/** Seconds of the clock that samples are taken by. */
const now = (): number => Number(process.hrtime.bigint()) / 1e9;

/** Names of this process's threads; the sampler's is among them while it runs. */
async function samplersAlive(pid = process.pid): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const names = await Promise.all(
    threads.map((id) => readFile(`/proc/${pid}/task/${id}/comm`, 'utf8').catch(() => '')),
  );
  return names.filter((name) => name.startsWith('presisi-sampler')).length;
}

/** The first sample that fits; fails when none does in time. */
async function sampleWhere(
  options: Parameters<typeof monitor>[0],
  fits: (sample: TelemetrySample) => boolean | Promise<boolean>,
): Promise<TelemetrySample> {
  const signal = AbortSignal.timeout(20_000);
  for await (const sample of monitor({ ...options, signal })) if (await fits(sample)) return sample;
  throw new Error('unreachable');
}

afterEach(async () => {
  // Whatever a test did, no thread of a sampler survives it.
  expect(await samplersAlive()).toBe(0);
});

describe('a recording', () => {
  test('of this process: its work is in it', async () => {
    const before = now();
    const recording = await record({ rate: 100 });
    const started = now();
    const end = performance.now() + 300;
    let sum = 0;
    while (performance.now() < end) sum += Math.sqrt(sum + 1);
    const worked = now();
    const timeline = await recording.stop();
    const after = now();

    expect(timeline.start).toBeGreaterThanOrEqual(before);
    expect(timeline.start).toBeLessThanOrEqual(started);
    expect(timeline.time[0]).toBe(0);
    expect(timeline.start + (timeline.time.at(-1) ?? 0)).toBeGreaterThanOrEqual(worked);
    expect(timeline.start + (timeline.time.at(-1) ?? 0)).toBeLessThanOrEqual(after);
    expect([...timeline.time].sort((a, b) => a - b)).toEqual(timeline.time);

    const { cpu, memory, energy } = resourcesOf(timeline, started, worked);
    // A loop keeps at most one core busy; a loaded machine gives it less, but never nothing.
    expect(cpu?.cores).toBeGreaterThan(0.05);
    expect(memory?.peakRss).toBeGreaterThan(10e6);
    expect(memory?.meanRss).toBeLessThanOrEqual(memory?.peakRss ?? 0);
    if (energy !== undefined) for (const { meanWatts } of energy) expect(meanWatts).toBeGreaterThanOrEqual(0);
  });

  test('every due sample is there, lost or missed, and every column as long as the time', async () => {
    const recording = await record({ rate: 1000, sources: ['system'] });
    await delay(200);
    const { time, columns, quantities, sources, sampler } = await recording.stop();
    expect(sampler).toMatchObject({ rate: 1000, samples: time.length });
    // One at the start, one at the end, and one for each period between.
    const due = Math.floor(sampler.seconds * 1000) + 2;
    expect(Math.abs(sampler.samples + sampler.lost + sampler.missed - due)).toBeLessThanOrEqual(1);
    expect(sampler.cpuSeconds).toBeGreaterThan(0);
    expect(Object.keys(columns)).toEqual(quantities.map(({ name }) => name));
    for (const column of Object.values(columns)) expect(column).toHaveLength(time.length);
    expect(sources).toEqual([{ name: 'system', available: true }]);
  });

  test('an event loop that is held up loses nothing', async () => {
    const recording = await record({ rate: 1000, sources: ['system'] });
    const end = performance.now() + 1500;
    while (performance.now() < end);
    const { sampler, time } = await recording.stop();
    expect(sampler.lost).toBe(0);
    expect(time).toHaveLength(sampler.samples);
  });

  test('stopped twice it gives the same timeline, and disposing stops it', async () => {
    const recording = await record({ sources: ['system'] });
    const [first, second] = await Promise.all([recording.stop(), recording.stop()]);
    expect(first).toBe(second);
    await recording[Symbol.asyncDispose]();
    expect(await recording.stop()).toBe(first);

    const dropped = await record({ sources: ['system'] });
    expect(await samplersAlive()).toBe(1);
    await dropped[Symbol.asyncDispose]();
    expect(await samplersAlive()).toBe(0);
  });

  test('many at once, each with its own rate', async () => {
    const recordings = await Promise.all([10, 50, 200].map((rate) => record({ rate, sources: ['system'] })));
    expect(await samplersAlive()).toBe(3);
    const timelines = await Promise.all(recordings.map((recording) => recording.stop()));
    expect(timelines.map(({ sampler }) => sampler.rate)).toEqual([10, 50, 200]);
  });

  test('starts while a build holds the lane of work', async () => {
    // The lane is what matters, not the build: a job that waits for its turn there would hold up a recording, too.
    const { makeModel } = await import('../../lib/index.js');
    const controller = new AbortController();
    const busy = rejection(
      makeModel('densenet201', { output: join(folder, 'big.onnx'), signal: controller.signal, onProgress: () => {} }),
    );
    const recording = await record({ sources: ['system'] });
    controller.abort(new Error('enough'));
    await recording.stop();
    expect((await busy).message).toBe('enough');
  });
});

describe('a recorded device', () => {
  test('Orin Nano: its energy is the integral of its samples', async () => {
    const recording = await record({ root: recorded('orin-nano'), rate: 200 });
    await delay(250);
    const timeline = await recording.stop();
    const [from, to] = [timeline.start, timeline.start + (timeline.time.at(-1) ?? 0)];
    const [board, ...others] = energyOf(timeline, from, to);
    expect(others).toEqual([]);
    expect(board).toMatchObject({ scope: 'board', rails: ['power.VDD_IN'] });
    // The recording doesn't change: its energy is its power times its seconds.
    const watts = timeline.columns['power.VDD_IN']?.[0] ?? Number.NaN;
    expect(watts).toBeGreaterThan(1);
    expect(board?.joules).toBeCloseTo(watts * (to - from), 6);
    expect(meanOf(timeline, 'gpu.load', from, to)).toBeCloseTo(0.63, 2);
  });

  test('powers that change: trapezoids over what was read, by hand', async () => {
    const root = await copyOf('orin-nano', folder);
    const current = await railFile(root, 'VDD_IN');
    const recording = await record({ root, rate: 200, sources: ['ina3221'] });
    for (const milliamperes of [500, 2500, 1000, 4000, 100]) {
      await writeFile(current, `${milliamperes}\n`);
      await delay(60);
    }
    const timeline = await recording.stop();
    const column = timeline.columns['power.VDD_IN'] ?? [];
    const points = column.flatMap((watts, i) => (watts === null ? [] : [[timeline.time[i] as number, watts] as const]));
    expect(new Set(points.map(([, watts]) => watts)).size).toBeGreaterThan(3);
    let joules = 0;
    for (const [i, [time, watts]] of points.entries()) {
      const next = points[i + 1];
      if (next) joules += ((next[0] - time) * (next[1] + watts)) / 2;
    }
    const [first, last] = [points[0]?.[0] ?? 0, points.at(-1)?.[0] ?? 0];
    const found = integralOf(timeline, 'power.VDD_IN', timeline.start + first, timeline.start + last);
    expect(found).toBeCloseTo(joules, 6);
  });

  test('a sensor that dies is absent from then on, and never 0', async () => {
    const root = await copyOf('xavier-nx', folder);
    const current = await railFile(root, 'VDD_IN');
    const recording = await record({ root, rate: 100, sources: ['ina3221'] });
    await delay(100);
    // Its driver answers, but not with a number; a file that is only unlinked would still be read.
    await writeFile(current, 'error\n');
    await delay(1300);
    const timeline = await recording.stop();
    const column = timeline.columns['power.VDD_IN'] ?? [];
    expect(column[0]).toBeGreaterThan(1);
    expect(column.at(-1)).toBeNull();
    expect(column).not.toContain(0);
    const [from, to] = [timeline.start, timeline.start + (timeline.time.at(-1) ?? 0)];
    expect(energyOf(timeline, from, to)).toEqual([]);
    expect(resourcesOf(timeline, from, to).energy).toBeUndefined();
  });
});

/** Where the current of a rail is read. */
async function railFile(root: string, rail: string): Promise<string> {
  const { quantities } = await telemetrySources({ root, sources: ['ina3221'] });
  const sensor = quantities.find(({ name }) => name === `power.${rail}`)?.sensor ?? '';
  const [path] = /\/\S*curr\d+_input/.exec(sensor) ?? [];
  if (path !== undefined) return path;
  for (const entry of await readdir(root, { recursive: true })) {
    const label = /^(.*)\/in(\d+)_label$/.exec(entry);
    if (!label || (await readFile(join(root, entry), 'utf8')).trim() !== rail) continue;
    return realpath(join(root, label[1] as string, `curr${label[2]}_input`));
  }
  throw new Error(`no rail ${rail} in ${root}`);
}

describe('monitor()', () => {
  test('gives samples until the loop is left', async () => {
    const samples: TelemetrySample[] = [];
    for await (const sample of monitor({ rate: 200, sources: ['system', 'process'] })) {
      samples.push(sample);
      if (samples.length === 5) break;
    }
    expect(samples.map(({ time }) => time)).toEqual(samples.map(({ time }) => time).sort((a, b) => a - b));
    expect(Math.abs(now() - (samples.at(-1)?.time ?? 0))).toBeLessThan(20);
    expect(samples[0]?.values['system.memory.total']).toBeGreaterThan(1e6);
    for (const { values } of samples) {
      for (const value of Object.values(values)) expect(Number.isFinite(value)).toBe(true);
    }
  });

  test('watches another process with its children', async () => {
    const child = spawn('/bin/sh', ['-c', 'while :; do :; done & wait'], { detached: true, stdio: 'ignore' });
    const pid = child.pid as number;
    try {
      const options = { pid, rate: 100, sources: ['process'] };
      const { values } = await sampleWhere(options, ({ values }) => (values['process.cpu.user'] ?? 0) > 0.02);
      expect(values['process.children']).toBe(1);
    } finally {
      process.kill(-pid, 'SIGKILL');
    }
  });

  test('the signal ends it with its reason, at once', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const start = performance.now();
    const error = await rejection(
      (async () => {
        for await (const _ of monitor({ rate: 0.1, signal: controller.signal })) controller.abort(reason);
      })(),
    );
    expect(error).toBe(reason);
    expect(performance.now() - start).toBeLessThan(5000);
  });

  test('the signal ends the sampler of a loop that waits for something else', async () => {
    const controller = new AbortController();
    const samples = monitor({ rate: 100, signal: controller.signal });
    await samples.next();
    expect(await samplersAlive()).toBe(1);
    controller.abort();
    await expect.poll(() => samplersAlive()).toBe(0);
    expect((await rejection(samples.next())).name).toBe('AbortError');
  });

  test('a signal that has fired already: nothing starts', async () => {
    const reason = new Error('too late');
    expect(await rejection(monitor({ signal: AbortSignal.abort(reason) }).next())).toBe(reason);
  });

  test('nothing is opened before the first sample is asked for', async () => {
    const samples = monitor();
    expect(await samplersAlive()).toBe(0);
    await samples.return();
  });
});

describe('sources', () => {
  test('each is there or absent for a reason', async () => {
    const { sources, quantities } = await telemetrySources({ nvml: NOWHERE });
    expect(sources.map(({ name }) => name)).toEqual([
      'process',
      'system',
      'cpu-clocks',
      'temperatures',
      'rapl',
      'hwmon-power',
      'ina3221',
      'jetson-gpu',
      'tegrastats',
      'nvml',
    ]);
    for (const { available, reason } of sources) expect(reason === undefined).toBe(available);
    expect(sources.find(({ name }) => name === 'nvml')).toMatchObject({
      available: false,
      reason: expect.stringContaining(NOWHERE),
    });
    const available = new Set(sources.filter((source) => source.available).map(({ name }) => name));
    expect(available).toContain('process');
    for (const { source } of quantities) expect(available).toContain(source);
  });

  test('of a recorded device are its own', async () => {
    const { quantities } = await telemetrySources({ root: recorded('orin-nano') });
    const names = quantities.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['power.VDD_IN', 'gpu.load', 'gpu.clock', 'system.cpu.5.user']));
    expect(quantities.find(({ name }) => name === 'power.VDD_IN')).toMatchObject({
      unit: 'W',
      kind: 'gauge',
      source: 'ina3221',
      estimated: false,
    });
  });
});

describe('wrong options', () => {
  test.each([
    [{ rate: 0.05 }, 'Expected samples a second, 0.1 to 1000 for options.rate but received 0.05 of type number'],
    [{ rate: 2000 }, 'Expected samples a second, 0.1 to 1000 for options.rate but received 2000 of type number'],
    [{ rate: '10' }, 'Expected samples a second, 0.1 to 1000 for options.rate but received "10" of type string'],
    [{ sources: [] }, 'Expected at least one source for options.sources but received [] of type array'],
    [{ pid: 0 }, 'Expected an integer between 1 and 2147483647 for options.pid but received 0 of type number'],
    [{ root: '' }, 'Expected a folder for options.root but received "" of type string'],
    [{ speed: 3 }, 'options has no option "speed"'],
  ])('%j', async (options, message) => {
    const error = await presisiRejection(record(options as object), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toBe(message);
    expect(() => monitor(options as object)).toThrow(message);
  });

  test('a source there isn’t', async () => {
    const error = await presisiRejection(record({ sources: ['divination'] }), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toContain('divination');
    expect(error.stack).toContain('telemetry.test.ts');
  });

  test('a process there isn’t', async () => {
    const error = await presisiRejection(record({ pid: 2 ** 31 - 1 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toBe(
      'Expected the id of a living process for options.pid but received 2147483647 of type number',
    );
  });

  test('a recorded device there isn’t', async () => {
    const error = await presisiRejection(record({ root: join(folder, 'absent') }), 'ERR_PRESISI_FILE_SYSTEM');
    expect(error.message).toContain('no such file or folder');
  });

  test('handles that are none, or were closed', async () => {
    const addon = native();
    expect(() => addon.drainSampler({} as never, 10)).toThrow('not a handle of a presisi sampler');
    const { handle } = await addon.startSampler({ rate: 10, sources: ['system'] }, {});
    for (const limit of [0, -1, Number.NaN, 1e9]) expect(() => addon.drainSampler(handle, limit)).toThrow('for limit');
    await addon.closeHandle(handle);
    await addon.closeHandle(handle);
    expect(() => addon.drainSampler(handle, 10)).toThrow(PresisiError);
    expect(() => addon.samplerStatistics(handle)).toThrow('the sampler was disposed');
  });
});

describe('threads and the end', () => {
  const script = async (name: string, body: string): Promise<string> => {
    const path = join(folder, `${name}.mjs`);
    await writeFile(path, `import { monitor, record } from ${JSON.stringify(library)};\n${body}`);
    return path;
  };

  test('a worker that is terminated takes its samplers with it', async () => {
    const path = await script(
      'worker',
      `import { parentPort } from 'node:worker_threads';
       const recording = await record({ rate: 1000 });
       const samples = monitor({ rate: 100 });
       await samples.next();
       parentPort.postMessage('running');
       setInterval(() => {}, 1000);`,
    );
    for (let i = 0; i < 3; i += 1) {
      const worker = new Worker(path);
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      expect(await samplersAlive()).toBe(2);
      await worker.terminate();
      expect(await samplersAlive()).toBe(0);
    }
  });

  test('a worker that is terminated while its sensors are being opened', async () => {
    const path = await script(
      'opening',
      `import { parentPort } from 'node:worker_threads';
       for (let i = 0; i < 20; i += 1) record({ rate: 1000 });
       parentPort.postMessage('opening');`,
    );
    for (let i = 0; i < 4; i += 1) {
      const worker = new Worker(path);
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await delay(i * 3);
      await worker.terminate();
      await expect.poll(() => samplersAlive()).toBe(0);
    }
  });

  test('a forgotten recording does not keep the process alive', async () => {
    const path = await script('forgotten', `await record(); console.log('done');`);
    expect(await node([path])).toMatchObject({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });

  test.each([
    ['process.exit', 'process.exit(3)', 3],
    ['an uncaught error', "setTimeout(() => { throw new Error('boom'); })", 1],
  ])('%s while sampling ends cleanly', async (name, ending, code) => {
    const path = await script(name.replaceAll(/\W/g, '-'), `await record({ rate: 1000 }); ${ending};`);
    expect(await node([path])).toMatchObject({ code, signal: null });
  });

  test.each(['process.exit(0)', 'await samples.return(); setInterval(() => {}, 1000)'])(
    'no tegrastats is left behind by %s',
    async (ending) => {
      const name = `tegrastats-${ending.length}`;
      const [command, note] = [join(folder, name), join(folder, `${name}.pid`)];
      // One that doesn't end by itself when nobody reads it any more.
      const line = 'RAM 1/2MB (lfb 1x4MB) CPU [1%@1420] GR3D_FREQ 7% cpu@50C VDD_IN 4824mW/4824mW';
      const loop = `while :; do echo "${line}" 2>/dev/null; sleep 0.05; done`;
      await writeFile(command, `#!/bin/sh\ntrap '' PIPE HUP\necho $$ > ${note}\n${loop}\n`, { mode: 0o755 });
      const path = await script(
        name,
        `const samples = monitor({ rate: 100, sources: ['tegrastats'], tegrastats: ${JSON.stringify(command)} });
         for (;;) { const { value } = await samples.next(); if (value.values['power.VDD_IN'] === 4.824) break; }
         console.log('read');
         ${ending};`,
      );
      const child = spawn(process.execPath, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
      try {
        await new Promise((resolve) => child.stdout.once('data', resolve));
        const pid = Number(await readFile(note, 'utf8'));
        const alive = (): boolean => {
          try {
            return process.kill(pid, 0);
          } catch {
            return false;
          }
        };
        await expect.poll(alive, { timeout: 10_000 }).toBe(false);
      } finally {
        child.kill('SIGKILL');
      }
    },
  );

  test('handles that were forgotten are closed with the garbage', async () => {
    const path = await script(
      'garbage',
      `import { readdirSync, readFileSync } from 'node:fs';
       const alive = () => readdirSync('/proc/self/task').filter((id) => {
         try { return readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('presisi-sampler'); } catch { return false; }
       }).length;
       await (async () => { const samples = monitor({ rate: 100 }); await samples.next(); })();
       const began = alive();
       for (let i = 0; i < 50 && alive() > 0; i += 1) { globalThis.gc(); await new Promise((r) => setTimeout(r, 20)); }
       console.log(began, alive());`,
    );
    expect(await node(['--expose-gc', path])).toMatchObject({ code: 0, stdout: '1 0\n' });
  });
});
