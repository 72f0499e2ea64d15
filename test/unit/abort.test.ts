import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Feeds, type Progress, quantize } from '../../lib/index.js';
import { fixture, pictureFolder, rejection, sleep, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const outputs = join(folder, 'outputs');
await mkdir(outputs);
const output = join(outputs, 'model.engine');
const onnxOutput = join(outputs, 'model.onnx');
const pictures = await pictureFolder(folder, 6);
const feeds: Feeds = { input: { data: new Float32Array(3 * 65536).fill(0.5), dims: [1, 3, 256, 256] } };

/** Aborts once `when` says so; gives the rejection and how long it took from there. */
async function abortWhen(
  options: Omit<Parameters<typeof quantize>[1], 'signal' | 'onProgress'>,
  when: (progress: Progress) => boolean,
): Promise<{ error: Error; milliseconds: number }> {
  const controller = new AbortController();
  let aborted = Number.NaN;
  const onProgress = (progress: Progress): void => {
    if (controller.signal.aborted || !when(progress)) return;
    // Not from inside the listener: a user's click comes at any time.
    setTimeout(() => {
      aborted = performance.now();
      controller.abort(new Error('enough'));
    }, 10);
  };
  const error = await rejection(quantize(fixture('slow'), { ...options, signal: controller.signal, onProgress }));
  return { error, milliseconds: performance.now() - aborted };
}

async function* endless(): AsyncGenerator<Feeds> {
  for (;;) yield feeds;
}

describe('a signal', () => {
  const base = { precision: 'int8', output, onnxOutput, backend: 'reference' } as const;

  test('already aborted: nothing starts', async () => {
    const reason = new Error('too late');
    const calibration = { images: pictures };
    const error = await rejection(
      quantize(fixture('slow'), { ...base, calibration, signal: AbortSignal.abort(reason) }),
    );
    expect(error).toBe(reason);
  });

  test.each([
    ['while collecting from tensors', { batches: endless() }],
    ['while collecting from pictures', { images: Array<string>(20).fill(pictures) }],
  ])('%s', async (_, calibration) => {
    const { error, milliseconds } = await abortWhen({ ...base, calibration }, ({ phase }) => phase === 'calibrate');
    expect(error.message).toBe('enough');
    expect(milliseconds).toBeLessThan(300);
  });

  test('by a timeout', async () => {
    const signal = AbortSignal.timeout(300);
    const error = await rejection(quantize(fixture('slow'), { ...base, calibration: { batches: endless() }, signal }));
    expect(error.name).toBe('TimeoutError');
  });

  test('leaves no file behind', async () => {
    await sleep(100);
    expect(await readdir(outputs)).toEqual([]);
  });

  test('a generator of feeds is told to end', async () => {
    let ended = false;
    async function* watched(): AsyncGenerator<Feeds> {
      try {
        for (;;) yield feeds;
      } finally {
        ended = true;
      }
    }
    await abortWhen({ ...base, calibration: { batches: watched() } }, ({ phase }) => phase === 'calibrate');
    expect(ended).toBe(true);
  });
});

test('quantize leaves the event loop free', async () => {
  const delays: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    delays.push(now - last);
    last = now;
  }, 1);
  const calibration = { images: Array<string>(3).fill(pictures), batchSize: 4 };
  await quantize(fixture('classifier'), { precision: 'int8', output, backend: 'reference', calibration });
  clearInterval(timer);
  delays.sort((a, b) => a - b);
  expect(delays.length).toBeGreaterThan(5);
  // Not the maximum: a busy machine may delay a timer, presisi may not.
  expect(delays[Math.floor(delays.length * 0.75)]).toBeLessThan(10);
});
