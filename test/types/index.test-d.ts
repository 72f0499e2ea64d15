import { expectTypeOf } from 'vitest';
import {
  type Candidate,
  type Engine,
  infer,
  loadEngine,
  type Prediction,
  PresisiError,
  type PresisiErrorCode,
  type QuantizeResult,
  quantize,
  readCalibration,
  type Span,
  type Tensor,
} from '../../lib/index.js';

// What users write, and what they get.
expectTypeOf(quantize('m.onnx', { precision: 'fp16', output: 'm.engine' })).resolves.toEqualTypeOf<QuantizeResult>();
expectTypeOf(loadEngine('m.engine')).resolves.toEqualTypeOf<Engine>();
expectTypeOf<QuantizeResult['decisions'][number]['reason']>().toEqualTypeOf<string>();
expectTypeOf<QuantizeResult['span']>().toEqualTypeOf<Span>();
expectTypeOf<Engine['loadSpan']>().toEqualTypeOf<Span>();
expectTypeOf<Prediction['timings']['h2d']>().toEqualTypeOf<number | undefined>();

async function use(): Promise<void> {
  await using engine = await loadEngine('m.engine', { threads: 2 });
  const outputs = await engine.run({ input: { data: new Float32Array(3), dims: [1, 3] } });
  expectTypeOf(outputs).toEqualTypeOf<Record<string, Tensor>>();
  const predictions = await infer(engine, ['a.jpg', Buffer.from('')], { topK: 1, signal: AbortSignal.timeout(1) });
  expectTypeOf(predictions).toEqualTypeOf<Prediction[]>();
  expectTypeOf<Prediction['top'][number]>().toEqualTypeOf<Candidate>();
  const table = await readCalibration('c.json');
  expectTypeOf(table.fingerprint.samples).toBeNumber();
}
expectTypeOf(use).returns.resolves.toBeVoid();

expectTypeOf(new PresisiError('ERR_PRESISI_INTERNAL', 'm').code).toEqualTypeOf<PresisiErrorCode>();
expectTypeOf<'ERR_PRESISI_DISPOSED'>().toExtend<PresisiErrorCode>();

// What the compiler must refuse.
// @ts-expect-error a precision that doesn't exist
quantize('m.onnx', { precision: 'int4', output: 'm.engine' });
// @ts-expect-error precision is needed
quantize('m.onnx', { output: 'm.engine' });
// @ts-expect-error calibration is one of three things
quantize('m.onnx', { precision: 'int8', output: 'm.engine', calibration: { pictures: 'folder' } });
// @ts-expect-error plain arrays are no tensors
void ((engine: Engine) => engine.run({ input: { data: [1, 2, 3], dims: [3] } }));
// @ts-expect-error an error code that doesn't exist
new PresisiError('ERR_PRESISI_OOPS', 'm');
// @ts-expect-error engines come from loadEngine
type _Made = ConstructorParameters<typeof Engine>;
