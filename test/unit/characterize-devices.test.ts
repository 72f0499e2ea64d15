// Two devices that aren't here: TensorRT's stand-ins of their generations, and their sensors as recorded. From the
// experiment to what is said of the pair.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Comparison, Results } from '../../lib/index.js';
import { newFolder, readResults } from './characterize-support.js';
import { cli, cliWith, fixture, pictureFolder, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();

const devices = {
  xavier: { generation: '8', gpu: 'Xavier;7.2;integrated;6851;6;0', tree: 'xavier-nx' },
  orin: { generation: '10', gpu: 'Orin;8.7;integrated;7620;8;0', tree: 'orin-nano' },
} as const;

/** One folder of results for each. */
const outputs: Record<string, string> = {};

async function measure(name: keyof typeof devices, pictures: string): Promise<string> {
  const { generation, gpu, tree } = devices[name];
  const home = join(folder, name);
  await mkdir(home);
  const built = join(ROOT, 'build');
  await copyFile(join(built, 'Release', 'presisi.node'), join(home, 'presisi.node'));
  await copyFile(join(built, 'doubles', generation, 'libpresisi_tensorrt.so'), join(home, 'libpresisi_tensorrt.so'));
  const experiment = join(home, 'experiment.json');
  const written = {
    name: 'pair',
    models: [{ path: fixture('classifier'), id: 'tiny' }],
    backends: ['tensorrt'],
    calibration: { data: pictures },
    latency: { batchSizes: [1, 2], warmUp: 1, duration: 0.05, iterations: 5 },
    baselines: [],
    repeats: 3,
    idle: 0.2,
    telemetry: { root: join(ROOT, 'test', 'fixtures', 'telemetry', tree) },
    disturbance: { retries: 0 },
  };
  await writeFile(experiment, JSON.stringify(written));
  const output = await newFolder(folder);
  const env = { PRESISI_ADDON: join(home, 'presisi.node'), PRESISI_DOUBLE_GPU: gpu };
  const { code, stderr } = await cliWith(env, 'characterize', experiment, '--output', output, '--json');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  return output;
}

beforeAll(async () => {
  const pictures = await pictureFolder(folder, 4, ['alpha', 'beta', 'gamma', 'delta']);
  outputs.xavier = await measure('xavier', pictures);
  outputs.orin = await measure('orin', pictures);
}, 300_000);

test('each is known by its own name, GPU and sensors', async () => {
  const xavier: Results = await readResults(outputs.xavier as string);
  const orin: Results = await readResults(outputs.orin as string);
  expect(xavier.device).toMatchObject({ name: expect.stringContaining('Xavier NX'), gpu: { cores: 384 } });
  expect(orin.device).toMatchObject({ name: expect.stringContaining('Orin Nano'), gpu: { cores: 1024 } });
  for (const { trials } of [xavier, orin]) {
    expect(trials.filter(({ error }) => error)).toEqual([]);
    const latency = trials.find(({ kind }) => kind === 'latency');
    // The recorded board draws what it draws: a share of the time and nothing else.
    const [energy] = latency?.resources?.energy ?? [];
    expect(energy).toMatchObject({ scope: 'board', rails: ['power.VDD_IN'], estimated: false });
    expect((energy?.joules ?? 0) / (energy?.seconds ?? 1)).toBeCloseTo(energy?.meanWatts ?? 0, 6);
    expect(latency?.resources?.gpu?.meanLoad).toBeTypeOf('number'); // the Xavier was idle when it was recorded
  }
});

test('they are put side by side, cores of the GPU against overhead and latency included', async () => {
  const files = [outputs.xavier, outputs.orin].map((output) => join(output as string, 'results.json'));
  const { code, stdout, stderr } = await cli('compare', ...files, '--json');
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const comparison = JSON.parse(stdout) as Comparison;
  expect(comparison.results.map(({ device }) => device.name)).toEqual([
    expect.stringContaining('Xavier NX'),
    expect.stringContaining('Orin Nano'),
  ]);
  const text = (await cli('compare', ...files)).stdout;
  for (const expected of ['Xavier NX', 'Orin Nano', 'tiny', '384', '1024', 'FP16', 'INT8'])
    expect(text).toContain(expected);
});
