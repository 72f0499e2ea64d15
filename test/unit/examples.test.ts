import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { loadEngine } from 'presisi';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BatchingQueue, QueueFullError } from '../../examples/batching.js';
import { JpegSplitter, latestOf } from '../../examples/mjpeg.js';
import { type Finished, ROOT, sleep, temporaryFolder } from './support.js';

const checkpoint = join(ROOT, 'models', 'zoo', 'mobilenet_v3_small.pth');
const labels = join(ROOT, 'calibration-data', 'labels.txt');
const pictures = join(ROOT, 'calibration-data', 'images');
const picture = (name: string): Promise<Buffer> => readFile(join(pictures, 'test', name, '000.jpg'));

const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});

interface Example extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Waits for what the program prints. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
}

function start(name: string, ...args: string[]): Example {
  const child = spawn(process.execPath, ['--import', 'tsx', join('examples', `${name}.ts`), ...args], { cwd: ROOT });
  children.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (piece) => {
    stdout += piece;
  });
  child.stderr.on('data', (piece) => {
    stderr += piece;
  });
  child.stdin.on('error', () => {}); // a program that ends early doesn't read it
  const finished = once(child, 'close').then(([code, signal]): Finished => {
    children.delete(child);
    return { code, signal, stdout, stderr };
  });
  return {
    child,
    finished,
    async printed(pattern) {
      for (;;) {
        const found = pattern.exec(stdout);
        if (found) return found;
        if (child.exitCode !== null) throw new Error(`${name} ended without printing ${pattern}: ${stderr}`);
        await sleep(10);
      }
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await finished;
    },
  };
}

/** Runs a program to its end. */
function run(name: string, args: readonly string[], input: Uint8Array = new Uint8Array()): Promise<Finished> {
  const { child, finished } = start(name, ...args);
  child.stdin?.end(input);
  return finished;
}

/** The first `count` pictures of every class, without copying them. */
async function few(parent: string, split: string, count: number): Promise<string> {
  const folder = join(parent, split);
  for (const name of await readdir(join(pictures, split))) {
    await mkdir(join(folder, name), { recursive: true });
    const files = (await readdir(join(pictures, split, name))).sort().slice(0, count);
    for (const file of files) await symlink(join(pictures, split, name, file), join(folder, name, file));
  }
  return folder;
}

let folder: string;
let engine: string;
let quantized: Finished;

beforeAll(async () => {
  folder = await temporaryFolder();
  engine = join(folder, 'small.engine');
  const calibration = await few(folder, 'calibration', 1);
  const unseen = await few(folder, 'test', 1);
  quantized = await run('quantize-folder', [
    checkpoint,
    labels,
    calibration,
    unseen,
    '--backend',
    'cpu',
    '--output',
    engine,
  ]);
}, 30_000);

describe('quantize-folder', () => {
  test('makes an INT8 engine of a checkpoint and measures it with pictures it has not seen', () => {
    expect(quantized.stderr).toBe('');
    expect(quantized.code).toBe(0);
    expect(quantized.stdout).toContain('int8 on cpu');
    const [, correct, total] = /right about (\d+) of (\d+)/.exec(quantized.stdout) ?? [];
    expect(Number(total)).toBe(24);
    expect(Number(correct)).toBeGreaterThanOrEqual(20);
  });

  test('says what is wrong with its arguments', async () => {
    const [none, same, unknown, backend] = await Promise.all([
      run('quantize-folder', []),
      run('quantize-folder', [checkpoint, labels, join(folder, 'test'), join(folder, 'test')]),
      run('quantize-folder', ['--fast']),
      run('quantize-folder', [
        checkpoint,
        labels,
        join(folder, 'calibration'),
        join(folder, 'test'),
        '--backend',
        'abacus',
      ]),
    ]);
    expect([none.code, same.code, unknown.code, backend.code]).toEqual([2, 2, 2, 1]);
    expect(none.stderr).toContain('expected 4 arguments\nusage: quantize-folder <model>');
    expect(same.stderr).toContain('measured with other pictures');
    expect(unknown.stderr).toContain('--fast');
    expect(backend.stderr).toContain('abacus');
    for (const { stderr } of [none, same, unknown, backend]) expect(stderr).not.toContain('    at ');
  });
});

describe('JpegSplitter', () => {
  /** In pieces of `size` bytes. */
  function split(bytes: Uint8Array, size = bytes.length, splitter = new JpegSplitter()): Buffer[] {
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += size) frames.push(...splitter.push(bytes.subarray(at, at + size)));
    return frames;
  }
  const segment = (marker: number, ...content: number[]): number[] => [
    0xff,
    marker,
    (content.length + 2) >> 8,
    (content.length + 2) & 255,
    ...content,
  ];
  const SOI = [0xff, 0xd8];
  const EOI = [0xff, 0xd9];
  /** As small as a picture's structure gets, with all that must not be mistaken for its end or its start. */
  const tricky = Buffer.from([
    ...SOI,
    ...segment(0xe1, ...SOI, 1, 2, ...EOI, 3), // EXIF with a preview
    ...[0xff, 0xff, 0xff], // fill bytes before a marker
    ...segment(0xda, 0xff, 0xd9).slice(1),
    ...[7, 0xff, 0x00, 8, 0xff, 0xd3, 9, 0xff], // a stuffed byte, a restart, a fill byte
    ...segment(0xc4, 5), // a progressive picture has tables between its scans
    ...segment(0xda, 1),
    ...[0xff, 0x00, 0xd9],
    ...EOI,
  ]);

  test('gives pictures byte for byte, however the stream is cut', async () => {
    const photographs = [await picture('anemone'), await picture('dahlia')];
    expect(split(Buffer.concat(photographs), 4096)).toEqual(photographs);
    expect(split(Buffer.concat(photographs))).toEqual(photographs);
    for (const size of [1, 2, 3, 5, 7, 100])
      expect(split(Buffer.concat([tricky, tricky]), size)).toEqual([tricky, tricky]);
  });

  test('passes over what lies between pictures, and damaged ones', () => {
    const splitter = new JpegSplitter();
    const between = Buffer.from('--frame\r\nContent-Type: image/jpeg\r\n\r\n');
    const truncated = tricky.subarray(0, tricky.length - 2);
    const broken = Buffer.from([...SOI, ...segment(0xe0, 1, 2), 0x12, 0x34]);
    const short = Buffer.from([...SOI, 0xff, 0xe0, 0x00, 0x01]);
    const bytes = [between, tricky, Buffer.from([0xff]), truncated, tricky, broken, between, tricky, short, tricky];
    expect(split(Buffer.concat(bytes), 9, splitter)).toEqual([tricky, tricky, tricky, tricky]);
    expect(splitter.damaged).toBe(3);
  });

  test('holds no more of a picture without an end than a picture can have', () => {
    const splitter = new JpegSplitter();
    splitter.push(Buffer.from([...SOI, ...segment(0xda, 1)]));
    const noise = Buffer.alloc(1 << 20, 0x55);
    for (let i = 0; i < 17; i += 1) expect(splitter.push(noise)).toEqual([]);
    expect(splitter.damaged).toBe(1);
    expect(splitter.push(tricky)).toEqual([tricky]);
  });
});

test('latestOf gives what came last, and the error a source ends with', async () => {
  let dropped = 0;
  const seen: number[] = [];
  const source = Readable.from([1, 2, 3, 4, 5]);
  for await (const item of latestOf(source, () => (dropped += 1))) {
    seen.push(item);
    await sleep(20);
  }
  expect(seen.at(-1)).toBe(5);
  expect(seen.length + dropped).toBe(5);
  expect(dropped).toBeGreaterThan(0);

  async function* failing(): AsyncGenerator<number> {
    yield 1;
    throw new Error('the cable came off');
  }
  await expect(async () => {
    for await (const _ of latestOf(failing(), () => {}));
  }).rejects.toThrow('the cable came off');
});

describe('camera', () => {
  test('classifies every frame of a recording', async () => {
    const frames = await Promise.all(['anemone', 'dahlia', 'zinnia'].map(picture));
    const { code, stdout, stderr } = await run('camera', [engine, '--all'], Buffer.concat(frames));
    expect(stdout.split('\n').map((line) => line.split(' ')[0])).toEqual(['anemone', 'dahlia', 'zinnia', '']);
    expect(stdout).toMatch(/^dahlia {2}\d+\.\d % {2}\d+\.\d frames\/s$/m);
    expect(stderr).toContain('3 frames classified, 0 left out, 0 damaged');
    expect(code).toBe(0);
  });

  test('leaves frames out rather than lag behind, and ends cleanly on Ctrl-C', async () => {
    await using camera = start('camera', engine);
    const [first, last] = [await picture('dahlia'), await picture('anemone')];
    camera.child.stdin?.write(Buffer.concat([...Array.from({ length: 40 }, () => first), last]));
    await camera.printed(/^anemone/m);
    camera.child.kill('SIGINT');
    const { code, stderr } = await camera.finished;
    const [, classified, dropped] = /(\d+) frames classified, (\d+) left out/.exec(stderr) ?? [];
    expect(Number(classified) + Number(dropped)).toBe(41);
    expect(Number(dropped)).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  test('says what is wrong with its input', async () => {
    const [noise, missing] = await Promise.all([
      run('camera', [engine], Buffer.from('no picture at all')),
      run('camera', [join(folder, 'missing.engine')]),
    ]);
    expect([noise.code, missing.code]).toEqual([1, 1]);
    expect(noise.stderr).toContain('no JPEG picture');
    expect(missing.stderr).toContain('missing.engine: No such file');
  });
});

describe('BatchingQueue', () => {
  /** Longer than any test: a batch that starts has been filled. */
  const forever = 1_000_000;
  const stays = (): AbortSignal => new AbortController().signal;

  test('starts when a batch is full, and gives everybody their own answer', async () => {
    await using loaded = await loadEngine(engine);
    const queue = new BatchingQueue(loaded, forever);
    const [anemone, dahlia] = [await picture('anemone'), await picture('dahlia')];
    const waiting = Array.from({ length: 16 }, (_, i) => queue.classify(i % 3 === 0 ? anemone : dahlia, stays()));
    const found = (await Promise.all(waiting)).map(({ top }) => top[0]?.label);
    expect(found).toEqual(found.map((_, i) => (i % 3 === 0 ? 'anemone' : 'dahlia')));
    expect(queue.waiting).toBe(0);
  });

  test('forgets whoever leaves, and takes no more than it holds', async () => {
    await using loaded = await loadEngine(engine);
    const queue = new BatchingQueue(loaded, forever, 2);
    const leaving = new AbortController();
    const body = await picture('anemone');
    const left = [queue.classify(body, leaving.signal), queue.classify(body, leaving.signal)];
    await expect(queue.classify(body, stays())).rejects.toThrow(QueueFullError);
    leaving.abort(new Error('gone'));
    for (const { status } of await Promise.allSettled(left)) expect(status).toBe('rejected');
    await expect(left[0]).rejects.toThrow('gone');
    expect(queue.waiting).toBe(0);
    await expect(queue.classify(body, leaving.signal)).rejects.toThrow('gone');
  });

  test('stops a batch that nobody waits for any more', async () => {
    await using loaded = await loadEngine(engine, { maxBatch: 1 });
    const queue = new BatchingQueue(loaded, 0);
    const leaving = new AbortController();
    const body = await picture('anemone');
    const left = queue.classify(body, leaving.signal); // a full batch: it runs at once
    const next = queue.classify(body, stays());
    leaving.abort(new Error('gone'));
    await expect(left).rejects.toThrow('gone');
    expect((await next).top[0]?.label).toBe('anemone');
  });
});

describe('server', () => {
  let server: Example;
  let address: string;
  const classify = (body: RequestInit['body'], signal?: AbortSignal): Promise<Response> =>
    fetch(`${address}/classify`, { method: 'POST', body: body ?? null, ...(signal && { signal }) });

  beforeAll(async () => {
    server = start('server', engine, '--port', '0', '--wait', '20');
    address = (await server.printed(/http:\S+/))[0];
  }, 30_000);

  test('answers with what a picture shows, one or many at a time', async () => {
    const names = ['anemone', 'dahlia', 'zinnia'];
    const bodies = await Promise.all(names.map(picture));
    const answers = await Promise.all(
      Array.from({ length: 24 }, async (_, i) => {
        const response = await classify(bodies[i % 3] as Buffer<ArrayBuffer>);
        expect(response.status).toBe(200);
        return (await response.json()) as { top: { label: string; score: number }[] };
      }),
    );
    answers.forEach(({ top }, i) => {
      expect(top).toHaveLength(5);
      expect(top[0]?.label).toBe(names[i % 3]);
    });
    const health = await (await fetch(`${address}/health`)).json();
    expect(health).toEqual({ status: 'ok', backend: 'cpu', precision: 'int8', maxBatch: 8, waiting: 0 });
  });

  test('one bad picture does not disturb those in its batch', async () => {
    const good = await picture('dahlia');
    const responses = await Promise.all([classify(good), classify(good.subarray(0, 500)), classify(good)]);
    expect(responses.map(({ status }) => status)).toEqual([200, 422, 200]);
  });

  test('refuses what is no picture, too large, or nowhere', async () => {
    const responses = await Promise.all([
      classify('a letter'),
      classify(Buffer.alloc((10 << 20) + 1)),
      fetch(`${address}/elsewhere`),
      fetch(`${address}/classify`),
    ]);
    expect(responses.map(({ status }) => status)).toEqual([415, 413, 404, 404]);
    for (const response of responses) expect(await response.json()).toEqual({ error: expect.any(String) });
  });

  test('clients that leave disturb nobody', async () => {
    const body = await picture('zinnia');
    const leaving = new AbortController();
    const left = Array.from({ length: 4 }, () => classify(body, leaving.signal));
    const staying = classify(body);
    await sleep(10);
    leaving.abort();
    for (const response of await Promise.allSettled(left)) expect(response.status).toBe('rejected');
    expect((await staying).status).toBe(200);
  });

  test('ends in order: requests under way are answered, new connections refused', async () => {
    await using ending = start('server', engine, '--port', '0');
    const port = Number(new URL((await ending.printed(/http:\S+/))[0]).port);
    const body = await picture('anemone');
    // Half a request, so that it is under way for certain when the signal comes.
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (piece) => {
      answer += piece;
    });
    socket.write(`POST /classify HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`);
    socket.write(body.subarray(0, 100));
    await sleep(100);
    ending.child.kill('SIGTERM');
    await sleep(100);
    await expect(once(connect(port, '127.0.0.1'), 'connect')).rejects.toThrow('ECONNREFUSED');
    socket.write(body.subarray(100));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1.1 200/);
    expect(answer).toContain('"label":"anemone"');
    const { code, stderr } = await ending.finished;
    expect(stderr).toBe('');
    expect(code).toBe(0);
  });

  test('says what is wrong with its arguments', async () => {
    const fake = join(folder, 'fake.engine');
    await copyFile(labels, fake);
    const [port, file] = await Promise.all([
      run('server', [engine, '--port', '99999']),
      run('server', [fake, '--port', '0']),
    ]);
    expect([port.code, file.code]).toEqual([2, 1]);
    expect(port.stderr).toContain('expected a whole number from 0 to 65535 for --port but received "99999"');
    expect(file.stderr).toContain('fake.engine');
  });
});
