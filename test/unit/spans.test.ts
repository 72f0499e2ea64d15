import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { convert, loadEngine, makeModel, quantize, type Span } from '../../lib/index.js';
import { type NativeJob, native } from '../../lib/native.js';
import { SpanRecorder } from '../../lib/telemetry/spans.js';
import { fixture, pictureFolder, presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const pictures = await pictureFolder(folder, 12);
const path = (name: string): string => join(folder, name);
const checkpoint = join(ROOT, 'models', 'zoo', 'mobilenet_v3_small.pth');

const names = ({ spans }: Span): string[] => spans.map(({ name }) => name);
const sum = (spans: readonly Span[]): number => spans.reduce((all, { seconds }) => all + seconds, 0);
const child = (span: Span, name: string): Span => {
  const found = span.spans.find((each) => each.name === name);
  if (found === undefined) throw new Error(`${span.name} has no ${name}, but ${names(span)}`);
  return found;
};

/** Rounding: seconds since the machine was started are kept in a double. */
const EPSILON = 1e-6;

/** What holds of every tree, however busy the machine is. */
function checkTree(span: Span): void {
  const { start, seconds, cpuSeconds = Number.NaN, rssBytes = Number.NaN, count = 1, spans } = span;
  expect(seconds).toBeGreaterThanOrEqual(0);
  expect(cpuSeconds).toBeGreaterThanOrEqual(0);
  expect(rssBytes).toBeGreaterThan(1e6);
  expect(sum(spans)).toBeLessThanOrEqual(seconds + EPSILON);
  expect(new Set(names(span)).size).toBe(spans.length);
  let last = start;
  for (const part of spans) {
    // In the order they began, none before the one that took place once has ended.
    expect(part.start).toBeGreaterThanOrEqual(last - EPSILON);
    last = part.count === undefined ? part.start + part.seconds : part.start;
    if (count === 1) expect(last).toBeLessThanOrEqual(start + seconds + EPSILON);
    expect(part.rssBytes).toBeLessThanOrEqual(rssBytes);
    checkTree(part);
  }
}

/** The largest share of a phase that none of its parts has, beyond 2 ms. */
function missing({ seconds, spans }: Span): number {
  if (spans.length === 0) return 0;
  return Math.max((seconds - sum(spans) - 2e-3) / seconds, ...spans.map(missing));
}

/** Runs until the parts add up: a busy machine may hold up what lies between two of them, but not every time. */
async function traced(work: () => Promise<Span>): Promise<Span> {
  let least = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const span = await work();
    checkTree(span);
    least = Math.min(least, missing(span));
    if (least < 0.02) return span;
  }
  throw new Error(`${(least * 100).toFixed(1)} % of a phase is in none of its parts`);
}

describe('phase 1', () => {
  const output = path('model.onnx');

  test('a checkpoint', async () => {
    const span = await traced(async () => (await convert(checkpoint, { output })).span);
    expect(span.name).toBe('convert');
    expect(names(span)).toEqual([
      'start',
      'hash',
      'dispatch',
      'read',
      'assemble',
      'optimize',
      'release',
      'check',
      'write',
    ]);
    // Native phases work on a thread of their own, by the same clocks.
    expect(child(span, 'optimize').cpuSeconds).toBeGreaterThan(1e-3);
    expect(span.start + span.seconds).toBeLessThanOrEqual(seconds());
  });

  test('an ONNX file, and a seed', async () => {
    const made = await traced(
      async () => (await makeModel('mobilenet_v2', { output, width: 0.25, inputSize: 64 })).span,
    );
    expect(made.name).toBe('make');
    expect(names(made)).toEqual(['start', 'dispatch', 'assemble', 'optimize', 'check', 'write', 'release']);
    const span = await traced(async () => (await convert(output, { output: path('b.onnx'), simplify: true })).span);
    expect(names(span)).toEqual(['start', 'hash', 'dispatch', 'read', 'optimize', 'check', 'write', 'release']);
  });

  test('the Python exporter; what its process computes counts', async () => {
    const python = path('python3');
    const body = [
      'if [ "$1" = -c ]; then printf 3.11; exit; fi',
      'i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done',
      `cat /proc/$$/stat > '${path('stat')}'`,
      `output=$(printf %s "$2" | sed 's/.*"output":"\\([^"]*\\)".*/\\1/')`,
      `cp '${fixture('classifier')}' "$output"`,
      'printf \'{"versions":{"python":"3.11"}}\'',
    ];
    await writeFile(python, `#!/bin/sh\n${body.join('\n')}\n`);
    await chmod(python, 0o755);
    const options = { output, exporter: 'python', python, architecture: 'nets:make' } as const;
    const span = await traced(async () => (await convert(checkpoint, options)).span);
    expect(names(span)).toEqual([
      'start',
      'export',
      'hash',
      'dispatch',
      'read',
      'optimize',
      'check',
      'write',
      'release',
    ]);
    const exported = child(span, 'export');
    // What the shell took by its own account, in hundredths of a second: much more than this process, which waits.
    const computed = Number((await readFile(path('stat'), 'utf8')).split(' ')[13]) / 100;
    expect(computed).toBeGreaterThan(0.05);
    expect(exported.cpuSeconds).toBeGreaterThanOrEqual(computed - 0.02);
    expect(span.cpuSeconds).toBeGreaterThanOrEqual(exported.cpuSeconds as number);
  });
});

/** As `process.hrtime()` gives them. */
function seconds(): number {
  const [whole, nanoseconds] = process.hrtime();
  return whole + nanoseconds / 1e9;
}

describe('phase 2', () => {
  const data = Float32Array.from({ length: 768 }, (_, i) => Math.sin(i));
  const build = ['probe', 'quantize', 'build', 'serialize', 'write'];
  const quantized = (options: object): Promise<Span> =>
    traced(
      async () =>
        (
          await quantize(fixture('classifier'), {
            precision: 'int8',
            output: path('a.engine'),
            backend: 'reference',
            ...options,
          })
        ).span,
    );

  test.each(['fp32', 'fp16'])('%s', async (precision) => {
    const span = await quantized({ precision });
    expect(span.name).toBe('quantize');
    expect(names(span)).toEqual(['start', 'hash', 'dispatch', 'read', 'optimize', 'release', ...build]);
    expect(span.spans.every(({ spans }) => spans.length === 0)).toBe(true);
  });

  test('int8: the network waits for pictures, runs, and what it computes is counted', async () => {
    const span = await quantized({ calibration: { images: pictures, batchSize: 4 }, onnxOutput: path('a.onnx') });
    expect(names(span)).toEqual(
      ['start', 'hash', 'dispatch', 'read', 'optimize', 'release', 'calibrate', 'solve'].concat(
        build.flatMap((name) => (name === 'quantize' ? ['quantize', 'export'] : [name])),
      ),
    );
    const calibrate = child(span, 'calibrate');
    expect(names(calibrate)).toEqual(['dispatch', 'prepare', 'decode', 'preprocess', 'run', 'collect', 'hash']);
    expect(child(calibrate, 'preprocess').count).toBe(3);
    const { count: runs = 1 } = child(calibrate, 'run');
    expect(runs).toBeGreaterThan(3);
    expect(child(calibrate, 'collect').count).toBe(runs);
    expect(child(calibrate, 'decode').seconds).toBeGreaterThan(0);
  });

  test('int8 with tensors, kept in a cache and read from it', async () => {
    const calibrated = path('kept.json');
    const batches = Array.from({ length: 5 }, () => ({ input: { data, dims: [1, 3, 16, 16] } }));
    const collected = await quantized({ calibration: { batches, saveCache: calibrated } });
    const before = ['start', 'hash', 'dispatch', 'read', 'optimize', 'release'];
    expect(names(collected)).toEqual([...before, 'calibrate', 'solve', 'cache', ...build]);
    const calibrate = child(collected, 'calibrate');
    expect(names(calibrate)).toEqual(['dispatch', 'prepare', 'feeds', 'hash', 'run', 'collect']);
    expect(child(calibrate, 'feeds').count).toBe(5);
    expect(names(await quantized({ calibration: { cache: calibrated } }))).toEqual([...before, 'cache', ...build]);
  });

  test('a caller who takes long to give tensors sees it', async () => {
    async function* batches() {
      for (let i = 0; i < 2; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 30));
        yield { input: { data, dims: [1, 3, 16, 16] } };
      }
    }
    const { span } = await quantize(fixture('classifier'), {
      precision: 'int8',
      output: path('slow.engine'),
      backend: 'reference',
      calibration: { batches: batches() },
    });
    expect(child(child(span, 'calibrate'), 'feeds').seconds).toBeGreaterThan(0.055);
  });

  test('two at once share a thread: waiting for it is dispatch', async () => {
    const one = (name: string) =>
      quantize(fixture('slow'), { precision: 'fp32', output: path(name), backend: 'reference' });
    const [first, second] = await Promise.all([one('1.engine'), one('2.engine')]);
    for (const { span } of [first, second]) checkTree(span);
    // Natively, one works while the other waits.
    const native = (span: Span): number => sum(['read', 'optimize', ...build].map((name) => child(span, name)));
    const waited = Math.max(...[first, second].map(({ span }) => child(span, 'dispatch').seconds));
    expect(waited).toBeGreaterThan(0.2 * Math.min(native(first.span), native(second.span)));
  });
});

test('loading an engine', async () => {
  await quantize(fixture('classifier'), { precision: 'fp32', output: path('load.engine'), backend: 'reference' });
  const span = await traced(async () => {
    const engine = await loadEngine(path('load.engine'));
    await engine.dispose();
    return engine.loadSpan;
  });
  expect(span.name).toBe('load');
  expect(names(span)).toEqual(['start', 'dispatch', 'map', 'probe', 'deserialize', 'metadata']);
});

describe('a native job', () => {
  test('that fails tells what it did, before it rejects', async () => {
    const bytes = await readFile(join(ROOT, 'test', 'fixtures', 'checkpoints', 'efficientnet_b1.safetensors'));
    const broken = path('broken.safetensors');
    const text = bytes.toString('latin1').replace('"features.0.1.bias"', '"features.0.1.byas"');
    await writeFile(broken, Buffer.from(text, 'latin1'));
    const seen: NativeJob[] = [];
    const failing = native()
      .convertModel(broken, { output: path('none.onnx') }, { onSpans: (job) => seen.push(job) })
      .catch((error: unknown) => {
        expect(seen).toHaveLength(1);
        throw error;
      });
    await presisiRejection(failing, 'ERR_PRESISI_INVALID_MODEL');
    const [job] = seen as [NativeJob];
    expect(job.spans.map(({ name }) => name)).toEqual(['read', 'assemble']);
    expect(job.begin.time).toBeLessThanOrEqual(job.spans[0]?.start as number);
    expect(job.begin.cpu).toBeLessThanOrEqual(job.end.cpu);
    expect(job.end.rss).toBeGreaterThan(1e6);
  });

  test('that never began tells nothing; what its listener throws is what it rejects with', async () => {
    const reason = new Error('no spans, please');
    const loading = (onSpans: (job: NativeJob) => void, stop = native().createStop()) =>
      native().loadModel(fixture('classifier'), {}, { onSpans, stop });
    expect(
      await rejection(
        loading(() => {
          throw reason;
        }),
      ),
    ).toBe(reason);
    const [first, second] = [native().createStop(), native().createStop()];
    const seen: string[] = [];
    let onProgress = (): void => {};
    const begun = new Promise<void>((resolve) => {
      onProgress = resolve;
    });
    const busy = native().makeModel(
      'densenet201',
      { output: path('never.onnx'), seed: 1 },
      { stop: first, onProgress, onSpans: () => seen.push('busy') },
    );
    await begun;
    const waiting = loading(() => seen.push('waiting'), second);
    native().requestStop(second);
    await presisiRejection(waiting, 'ERR_PRESISI_CANCELED');
    native().requestStop(first);
    await presisiRejection(busy, 'ERR_PRESISI_CANCELED');
    expect(seen).toEqual(['busy']);
  });
});

describe('the recorder', () => {
  test('one name within one phase is one part, with its times added', async () => {
    const spans = new SpanRecorder('all');
    spans.lap('start');
    for (let i = 0; i < 2; i += 1) {
      await spans.during('outer', () => spans.during('inner', async () => {}));
    }
    spans.lap('end');
    const all = spans.finish();
    checkTree(all);
    expect(names(all)).toEqual(['start', 'outer', 'end']);
    expect(child(all, 'outer').count).toBe(2);
    expect(names(child(all, 'outer'))).toEqual(['inner']);
    expect(child(child(all, 'outer'), 'inner').count).toBe(2);
    expect(all).not.toHaveProperty('count');
  });

  test('a phase that fails has ended', async () => {
    const spans = new SpanRecorder('all');
    await rejection(spans.during('failing', () => Promise.reject(new Error('no'))));
    await spans.during('next', async () => {});
    expect(names(spans.finish())).toEqual(['failing', 'next']);
  });

  test('CPU time that is not known makes none up', async () => {
    const spans = new SpanRecorder('all');
    await spans.during('known', async () => {});
    await spans.during('elsewhere', async () => spans.charge(Number.NaN));
    const all = spans.finish();
    expect(child(all, 'known')).toHaveProperty('cpuSeconds');
    expect(child(all, 'elsewhere')).not.toHaveProperty('cpuSeconds');
    expect(all).not.toHaveProperty('cpuSeconds');
  });
});
