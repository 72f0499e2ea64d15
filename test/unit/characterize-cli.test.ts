import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { characterize } from '../../lib/index.js';
import { idsOf, newFolder, readResults } from './characterize-support.js';
import { cli, fixture, node, pictureFolder, presisiRejection, ROOT, sleep, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const main = join(ROOT, 'dist', 'cli', 'main.js');
const file = join(folder, 'tiny.yaml');

/** Real trials of a network of some kilobytes: what their figures are doesn't matter here. */
beforeAll(async () => {
  const pictures = await pictureFolder(folder, 4, ['alpha', 'beta', 'gamma', 'delta']);
  await writeFile(
    file,
    `models: [{ path: ${fixture('classifier')}, id: tiny }]
precisions: [fp32, int8]
calibration: { data: ${pictures} }
accuracy: { data: ${pictures} }
latency: { batchSizes: [1], warmUp: 1, duration: 0.02, iterations: 2 }
repeats: 1
idle: 0.1
disturbance: { retries: 0 }
`,
  );
});

const EVERY = [
  ...['accuracy/tiny/cpu-fp32/1', 'accuracy/tiny/cpu-int8-entropy-4/1', 'accuracy/tiny/onnxruntime-fp32/1'],
  ...['compress/tiny/cpu-fp32/1', 'compress/tiny/cpu-int8-entropy-4/1', 'idle/1'],
  ...['latency/tiny/cpu-fp32/b1-t0/1', 'latency/tiny/cpu-int8-entropy-4/b1-t0/1'],
  'latency/tiny/onnxruntime-fp32/b1-t0/1',
];

describe('presisi characterize', () => {
  test('measures, says where, and writes results and report', { timeout: 120_000 }, async () => {
    const output = await newFolder(folder);
    const { code, stdout, stderr } = await cli('characterize', file, '--output', output);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    const [warning, ...lines] = stderr.split('\n').filter((line) => !line.startsWith('  disturbed, '));
    expect(warning).toMatch(/^warning: 4 pictures are calibrated with and measured on/);
    expect(lines[0]).toMatch(/^0 of 9 trials are done; some \d+:\d\d to go$/);
    expect(lines.slice(1, 10).every((line) => /^\[\d\/9\] \S+: [\d.]+ s, ETA \d+:\d\d$/.test(line))).toBe(true);
    expect(lines.slice(10)).toEqual(['']);
    expect(stdout.replace(/ +/g, ' ')).toContain(`results: ${join(output, 'results.json')}`);
    expect(stdout).toContain(join(output, 'report.html'));
    expect(stdout).toMatch(/^trials: +9 of 9$/m);

    const results = await readResults(output);
    expect(idsOf(results.trials)).toEqual(EVERY);
    expect(results).toMatchObject({ name: 'tiny', partial: false, planned: 9 });
    expect(results.trials.filter(({ error }) => error)).toEqual([]);
    expect(results.models).toMatchObject([{ id: 'tiny', source: 'classifier.onnx', seeded: false }]);
    expect(await readFile(join(output, 'report.html'), 'utf8')).toContain('tiny');

    const again = await cli('characterize', file, '--output', output, '--json');
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(again.stderr).error).toMatchObject({ code: 'ERR_PRESISI_INVALID_EXPERIMENT' });
    const resumed = await cli('characterize', '--resume', '--output', output, '--json');
    expect(resumed).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(resumed.stdout)).toMatchObject({ folder: output, completed: 9, planned: 9, failed: [] });
  });

  test('killed and interrupted, it goes on to the same trials', { timeout: 180_000 }, async () => {
    const output = await newFolder(folder);
    const args = [main, 'characterize', file, '--resume', '--output', output];
    for (const [index, delay] of [300, 0, 700].entries()) {
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      const ended = once(child, 'exit');
      // One line for what there is, and one for each trial that ends.
      for (let lines = 0; lines <= index; )
        lines += String((await once(child.stderr, 'data'))[0]).split('\n').length - 1;
      await sleep(delay);
      child.kill('SIGKILL');
      expect(await ended).toEqual([null, 'SIGKILL']);
    }
    let interrupted = false;
    const stopped = await node(args, (kill) => {
      const poll = setInterval(async () => {
        const trials = await readdir(join(output, 'trials')).catch(() => []);
        if (interrupted || trials.filter((name) => name.endsWith('.json')).length < 4) return;
        interrupted = true;
        clearInterval(poll);
        kill('SIGINT');
      }, 20);
    });
    expect(stopped).toMatchObject({ code: 130, stdout: '' });
    expect(stopped.stderr).toMatch(/^stopped after [4-8] of 9 trials; what is done is in /m);
    expect(stopped.stderr).toContain(`go on with: presisi characterize --resume --output ${output}\n`);
    expect(await readResults(output)).toMatchObject({ partial: true });
    expect(await readdir(output)).toContain('report.html');

    expect(await cli('characterize', '--resume', '--output', output)).toMatchObject({ code: 0 });
    const results = await readResults(output);
    expect(idsOf(results.trials)).toEqual(EVERY);
    expect(results.trials).toHaveLength(EVERY.length);
    expect(results.partial).toBe(false);
  });

  test('a trial that fails is told, and the exit code says so', { timeout: 60_000 }, async () => {
    const failing = join(folder, 'failing.yaml');
    // Pictures of a fifth class, which the network doesn't know.
    const pictures = await pictureFolder(folder, 5, ['alpha', 'beta', 'gamma', 'delta', 'epsilon']);
    const text = await readFile(file, 'utf8');
    await writeFile(failing, text.replace(', int8]', ']').replace(/(accuracy:).*/, `$1 { data: ${pictures} }`));
    const output = join(folder, 'failing');
    const { code, stdout, stderr } = await cli('characterize', failing, '-o', output);
    expect(code).toBe(1);
    expect(stderr).toMatch(/accuracy\/tiny\/cpu-fp32\/1: [\d.]+ s.*\n {2}failed: .*\(ERR_PRESISI_/);
    expect(stdout).toMatch(/^trials: +4 of 6$/m);
    expect(stdout).toMatch(/^failed: +2\n {2}accuracy\/tiny\//m);
    expect(await readResults(output)).toMatchObject({ partial: true });
  });

  test('what is no model is found before anything is measured', { timeout: 60_000 }, async () => {
    const broken = join(folder, 'broken.yaml');
    await writeFile(broken, (await readFile(file, 'utf8')).replace(/models: .*/, 'models: [{ path: broken.onnx }]'));
    await writeFile(join(folder, 'broken.onnx'), 'no model');
    const { code, stderr } = await cli('characterize', broken, '-o', join(folder, 'broken'));
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*\(ERR_PRESISI_INVALID_MODEL\)/m);
  });

  test.each([
    [['characterize']],
    [['characterize', '--resume']],
    [['characterize', 'a.yaml', '--preset', 'study']],
    [['characterize', '--preset', 'exam']],
    [['characterize', 'a.yaml', '--repeats', '0']],
  ])('%j is wrong usage: 2', async (args) => {
    const { code, stdout, stderr } = await cli(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  test('--help has examples', async () => {
    const { code, stdout } = await cli('characterize', '--help');
    expect(code).toBe(0);
    expect(stdout).toContain('$ presisi characterize --preset study');
  });
});

describe('characterize()', () => {
  const invalid = (options: unknown) =>
    presisiRejection(characterize(options as Parameters<typeof characterize>[0]), 'ERR_PRESISI_INVALID_ARGUMENT');

  test.each<[object, RegExp]>([
    [{}, /Expected a path for options\.output/],
    [{ output: 'x' }, /Expected an experiment, or a preset for options\.experiment/],
    [
      { output: 'x', preset: 'study', experiment: 'a.yaml' },
      /Expected nothing, with an experiment, for options\.preset/,
    ],
    [{ output: 'x', resume: true, repeats: 3 }, /Expected nothing, without an experiment, for options\.repeats/],
    [{ output: 'x', experiment: 'a.yaml', timeLimit: 0 }, /Expected seconds, more than 0 for options\.timeLimit/],
    [{ output: 'x', experiment: 'a.yaml', repeat: 3 }, /has no option "repeat"/],
  ])('%j is refused', async (options, message) => {
    expect((await invalid(options)).message).toMatch(message);
  });

  test('unknown models are named with those there are', async () => {
    const error = await invalid({ experiment: file, output: join(folder, 'none'), models: ['huge'] });
    expect(error).toMatchObject({ message: 'there is no model "huge"', hint: 'the experiment has tiny' });
    expect(await readdir(folder)).not.toContain('none');
  });

  test('what a listener throws stops the work', { timeout: 60_000 }, async () => {
    const output = await newFolder(folder);
    const mine = new Error('mine');
    const stopped = characterize({
      experiment: file,
      output,
      onProgress: () => {
        throw mine;
      },
    });
    await expect(stopped).rejects.toBe(mine);
    expect(await readResults(output)).toMatchObject({ partial: true, trials: [] });
  });
});
