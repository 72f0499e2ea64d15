import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backends, operators, PresisiError } from '../../lib/index.js';
import { native } from '../../lib/native.js';
import { ROOT, rejection } from './support.js';

describe('PresisiError', () => {
  test('is what it says', () => {
    const cause = new Error('deeper');
    const error = new PresisiError('ERR_PRESISI_INTERNAL', 'message', { hint: 'hint', cause });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'PresisiError',
      code: 'ERR_PRESISI_INTERNAL',
      message: 'message',
      hint: 'hint',
      cause,
    });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'ERR_PRESISI_INTERNAL',
      message: 'message',
      hint: 'hint',
    });
    const plain = new PresisiError('ERR_PRESISI_INTERNAL', 'message');
    expect('hint' in plain).toBe(false);
    expect('cause' in plain).toBe(false);
  });

  test('has every code of the native engine, and only five of its own', async () => {
    const codes = (text: string, pattern: RegExp) => new Set(Array.from(text.matchAll(pattern), ([, code]) => code));
    const ours = codes(await readFile(join(ROOT, 'lib', 'errors.ts'), 'utf8'), /\| '(ERR_PRESISI_\w+)'/g);
    const theirs = codes(await readFile(join(ROOT, 'cpp', 'core', 'error.cpp'), 'utf8'), /return "(ERR_PRESISI_\w+)"/g);
    expect(theirs.size).toBeGreaterThan(10);
    expect([...theirs].filter((code) => !ours.has(code))).toEqual([]);
    expect([...ours].filter((code) => !theirs.has(code)).sort()).toEqual([
      'ERR_PRESISI_INVALID_DATASET',
      'ERR_PRESISI_INVALID_EXPERIMENT',
      'ERR_PRESISI_INVALID_IMAGE',
      'ERR_PRESISI_INVALID_RESULTS',
      'ERR_PRESISI_LOAD_FAILED',
    ]);
  });
});

describe('the addon itself', () => {
  const addon = native() as unknown as Record<string, (...args: unknown[]) => unknown>;

  test('is of the package’s version', () => {
    const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
    expect(addon.version).toBe(version);
  });

  /** Calls that the library never makes: whatever comes in, an error comes out and never a crash. */
  test.each([
    ['loadModel', []],
    ['loadModel', [{}]],
    ['createCalibrator', [null, null, null]],
    ['createCalibrator', [{}, { backend: 'reference' }, {}]],
    ['collectImages', [{}, {}]],
    ['collectImages', [{}, { pixels: new Uint8Array(3), input: 'x', count: 1e9, height: 1, width: 1 }]],
    ['collectFeeds', [{}, 'feeds']],
    ['solveCalibration', [undefined, { method: 'guess' }]],
    ['parseTable', [1]],
    ['writeText', []],
    ['buildEngine', [{}, {}]],
    ['openEngine', [1, {}]],
    ['runFeeds', [{}, []]],
    ['runFeeds', [addon.createStop?.(), []]],
    ['runImages', [{}, { input: 'x', pixels: 'y' }]],
    ['inspectEngine', [{}, { runs: -1 }]],
    ['requestStop', [{}]],
    ['closeHandle', [{}]],
    ['closeHandle', []],
    ['initialize', []],
  ])('%s refuses %j', async (name, args) => {
    const error = await rejection(Promise.resolve().then(() => addon[name]?.(...args)));
    expect(error).toBeInstanceOf(PresisiError);
    expect(['ERR_PRESISI_INVALID_ARGUMENT', 'ERR_PRESISI_SHAPE_MISMATCH']).toContain((error as PresisiError).code);
  });
});

test('backends: the reference is always there, and each says what it is or why not', async () => {
  const found = await backends();
  expect(found.map(({ name }) => name)).toContain('reference');
  for (const backend of found) {
    if (backend.available) expect(backend.precisions).toContain('fp32');
    else expect(backend.reason).not.toBe('');
  }
  expect(found.find(({ name }) => name === 'reference')).toMatchObject({
    available: true,
    precisions: expect.arrayContaining(['fp32', 'fp16', 'int8']),
  });
});

test('operators', () => {
  const convolution = operators().find(({ domain, name }) => domain === '' && name === 'Conv');
  expect(convolution?.since).toBeLessThanOrEqual(convolution?.until ?? 0);
});
