import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { cli, fixture, node, pictureFolder, ROOT, sleep, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const pictures = await pictureFolder(folder, 6);
const engine = join(folder, 'model.engine');
const labels = join(folder, 'labels.txt');

beforeAll(async () => {
  await writeFile(labels, 'alpha\nbeta\ngamma\ndelta\n');
  const built = await cli(
    'quantize',
    fixture('classifier'),
    '-p',
    'fp32',
    '-o',
    engine,
    '-b',
    'reference',
    '-l',
    labels,
  );
  expect(built).toMatchObject({ code: 0, stderr: '' });
});

describe('quantize', () => {
  test('int8 with everything, as JSON and nothing else', async () => {
    const output = join(folder, 'int8.engine');
    const cache = join(folder, 'cache.json');
    const { code, stdout, stderr } = await cli(
      'quantize',
      fixture('classifier'),
      '--json',
      ...['-o', output, '-b', 'reference', '-n', '4', '--method', 'mse', '--batch-size', '2', '--save-cache', cache],
      ...['--mean', '0.5,0.5,0.5', '--std', '0.5,0.5,0.5', '--kernel', 'cubic', '--max-batch', '4'],
      ...['-c', pictures],
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({ output, precision: 'int8', calibration: { method: 'mse', samples: 4 } });
    const again = await cli('quantize', fixture('classifier'), '-o', output, '--cache', cache, '-b', 'reference');
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect(again.stdout).toContain('mse, 4 samples');
    const inspected = JSON.parse((await cli('inspect', output, '--json')).stdout);
    expect(inspected.precision).toBe('int8');
  });

  test('a failure is on stderr, with a code and what to do', async () => {
    const { code, stdout, stderr } = await cli('quantize', join(folder, 'absent.onnx'), '-p', 'fp32');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^error: cannot read .*absent\.onnx: .* \(ERR_PRESISI_FILE_SYSTEM\)\nhint: .+\n$/);
  });

  test('a failure as JSON', async () => {
    const { code, stdout, stderr } = await cli(
      'quantize',
      fixture('unsupported'),
      '-p',
      'fp32',
      '-o',
      join(folder, 'u.engine'),
      '--json',
    );
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(JSON.parse(stderr).error.code).toBe('ERR_PRESISI_UNSUPPORTED_OPERATOR');
  });

  test('Ctrl-C stops it and leaves nothing behind', async () => {
    const output = join(folder, 'interrupted.engine');
    const script = join(folder, 'interrupt.mjs');
    // Enough pictures to be busy for many seconds.
    const args = [
      'quantize',
      fixture('slow'),
      '-o',
      output,
      '-b',
      'reference',
      '-c',
      ...Array<string>(40).fill(pictures),
    ];
    await writeFile(script, '');
    const finished = await node([join(ROOT, 'dist', 'cli', 'main.js'), ...args], async (kill) => {
      await sleep(1500);
      kill('SIGINT');
    });
    expect(finished).toMatchObject({ code: 130, signal: null, stdout: '', stderr: 'canceled\n' });
    await expect(readFile(output)).rejects.toThrow('ENOENT');
  });
});

describe('infer', () => {
  test('prints the best classes', async () => {
    const { code, stdout } = await cli('infer', engine, join(pictures, 'alpha', '000.png'), '--top', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\S+000\.png {2}\(decode .+\)\n( +[\d.]+ % {2}(alpha|beta|gamma|delta)\n){2}$/);
  });

  test('a broken picture fails, or is skipped with a warning', async () => {
    const broken = join(folder, 'broken.png');
    await writeFile(broken, 'x');
    expect((await cli('infer', engine, broken)).code).toBe(1);
    const { code, stderr } = await cli('infer', engine, broken, '--skip-bad-images');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: cannot decode .*broken\.png/);
  });
});

describe('evaluate', () => {
  test('counts what infer predicts', async () => {
    const { predictions } = JSON.parse((await cli('infer', engine, pictures, '--json')).stdout);
    const correct = predictions.filter(({ image, top }: { image: string; top: { label: string }[] }) =>
      image.includes(`/${top[0]?.label}/`),
    ).length;
    const { code, stdout, stderr } = await cli('evaluate', engine, pictures, '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      classes: 4,
      top1: { correct, total: 6, share: correct / 6 },
      top5: { k: 4, correct: 6 },
      skipped: [],
    });
    const text = await cli('evaluate', engine, `folder:${pictures}`, '--per-class', '--limit', '4');
    expect(text.code).toBe(0);
    expect(text.stderr).toBe('warning: 2 classes have no pictures: gamma, delta\n');
    expect(text.stdout).toMatch(/^top-1: +[\d.]+ % \(\d of 4; 95 % interval [\d.]+ % to [\d.]+ %\)$/m);
    expect(text.stdout).toMatch(/^class +right +of +share +mostly taken for\nalpha/m);
  });

  test('a broken picture fails, or is skipped and listed', async () => {
    const set = join(folder, 'broken-set');
    await mkdir(join(set, 'alpha'), { recursive: true });
    await copyFile(join(pictures, 'alpha', '000.png'), join(set, 'alpha', '0.png'));
    await writeFile(join(set, 'alpha', '1.png'), 'x');
    expect(await cli('evaluate', engine, set)).toMatchObject({ code: 1, stdout: '' });
    const { code, stdout } = await cli('evaluate', engine, set, '--skip-bad-images');
    expect(code).toBe(0);
    expect(stdout).toMatch(/skipped:\n.*1\.png: cannot decode/);
  });

  test('a data set calibrates, too', async () => {
    const output = join(folder, 'from-list.engine');
    const list = join(folder, 'list.csv');
    await writeFile(list, 'file,label\npictures-6/alpha/000.png,0\npictures-6/beta/001.png,1\n');
    const args = ['quantize', fixture('classifier'), '-o', output, '-b', 'reference', '--json', '-c'];
    const { code, stdout } = await cli(...args, `manifest:${list}`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).calibration.samples).toBe(2);
    expect(await cli(...args, `manifest:${list}`, pictures)).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('inspect, backends, doctor', () => {
  test('inspect --profile', async () => {
    const { code, stdout } = await cli('inspect', engine, '--profile', '--runs', '2');
    expect(code).toBe(0);
    expect(stdout).toMatch(/layer +operator +precision +kernel +weights +time/);
    expect(stdout).toContain('conv1');
  });

  test.each(['backends', 'doctor'])('%s, as text and as JSON', async (command) => {
    const text = await cli(command);
    expect(text.stdout).toContain('reference');
    const { stdout, stderr } = await cli(command, '--json');
    expect(stderr).toBe('');
    expect(JSON.stringify(JSON.parse(stdout))).toContain('reference');
  });
});

describe('exit codes and help', () => {
  test.each([
    [[]],
    [['compress']],
    [['quantize']],
    [['quantize', 'm.onnx', '-p', 'int4']],
    [['quantize', 'm.onnx', '--frobnicate']],
    [['quantize', 'm.onnx']],
    [['quantize', 'm.onnx', '--cache', 'a', '-c', 'b']],
    [['quantize', 'm.onnx', '--mean', '1,2']],
    [['infer', 'm.engine']],
    [['infer', 'm.engine', 'a.jpg', '--top', 'many']],
    [['evaluate', 'm.engine']],
    [['evaluate', 'm.engine', 'flowers102:flowers#all']],
  ])('%j is wrong usage: 2', async (args) => {
    const { code, stdout, stderr } = await cli(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  test('wrong usage as JSON', async () => {
    const { code, stdout, stderr } = await cli('infer', '--json');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: { code: 'ERR_PRESISI_USAGE', message: "missing required argument 'engine'" },
    });
  });

  test.each(['quantize', 'infer', 'evaluate', 'inspect', 'backends', 'doctor'])(
    '%s --help has examples',
    async (command) => {
      const { code, stdout, stderr } = await cli(command, '--help');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`$ presisi ${command}`);
      expect(stdout).toContain('--json');
    },
  );

  test('--version is the package’s', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect(await cli('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });

  test('a reader that leaves is no failure', async () => {
    const main = join(ROOT, 'dist', 'cli', 'main.js');
    const shell = `process.exitCode = require('node:child_process').spawnSync('sh', ['-c', '"$0" "$1" doctor --json | true'], { argv0: 'sh' }).status`;
    expect((await node(['-e', shell, main])).code).toBe(0);
  });
});
