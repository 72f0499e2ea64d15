import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadEngine, quantize } from '../../lib/index.js';
import { fixture, node, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const library = pathToFileURL(join(ROOT, 'dist', 'index.js')).href;
const slow = join(folder, 'slow.engine');

const prelude = `
  import { loadEngine, quantize, PresisiError } from ${JSON.stringify(library)};
  const feeds = { input: { data: new Float32Array(3 * 65536), dims: [1, 3, 256, 256] } };
  const slow = ${JSON.stringify(slow)};
`;

async function script(name: string, body: string): Promise<string> {
  const path = join(folder, `${name}.mjs`);
  await writeFile(path, `${prelude}${body}`);
  return path;
}

beforeAll(async () => {
  await quantize(fixture('slow'), { precision: 'fp32', output: slow, backend: 'reference' });
});

/** The next message of a worker; rejects when it fails first. */
const message = (worker: Worker): Promise<unknown> =>
  new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });

describe('worker threads', () => {
  test('two at once, with errors of their own class', async () => {
    const path = await script(
      'worker',
      `
      import { parentPort } from 'node:worker_threads';
      const engine = await loadEngine(slow);
      const { output } = await engine.run(feeds);
      const error = await loadEngine('/absent.engine').catch((error) => error);
      await engine.dispose();
      parentPort.postMessage({ dims: output.dims, known: error instanceof PresisiError && error.code });
      `,
    );
    const workers = [new Worker(path), new Worker(path)];
    const answer = { dims: [1, 3, 1, 1], known: 'ERR_PRESISI_FILE_SYSTEM' };
    expect(await Promise.all(workers.map(message))).toEqual([answer, answer]);
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  test('terminated while running: soon over, and the others go on', async () => {
    const path = await script(
      'terminated',
      `
      import { parentPort } from 'node:worker_threads';
      const engine = await loadEngine(slow);
      for (let i = 0; i < 50; i += 1) engine.run(feeds).catch(() => {});
      parentPort.postMessage('running');
      `,
    );
    const engine = await loadEngine(slow);
    const worker = new Worker(path);
    await message(worker);
    const running = engine.run({ input: { data: new Float32Array(3 * 65536), dims: [1, 3, 256, 256] } });
    await delay(20);
    const start = performance.now();
    await worker.terminate();
    expect(performance.now() - start).toBeLessThan(500);
    expect((await running).output?.dims).toEqual([1, 3, 1, 1]);
    await engine.dispose();
  });

  test('many that come and go, at any moment of reporting progress', async () => {
    const path = await script(
      'brief',
      `
      import { parentPort } from 'node:worker_threads';
      const engine = await loadEngine(slow);
      engine.run(feeds).catch(() => {});
      quantize(${JSON.stringify(fixture('slow'))}, {
        precision: 'int8', output: ${JSON.stringify(join(folder, 'never.engine'))}, backend: 'reference',
        calibration: { batches: [feeds] }, onProgress() {},
      }).catch(() => {});
      parentPort.postMessage('running');
      `,
    );
    for (let i = 0; i < 8; i += 1) {
      const worker = new Worker(path);
      await message(worker);
      await delay(i * 5);
      await worker.terminate();
    }
  });
});

describe('the end of the process', () => {
  test('comes by itself when nothing runs', async () => {
    const path = await script('idle', `await loadEngine(slow); console.log('done');`);
    expect(await node([path])).toMatchObject({ code: 0, signal: null, stdout: 'done\n', stderr: '' });
  });

  test('waits for a run, whose promise settles', async () => {
    const path = await script(
      'waits',
      `const e = await loadEngine(slow); e.run(feeds).then(() => console.log('ran'));`,
    );
    expect(await node([path])).toMatchObject({ code: 0, signal: null, stdout: 'ran\n', stderr: '' });
  });

  test.each([
    ['process.exit', `setTimeout(() => process.exit(3), 30);`, 3],
    ['an uncaught error', `setTimeout(() => { throw new Error('boom'); }, 30);`, 1],
  ])('%s while running ends at once, cleanly', async (name, ending, code) => {
    const path = await script(
      name.replaceAll(/\W/g, '-'),
      `
      const engine = await loadEngine(slow);
      for (let i = 0; i < 20; i += 1) engine.run(feeds);
      quantize(${JSON.stringify(fixture('slow'))}, {
        precision: 'int8', output: ${JSON.stringify(join(folder, 'partial.engine'))}, backend: 'reference',
        calibration: { batches: [feeds, feeds, feeds, feeds] },
      });
      process.on('exit', () => console.log(Date.now() - ended));
      let ended; setTimeout(() => { ended = Date.now(); }, 29);
      ${ending}
      `,
    );
    const finished = await node([path]);
    expect(finished).toMatchObject({ code, signal: null });
    expect(Number(finished.stdout)).toBeLessThan(500);
    expect((await readdir(folder)).filter((file) => file.includes('partial'))).toEqual([]);
  });
});
