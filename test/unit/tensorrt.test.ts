// The TensorRT backend behind the whole library, on the stand-ins that `npm test` compiles: what users type on a Jetson.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Span } from '../../lib/index.js';
import { cli, cliWith, fixture, node, pictureFolder, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();
const pictures = await pictureFolder(folder, 6);
const labels = join(folder, 'labels.txt');
await writeFile(labels, 'alpha\nbeta\ngamma\ndelta\n');
const built = join(ROOT, 'build');
const generations = [
  { generation: '8', version: '8.6.1', header: 'TRT-8601-' },
  { generation: '10', version: '10.3.0', header: 'TRT-100300-' },
  { generation: '11', version: '11.1.0', header: undefined },
];

const library = (generation: string): string => join(built, 'doubles', generation, 'libpresisi_tensorrt.so');

/** An addon with that generation's backend beside it. */
async function install(generation: string): Promise<NodeJS.ProcessEnv> {
  const home = join(folder, `addon-${generation}`);
  await mkdir(home, { recursive: true });
  const addon = join(home, 'presisi.node');
  await copyFile(join(built, 'Release', 'presisi.node'), addon);
  await copyFile(library(generation), join(home, 'libpresisi_tensorrt.so'));
  await copyFile(join(built, 'Release', 'libpresisi_cpu.so'), join(home, 'libpresisi_cpu.so'));
  return { PRESISI_ADDON: addon, PRESISI_DOUBLE_GPU: 'Orin;8.7;integrated;7620;8;0' };
}

const parse = ({ stdout, stderr, code }: { stdout: string; stderr: string; code: number | null }): never => {
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as never;
};

describe('without TensorRT', () => {
  test('everything else works, and the reason names what to install', async () => {
    const backends: { name: string; available: boolean; reason?: string; hint?: string }[] = parse(
      await cli('backends', '--json'),
    );
    const found = backends.find(({ name }) => name === 'tensorrt');
    expect(found).toMatchObject({ available: false });
    expect(found?.reason).toContain('without TensorRT');
    expect(found?.hint).toContain('nvidia-jetpack');
    const asked = await cli(
      'quantize',
      fixture('classifier'),
      '-p',
      'fp32',
      '-b',
      'tensorrt',
      '-o',
      join(folder, 'no.engine'),
    );
    expect(asked.code).toBe(1);
    expect(asked.stderr).toContain('ERR_PRESISI_BACKEND_UNAVAILABLE');
  });
});

describe('an example', () => {
  test('runs unchanged on TensorRT', async () => {
    const env = await install('10');
    const output = join(folder, 'example.engine');
    const args = ['--import', 'tsx', join(ROOT, 'examples', 'quantize-folder.ts'), fixture('classifier'), labels];
    const { code, stderr } = await node(
      [...args, pictures, await pictureFolder(folder, 8), '--backend', 'tensorrt', '--output', output],
      undefined,
      { ...process.env, ...env },
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(parse(await cliWith(env, 'inspect', output, '--json'))).toMatchObject({ backend: 'tensorrt' });
  });
});

describe.each(generations)('TensorRT $version', ({ generation, version, header }) => {
  let env: NodeJS.ProcessEnv;
  const engine = join(folder, `${generation}.engine`);
  const run = (...args: string[]) => cliWith(env, ...args);
  const quantize = (...args: string[]) =>
    run('quantize', fixture('classifier'), '-b', 'tensorrt', '-l', labels, '-o', engine, '--json', ...args);

  beforeAll(async () => {
    if (!existsSync(library(generation))) throw new Error(`${library(generation)} is not built; npm test builds it`);
    env = await install(generation);
  });

  test('is what auto chooses, and doctor knows the device', async () => {
    const [first]: { name: string; version: string }[] = parse(await run('backends', '--json'));
    expect(first).toMatchObject({ name: 'tensorrt', available: true });
    expect(first?.version).toContain(version);
    const { stdout } = await run('doctor');
    expect(stdout).toContain('Orin');
    expect(stdout).toContain('computeCapability: 8.7');
  });

  test.each(['fp32', 'fp16', 'int8'])(
    '%s: builds, runs, answers what the CPU answers, and can be inspected',
    async (precision) => {
      const calibration = precision === 'int8' ? ['-c', pictures] : [];
      expect(parse(await quantize('-p', precision, ...calibration))).toMatchObject({ backend: 'tensorrt', precision });
      const own = join(folder, `cpu-${precision}.engine`);
      parse(
        await cli(
          'quantize',
          fixture('classifier'),
          '-p',
          precision,
          ...calibration,
          '-o',
          own,
          '-l',
          labels,
          '--json',
        ),
      );
      const predict = async (path: string): Promise<number[]> => {
        const { predictions }: { predictions: { top: { logit: number; index: number }[] }[] } = parse(
          await run('infer', path, pictures, '--json', '--top', '4'),
        );
        return predictions.flatMap(({ top }) => [...top].sort((a, b) => a.index - b.index).map(({ logit }) => logit));
      };
      const [mine, theirs] = [await predict(engine), await predict(own)];
      const scale = Math.max(...theirs.map(Math.abs));
      const tolerance = { fp32: 1e-5, fp16: 1e-2, int8: 5e-2 }[precision] as number;
      for (const [i, value] of mine.entries())
        expect(Math.abs(value - (theirs[i] as number))).toBeLessThan(tolerance * scale);
      const inspected: { layers: { name: string }[]; audit: { macs?: Record<string, number> }; metadata: object } =
        parse(await run('inspect', engine, '--profile', '--runs', '2', '--json'));
      expect(inspected.layers.length).toBeGreaterThan(0);
      expect(inspected.metadata).toMatchObject({ madeWith: { tensorrt: version, computeCapability: '8.7' } });
      if (precision === 'int8') expect(inspected.audit.macs?.int8).toBeGreaterThan(0.5);
    },
  );

  test.each([
    ['Orin;8.7;integrated;7620;8;0', ['decode', 'preprocess', 'compute', 'postprocess', 'dispatch']],
    ['RTX;8.9;discrete;24000;76;0', ['decode', 'preprocess', 'h2d', 'compute', 'd2h', 'postprocess', 'dispatch']],
  ])('%s: timings have copies where there are any', async (gpu, parts) => {
    const device = { ...env, PRESISI_DOUBLE_GPU: gpu };
    parse(await cliWith(device, 'quantize', fixture('classifier'), '-p', 'fp32', '-o', engine, '--json'));
    const { predictions }: { predictions: { timings: Record<string, number> }[] } = parse(
      await cliWith(device, 'infer', engine, pictures, '--json'),
    );
    expect(predictions).toHaveLength(6);
    for (const { timings } of predictions) {
      expect(Object.keys(timings)).toEqual(parts);
      expect(timings.compute).toBeGreaterThan(0);
    }
  });

  test('an engine of another GPU says so and what to do', async () => {
    parse(await quantize('-p', 'fp32'));
    const elsewhere = { ...env, PRESISI_DOUBLE_GPU: 'Xavier;7.2;integrated;7000;6;2' };
    const refused = await cliWith(elsewhere, 'infer', engine, pictures);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('ERR_PRESISI_INCOMPATIBLE_ENGINE');
    expect(refused.stderr).toContain('quantize the model again');
  });

  test('the plan comes out raw and runs as it is', async () => {
    parse(await quantize('-p', 'fp32'));
    const plan = join(folder, `${generation}.plan`);
    expect(parse(await run('engine', 'extract', engine, '-o', plan, '--json'))).toMatchObject({ backend: 'tensorrt' });
    const wrapped: { predictions: { top: unknown }[] } = parse(await run('infer', engine, pictures, '--json'));
    const raw: { predictions: { top: { label?: string }[] }[] } = parse(
      await run('infer', plan, pictures, '--labels', labels, '--json'),
    );
    expect(raw.predictions.map(({ top }) => top)).toEqual(wrapped.predictions.map(({ top }) => top));
    const without = await cli('infer', plan, pictures);
    expect(without.stderr).toContain('ERR_PRESISI_INVALID_ENGINE');
  });

  test("options reach TensorRT, and its library's words reach the user", async () => {
    const timingCache = join(folder, `${generation}.timing`);
    await writeFile(timingCache, 'not a timing cache');
    const settings = JSON.stringify({ workspaceBytes: 1 << 20, tf32: false, timingCache });
    const { stderr } = await quantize('-p', 'fp32', '--log', '--tensorrt', settings);
    expect(stderr).toMatch(/^warning: .*timing/m);
    expect((await readFile(timingCache)).length).toBeGreaterThan(20);
    const wrong = await quantize('-p', 'fp32', '--tensorrt', '{"workspace": 1}');
    expect(wrong.stderr).toContain('has no option');
    const level = await quantize('-p', 'fp32', '--tensorrt', '{"dlaCore": 0}');
    expect(level.code).toBe(1);
  });

  test('implicit calibration is TensorRT’s own, with its cache; 11 no longer has it', async () => {
    const cache = join(folder, `${generation}.cache`);
    const answer = await quantize('-c', pictures, '--implicit', '--tensorrt-cache', cache);
    if (header === undefined) {
      expect(answer.code).toBe(1);
      expect(answer.stderr).toContain('ERR_PRESISI_INVALID_ARGUMENT');
      return;
    }
    const { precision, span }: { precision: string; span: Span } = parse(answer);
    expect(precision).toBe('int8');
    const pictured = span.spans.find(({ name }) => name === 'pictures');
    expect(pictured?.spans.map(({ name }) => name)).toEqual(['decode', 'dispatch']);
    const text = await readFile(cache, 'utf8');
    expect(text.startsWith(`${header}EntropyCalibration2\n`)).toBe(true);
    await writeFile(cache, text.replace(header, 'TRT-8001-'));
    const stale = await quantize('-c', pictures, '--implicit', '--tensorrt-cache', cache);
    expect(stale.stderr).toContain('ERR_PRESISI_INVALID_CALIBRATION');
  });
});
