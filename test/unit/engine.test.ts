import { getEventListeners } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Engine, type Feeds, loadEngine, quantize } from '../../lib/index.js';
import { native } from '../../lib/native.js';
import type { NativeFeeds } from '../../lib/tensor.js';
import { fixture, presisiRejection, rejection, sleep, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const path = (name: string): string => join(folder, name);

beforeAll(async () => {
  for (const name of ['classifier', 'two-inputs', 'slow']) {
    await quantize(fixture(name), { precision: 'fp32', output: path(`${name}.engine`), backend: 'reference' });
  }
});

async function withEngine(name: string, body: (engine: Engine) => Promise<void>): Promise<void> {
  const engine = await loadEngine(path(`${name}.engine`));
  try {
    await body(engine);
  } finally {
    await engine.dispose();
  }
}

const picture = (batch = 1): Feeds => ({
  input: { data: Float32Array.from({ length: batch * 768 }, (_, i) => Math.cos(i)), dims: [batch, 3, 16, 16] },
});

/** Feeds that the library never passes: an error comes out and never a crash. */
test.each<[string, unknown, string]>([
  ['no array', 'feeds', 'expected an array of feeds'],
  ['too few', [new Float32Array(4)], 'expected data and dimensions for each of the inputs'],
  ['another type', [new Float64Array(4), [1, 4]], 'expected the typed array of float32 for "left"'],
  [
    'no typed array',
    [
      [1, 2, 3, 4],
      [1, 4],
    ],
    'expected the typed array of float32 for "left"',
  ],
  ['no dimensions', [new Float32Array(4), 4], 'expected an array of dimensions for "left"'],
  ['no number', [new Float32Array(4), [1, Number.NaN]], 'expected non-negative integers as dimensions of "left"'],
  ['too many dimensions', [new Float32Array(4), Array(17).fill(1)], 'too many dimensions for "left"'],
  ['nothing', [new Float32Array(0), [0, 4]], '"left" is empty: dimensions [0, 4]'],
  [
    'more than there is',
    [new Float32Array(4), [2 ** 53 - 1, 4]],
    'has dimensions [9007199254740991, 4] but 4 elements',
  ],
])('the addon refuses feeds: %s', async (_, left, message) => {
  const addon = native();
  const { handle } = await addon.openEngine(path('two-inputs.engine'), { threads: 0 }, {});
  try {
    const right = [new Float32Array(4), [1, 4]];
    const feeds = (Array.isArray(left) ? [...(left as unknown[]), ...right] : left) as NativeFeeds;
    for (const call of [() => addon.runFeedsSync(handle, feeds), () => addon.runFeeds(handle, feeds, {})]) {
      expect((await rejection(Promise.resolve().then(call))).message).toContain(message);
    }
  } finally {
    await addon.closeHandle(handle);
  }
});

describe('run', () => {
  test('computes what the network says', () =>
    withEngine('two-inputs', async (engine) => {
      expect(engine.inputs).toEqual([
        { name: 'left', type: 'float32', dims: [-1, 4] },
        { name: 'right', type: 'float32', dims: [-1, 4] },
      ]);
      const outputs = await engine.run({
        left: { data: Float32Array.of(1, 2, 3, 4), dims: [1, 4] },
        right: { data: Float32Array.of(10, 20, 30, 40), dims: [1, 4] },
      });
      expect(outputs).toEqual({
        sum: { type: 'float32', dims: [1, 4], data: Float32Array.of(11, 22, 33, 44) },
        double: { type: 'float32', dims: [1, 4], data: Float32Array.of(2, 4, 6, 8) },
      });
    }));

  test('many at once queue, and each gets its own answer', () =>
    withEngine('two-inputs', async (engine) => {
      const zero = { data: new Float32Array(4), dims: [1, 4] };
      const results = await Promise.all(
        Array.from({ length: 500 }, (_, i) =>
          engine.run({ left: { data: new Float32Array(4).fill(i), dims: [1, 4] }, right: zero }),
        ),
      );
      for (const [i, { sum }] of results.entries()) expect(sum?.data[3]).toBe(i);
    }));

  test('a window into a buffer, a shared and a resizable buffer', () =>
    withEngine('two-inputs', async (engine) => {
      const window = new Float32Array(Float32Array.of(0, 0, 1, 2, 3, 4, 0).buffer, 8, 4);
      const shared = new Float32Array(new SharedArrayBuffer(16));
      shared.set([1, 1, 1, 1]);
      const right = { data: shared as unknown as Float32Array, dims: [1, 4] };
      const { sum } = await engine.run({ left: { data: window, dims: [1, 4] }, right });
      expect(Array.from(sum?.data as Float32Array)).toEqual([2, 3, 4, 5]);
      const Resizable = ArrayBuffer as unknown as new (
        bytes: number,
        options: object,
      ) => ArrayBuffer & { resize(bytes: number): void };
      const buffer = new Resizable(16, { maxByteLength: 1 << 20 });
      const data = new Float32Array(buffer).fill(5);
      const running = engine.run({ left: { data, dims: [1, 4] }, right });
      buffer.resize(0);
      expect((await running).sum?.data[0]).toBe(6);
    }));

  test('outputs are the caller’s own', () =>
    withEngine('classifier', async (engine) => {
      const first = (await engine.run(picture())).logits?.data as Float32Array;
      const copy = first.slice();
      first.fill(0);
      expect((await engine.run(picture())).logits?.data).toEqual(copy);
    }));

  test('a batch is what its samples are', () =>
    withEngine('classifier', async (engine) => {
      const batch = (await engine.run(picture(3))).logits?.data as Float32Array;
      const data = Float32Array.from({ length: 768 }, (_, i) => Math.cos(2 * 768 + i));
      const last = (await engine.run({ input: { data, dims: [1, 3, 16, 16] } })).logits?.data as Float32Array;
      for (let i = 0; i < 4; i += 1) expect(batch[8 + i]).toBeCloseTo(last[i] as number, 5);
    }));

  const data = new Float32Array(768);
  const dims = [1, 3, 16, 16];
  test.each([
    [
      7,
      'ERR_PRESISI_INVALID_ARGUMENT',
      'Expected an object with the inputs input for feeds but received 7 of type number',
    ],
    [{}, 'ERR_PRESISI_SHAPE_MISMATCH', 'input "input" is missing'],
    [
      { input: data },
      'ERR_PRESISI_INVALID_ARGUMENT',
      'Expected { data, dims } for feeds.input but received 3072 bytes of type Float32Array',
    ],
    [
      { input: { data: [1, 2], dims } },
      'ERR_PRESISI_INVALID_ARGUMENT',
      'Expected Float32Array (float32) for feeds.input.data but received [1,2] of type array',
    ],
    [
      { input: { data: new Float64Array(768), dims } },
      'ERR_PRESISI_INVALID_ARGUMENT',
      'Expected Float32Array (float32) for feeds.input.data but received 6144 bytes of type Float64Array',
    ],
    [
      { input: { data, dims: [1, 3, -16, 16] } },
      'ERR_PRESISI_INVALID_ARGUMENT',
      'Expected an array of positive integers for feeds.input.dims but received [1,3,-16,16] of type array',
    ],
    [
      { input: { data, dims: [1, 3, 16, 17] } },
      'ERR_PRESISI_SHAPE_MISMATCH',
      'Expected dimensions [?, 3, 16, 16] for feeds.input.dims but received [1, 3, 16, 17]',
    ],
    [
      { input: { data: data.subarray(1), dims } },
      'ERR_PRESISI_SHAPE_MISMATCH',
      'Expected 768 elements for feeds.input.data, as [1, 3, 16, 16] needs, but received 767',
    ],
    [
      { input: { data, dims }, extra: { data, dims } },
      'ERR_PRESISI_SHAPE_MISMATCH',
      'the network has no input "extra"',
    ],
  ] as const)('refuses %#', (feeds, code, message) =>
    withEngine('classifier', async (engine) => {
      const error = await presisiRejection(engine.run(feeds as never), code);
      expect(error.message).toBe(message);
      expect(error.stack).toContain('engine.test.ts');
      expect(() => engine.runSync(feeds as never)).toThrow(expect.objectContaining({ code, message }));
    }),
  );

  test('refuses a batch larger than the engine’s', () =>
    withEngine('classifier', async (engine) => {
      const error = await presisiRejection(engine.run(picture(9)), 'ERR_PRESISI_SHAPE_MISMATCH');
      expect(error.message).toMatch(/at most 8/);
      expect(error.stack).toContain('engine.test.ts');
    }));

  test('takes a larger batch when loaded for one', async () => {
    const engine = await loadEngine(path('classifier.engine'), { maxBatch: 9 });
    expect(engine.maxBatch).toBe(9);
    expect((await engine.run(picture(9))).logits?.dims).toEqual([9, 4]);
    await engine.dispose();
  });

  test('does not hold up the event loop', () =>
    withEngine('slow', async (engine) => {
      const running = engine.run({ input: { data: new Float32Array(3 * 65536), dims: [1, 3, 256, 256] } });
      const delays: number[] = [];
      let over = false;
      running.finally(() => {
        over = true;
      });
      while (!over) {
        const start = performance.now();
        await sleep(1);
        delays.push(performance.now() - start);
      }
      await running;
      delays.sort((a, b) => a - b);
      // The median: a busy machine may delay a timer, presisi may not.
      expect(delays[delays.length >> 1]).toBeLessThan(5);
    }));
});

describe('abort', () => {
  const feeds: Feeds = { input: { data: new Float32Array(3 * 65536), dims: [1, 3, 256, 256] } };

  test('before: nothing starts, and the reason is what comes out', () =>
    withEngine('slow', async (engine) => {
      const reason = new Error('changed my mind');
      expect(await rejection(engine.run(feeds, { signal: AbortSignal.abort(reason) }))).toBe(reason);
    }));

  test('during: within 200 ms, and the listener is gone', () =>
    withEngine('slow', async (engine) => {
      const controller = new AbortController();
      const { signal } = controller;
      const running = rejection(engine.run(feeds, { signal }));
      await sleep(20);
      expect(getEventListeners(signal, 'abort')).toHaveLength(1);
      const start = performance.now();
      controller.abort();
      expect((await running).name).toBe('AbortError');
      expect(performance.now() - start).toBeLessThan(200);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }));

  test('while queued: at once, and the others go on', () =>
    withEngine('slow', async (engine) => {
      const controller = new AbortController();
      const first = engine.run(feeds);
      const queued = rejection(engine.run(feeds, { signal: controller.signal }));
      const start = performance.now();
      controller.abort('never mind');
      expect(await queued).toBe('never mind');
      expect(performance.now() - start).toBeLessThan(100);
      expect((await first).output?.dims).toEqual([1, 3, 1, 1]);
    }));

  test('refuses what is no signal', () =>
    withEngine('slow', async (engine) => {
      await presisiRejection(engine.run(feeds, { signal: 1 as never }), 'ERR_PRESISI_INVALID_ARGUMENT');
    }));
});

describe('runSync', () => {
  test('computes what run() does', () =>
    withEngine('classifier', async (engine) => {
      for (const batch of [1, 3, 8]) {
        expect(engine.runSync(picture(batch))).toEqual(await engine.run(picture(batch)));
      }
    }));

  test('goes between runs that queue, and disturbs none', () =>
    withEngine('classifier', async (engine) => {
      const of = (value: number): Feeds => ({
        input: { data: new Float32Array(8 * 768).fill(value), dims: [8, 3, 16, 16] },
      });
      const [one, two] = [await engine.run(of(1)), await engine.run(of(2))];
      expect(one).not.toEqual(two);
      const queued = Array.from({ length: 40 }, (_, i) => engine.run(of(1 + (i % 2))));
      expect(engine.runSync(of(1))).toEqual(one);
      expect(engine.runSync(of(2))).toEqual(two);
      for (const [i, outputs] of (await Promise.all(queued)).entries()) expect(outputs).toEqual(i % 2 ? two : one);
    }));

  test('threads are kept on one side at a time: with two teams libgomp would let both sleep at every barrier', async () => {
    await quantize(fixture('slow'), { precision: 'fp32', output: path('cpu.engine'), backend: 'cpu' });
    const engine = await loadEngine(path('cpu.engine'), { threads: 2 });
    const feeds = { input: { data: new Float32Array(3 * 65536), dims: [1, 3, 256, 256] } };
    // Those of a team have the name of the thread that began it.
    const teams = async (): Promise<Record<string, number>> => {
      const ids = await readdir('/proc/self/task');
      const names = await Promise.all(ids.map((id) => readFile(`/proc/self/task/${id}/comm`, 'utf8').catch(() => '')));
      const ofLane = names.filter((name) => name === 'presisi-run\n').length;
      return { all: names.filter((name) => name !== '').length, ofLane };
    };
    await engine.run(feeds);
    expect((await teams()).ofLane).toBe(2);
    const { all } = await teams();
    for (let i = 0; i < 3; i += 1) {
      engine.runSync(feeds);
      await expect.poll(teams).toEqual({ all, ofLane: 1 });
      await engine.run(feeds);
      await expect.poll(teams).toEqual({ all, ofLane: 2 });
    }
    await engine.dispose();
  });

  test('outputs are the caller’s own', () =>
    withEngine('classifier', async (engine) => {
      const first = engine.runSync(picture()).logits?.data as Float32Array;
      const copy = first.slice();
      first.fill(0);
      expect(engine.runSync(picture()).logits?.data).toEqual(copy);
    }));

  test('refuses what the backend refuses, with the caller’s line', () =>
    withEngine('classifier', async (engine) => {
      let error: unknown;
      try {
        engine.runSync(picture(9));
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toMatchObject({ name: 'PresisiError', code: 'ERR_PRESISI_SHAPE_MISMATCH' });
      expect((error as Error).stack).toContain('engine.test.ts');
      expect(engine.runSync(picture()).logits?.dims).toEqual([1, 4]);
    }));
});

describe('dispose', () => {
  test('waits for what runs, then nothing runs', async () => {
    const engine = await loadEngine(path('classifier.engine'));
    const running = Array.from({ length: 20 }, () => engine.run(picture()));
    const order: string[] = [];
    const last = running.at(-1)?.then(() => order.push('run'));
    expect(engine.disposed).toBe(false);
    await Promise.all([last, engine.dispose().then(() => order.push('disposed'))]);
    expect(engine.disposed).toBe(true);
    expect(order).toEqual(['run', 'disposed']);
    await Promise.all(running);
    await presisiRejection(engine.run(picture()), 'ERR_PRESISI_DISPOSED');
    expect(() => engine.runSync(picture())).toThrow(expect.objectContaining({ code: 'ERR_PRESISI_DISPOSED' }));
    await presisiRejection(engine.inspect(), 'ERR_PRESISI_DISPOSED');
    await engine.dispose();
    await engine[Symbol.asyncDispose]();
  });

  test('gives the memory back: the file is mapped no more', async () => {
    const mappings = async () => (await readFile('/proc/self/maps', 'utf8')).split(path('mapped.engine')).length - 1;
    await quantize(fixture('classifier'), { precision: 'fp32', output: path('mapped.engine'), backend: 'reference' });
    const engines = await Promise.all([1, 2, 3].map(() => loadEngine(path('mapped.engine'))));
    expect(await mappings()).toBe(3);
    await Promise.all(engines.map((engine) => engine.dispose()));
    expect(await mappings()).toBe(0);
  });
});

describe('inspect', () => {
  test('names layers and precisions', () =>
    withEngine('classifier', async (engine) => {
      const inspection = await engine.inspect();
      expect(inspection).toMatchObject({ backend: 'reference', precision: 'fp32', metadata: engine.metadata });
      expect(inspection.layers.map((layer) => layer.op)).toContain('Conv');
      expect(inspection.seconds).toBeUndefined();
      for (const layer of inspection.layers) expect(layer.seconds).toBeUndefined();
    }));

  test('profiles', () =>
    withEngine('classifier', async (engine) => {
      const { layers, seconds, arenaBytes } = await engine.inspect({ profile: true, runs: 3 });
      expect(seconds).toBeGreaterThan(0);
      expect(arenaBytes).toBeGreaterThanOrEqual(0);
      const sum = layers.reduce((total, layer) => total + (layer.seconds ?? Number.NaN), 0);
      expect(sum).toBeGreaterThan(0);
      await presisiRejection(engine.inspect({ runs: 0 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    }));
});

describe('loading', () => {
  const refused = async (bytes: Buffer, code: Parameters<typeof presisiRejection>[1]) => {
    await writeFile(path('refused.engine'), bytes);
    return presisiRejection(loadEngine(path('refused.engine')), code);
  };
  const good = () => readFile(path('classifier.engine'));

  test('files that are no engines', async () => {
    await presisiRejection(loadEngine(path('absent.engine')), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(loadEngine(folder), 'ERR_PRESISI_FILE_SYSTEM');
    await presisiRejection(loadEngine(''), 'ERR_PRESISI_INVALID_ARGUMENT');
    await presisiRejection(loadEngine(path('classifier.engine'), { threads: -1 }), 'ERR_PRESISI_INVALID_ARGUMENT');
    await refused(Buffer.alloc(0), 'ERR_PRESISI_INVALID_ENGINE');
    await refused(await readFile(fixture('classifier')), 'ERR_PRESISI_INVALID_ENGINE');
  });

  test('cut short, or with one byte changed', async () => {
    const bytes = await good();
    for (const end of [10, 63, 100, 4096, bytes.length - 1]) {
      await refused(bytes.subarray(0, end), 'ERR_PRESISI_INVALID_ENGINE');
    }
    for (const offset of [100, bytes.length - 5]) {
      const changed = Buffer.from(bytes);
      changed[offset] = (changed[offset] as number) ^ 1;
      await refused(changed, 'ERR_PRESISI_INVALID_ENGINE');
    }
  });

  test('another format version', async () => {
    const bytes = await good();
    bytes.writeUInt32LE(99, 8);
    await refused(bytes, 'ERR_PRESISI_INCOMPATIBLE_ENGINE');
  });

  test('an engine is only made by loadEngine', async () => {
    const Forged = Engine as unknown as new (opened: object, about: object) => Engine;
    const forged = new Forged({ inputs: [], outputs: [], handle: {} }, { metadata: {} });
    await presisiRejection(forged.run({}), 'ERR_PRESISI_INVALID_ARGUMENT');
  });
});
