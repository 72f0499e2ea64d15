import { expect, test } from 'vitest';
import { auditOf } from '../../lib/audit.js';
import type { Layer } from '../../lib/index.js';

const layer = (name: string, precision: string, macs: number, more: Partial<Layer> = {}): Layer => ({
  name,
  op: 'Conv',
  requested: precision,
  precision,
  kernel: 'k',
  fused: [],
  outputDims: [],
  macs,
  weightBytes: 0,
  activationBytes: 0,
  reformat: false,
  ...more,
});

test('nothing stands in the way where everything is INT8', () => {
  const audit = auditOf([layer('a', 'int8', 100), layer('b', 'int8', 300)], 'int8');
  expect(audit).toEqual({ macs: { int8: 1 }, reformats: 0, fallbacks: [], verdict: [] });
});

test('shares, reformats and fallbacks, with a verdict', () => {
  const layers = [
    layer('a', 'int8', 100, { seconds: 1 }),
    layer('b', 'fp16', 300, { seconds: 2, requested: 'int8', reason: 'no INT8 kernel' }),
    layer('c', '', 0, { seconds: 1, reformat: true }),
  ];
  const audit = auditOf(layers, 'int8');
  expect(audit).toMatchObject({
    macs: { int8: 0.25, fp16: 0.75 },
    time: { int8: 0.25, fp16: 0.5, unknown: 0.25 },
    reformats: 1,
    reformatTime: 0.25,
    fallbacks: [{ layer: 'b', asked: 'int8', got: 'fp16', why: 'no INT8 kernel' }],
  });
  expect(audit.verdict).toHaveLength(4);
  expect(audit.verdict[3]).toContain('no INT8 kernel');
});

test('what is not known is absent, and other precisions get no verdict', () => {
  const audit = auditOf([layer('a', 'fp32', 0)], 'fp32');
  expect(audit).toEqual({ reformats: 0, fallbacks: [], verdict: [] });
});
