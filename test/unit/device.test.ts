import { createHash } from 'node:crypto';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readDevice } from '../../lib/characterize/device/device.js';
import { readEnvironment } from '../../lib/characterize/device/environment.js';
import { gpuOf } from '../../lib/characterize/device/gpu.js';
import { describeModel } from '../../lib/characterize/device/model-facts.js';
import { backends } from '../../lib/index.js';
import { presisiRejection, ROOT, rejection, temporaryFolder } from './support.js';
import { BLOSSOM } from './trial-support.js';

const folder = await temporaryFolder();
const recorded = (name: string): string => join(ROOT, 'test', 'fixtures', 'telemetry', name);
const never = new AbortController().signal;
const GIB = 2 ** 30;

let machines = 0;
/** A machine of nothing but these files. */
async function machine(files: Readonly<Record<string, string>>): Promise<string> {
  machines += 1;
  const root = join(folder, String(machines));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

const orin = (model: string, kilobytes: number) =>
  machine({
    'proc/device-tree/model': `${model}\0`,
    'proc/meminfo': `MemTotal:       ${kilobytes} kB\n`,
    'sys/class/devfreq/17000000.gpu/device/of_node/name': 'ga10b\0',
  });

describe('devices', () => {
  test('a Jetson by its device tree, with its GPU and power mode', async () => {
    expect(await readDevice(recorded('orin-nano'))).toEqual({
      name: 'Jetson Orin Nano',
      cpu: 'Cortex-A78AE',
      cores: 6,
      isa: 'asimd, asimdhp, asimddp',
      memory: expect.any(Number),
      gpu: { name: 'Ampere', cores: 1024 },
      powerMode: '15W, schedutil',
    });
    expect(await readDevice(recorded('xavier-nx'))).toMatchObject({
      name: 'Jetson Xavier NX',
      cpu: 'Carmel',
      gpu: { name: 'Volta', cores: 384 },
      powerMode: expect.stringMatching(/^MODE_15W_6CORE/),
    });
  });

  test('modules of one name by their memory', async () => {
    const cores = async (model: string, gib: number) =>
      (await readDevice(await orin(model, Math.round((gib * GIB) / 1024)))).gpu?.cores;
    expect(await cores('NVIDIA Jetson Orin Nano Developer Kit', 3.4)).toBe(512);
    expect(await cores('NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super', 7.4)).toBe(1024);
    expect(await cores('NVIDIA Jetson AGX Orin Developer Kit', 29.8)).toBe(1792);
    expect(await cores('NVIDIA Jetson AGX Orin Developer Kit', 61.4)).toBe(2048);
    expect(await cores('NVIDIA Jetson Something New', 61.4)).toBeUndefined();
    const plus = await orin('NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super', 7_800_000);
    expect((await readDevice(plus)).name).toBe('Jetson Orin Nano Super');
  });

  test('a computer by its maker’s name for it', async () => {
    expect(await readDevice(recorded('desktop-x86'))).toMatchObject({
      name: 'Dell Inc. OptiPlex 7050',
      cpu: 'Intel(R) Core(TM) i5-7500 CPU @ 3.40GHz',
      cores: 4,
      isa: 'avx2',
    });
  });

  test.each([
    'To Be Filled By O.E.M.',
    'System Product Name',
    'KVM',
    'Standard PC (Q35 + ICH9, 2009)',
    'VMware Virtual Platform',
  ])('by its CPU where the maker says %s', async (product) => {
    const cpuinfo = 'processor\t: 0\nmodel name\t: Some  CPU\n\nprocessor\t: 1\nmodel name\t: Some  CPU\n';
    const root = await machine({ 'proc/cpuinfo': cpuinfo, 'sys/class/dmi/id/product_name': `${product}\n` });
    // What isn't told is absent.
    expect(await readDevice(root)).toEqual({ name: 'Some CPU', cpu: 'Some CPU', cores: 2 });
  });

  test('big and little cores by their names; an unknown one by its numbers', async () => {
    const core = (implementer: string, part: string) =>
      `processor : 0\nCPU implementer : ${implementer}\nCPU part : ${part}\n\n`;
    const tx2 = await machine({
      'proc/cpuinfo': core('0x4e', '0x003') + core('0x41', '0xd07') + core('0x41', '0xd07'),
    });
    expect((await readDevice(tx2)).cpu).toBe('Denver 2 and Cortex-A57');
    expect((await readDevice(await machine({ 'proc/cpuinfo': core('0x99', '0x123') }))).cpu).toBe('ARM 0x99/0x123');
  });

  test('two threads of a core are one core', async () => {
    const files: Record<string, string> = { 'proc/cpuinfo': 'processor : 0\n' };
    for (const [cpu, core] of [0, 1, 0, 1].entries()) {
      files[`sys/devices/system/cpu/cpu${cpu}/topology/core_id`] = String(core);
      files[`sys/devices/system/cpu/cpu${cpu}/topology/physical_package_id`] = '0';
    }
    expect((await readDevice(await machine(files))).cores).toBe(2);
  });

  test('a discrete GPU: TensorRT’s, else what its driver says', async () => {
    const properties = {
      gpu: 'NVIDIA RTX A2000',
      computeCapability: '8.6',
      sms: '26',
      integrated: 'false',
      memoryTotal: '6000000000',
    };
    const backend = (more: object) => ({
      name: 'tensorrt',
      available: true,
      version: '',
      precisions: [],
      int8Isa: '',
      int8Saturates: false,
      devices: [{ name: 'x', properties: { ...properties, ...more } }],
    });
    expect(gpuOf([backend({})])).toEqual({ name: 'NVIDIA RTX A2000', cores: 3328, memory: 6e9 });
    // A100: 108 multiprocessors of 64; Orin: 16 of 128, without memory of its own.
    expect(gpuOf([backend({ computeCapability: '8.0', sms: '108' })])?.cores).toBe(6912);
    const integrated = gpuOf([backend({ gpu: 'Orin', computeCapability: '8.7', sms: '16', integrated: 'true' })]);
    expect(integrated).toEqual({ name: 'Orin', cores: 2048 });
    expect(gpuOf([])).toBeUndefined();
    const information = 'Model: \t\t NVIDIA GeForce RTX 3080\nIRQ:   \t\t 140\n';
    const root = await machine({ 'proc/driver/nvidia/gpus/0000:01:00.0/information': information });
    expect((await readDevice(root)).gpu).toEqual({ name: 'NVIDIA GeForce RTX 3080' });
  });

  test('this one: what the backends know of it', async () => {
    const cpu = (await backends()).find(({ name }) => name === 'cpu');
    const device = await readDevice();
    expect(device.cpu).toBe(cpu?.devices[0]?.name.replace(/\s+/g, ' '));
    expect(device.isa).toContain(cpu?.devices[0]?.properties.isa);
    expect(device.cores).toBeGreaterThanOrEqual(Number(cpu?.devices[0]?.properties.physicalCores));
    expect(await readDevice()).toEqual(device); // nothing in it changes
  });
});

test('environments: this library’s versions, the recorded device’s system', async () => {
  const packageJson = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const baselines = [{ framework: 'onnxruntime' }, { framework: 'pytorch', python: '/nowhere/python' }] as const;
  const environment = await readEnvironment(baselines, recorded('orin-nano'));
  expect(environment).toEqual({
    presisi: packageJson.version,
    node: process.version,
    os: 'Ubuntu 22.04.5 LTS, L4T 36.4.0',
    kernel: '5.15.148-tegra',
    backends: expect.objectContaining({ cpu: expect.stringMatching(/^oneDNN /) }),
    frameworks: { onnxruntime: expect.stringMatching(/^\d+\.\d+\.\d+/) }, // a framework that isn't there has no version
  });
  const nowhere = await readEnvironment([], await machine({ 'proc/meminfo': '' }));
  expect(nowhere).toMatchObject({ os: 'unknown', kernel: 'unknown', frameworks: {} });
  expect((await readEnvironment()).kernel).toMatch(/^\d+\./);
});

describe('models', () => {
  // As models/zoo/README.md lists them.
  test.each([
    ['mobilenet_v3_small', 'mobilenet_v3_small_minimalistic', 605_496, 35.2],
    ['efficientnet_b3', 'efficientnet_b3', 741_076, 84.2],
    ['densenet201', 'densenet201', 681_072, 168.8],
  ])('a checkpoint: %s', async (id, architecture, parameters, millions) => {
    const path = join(ROOT, 'models', 'zoo', `${id}.pth`);
    const facts = await describeModel({ id, path }, never);
    expect(facts).toEqual({
      id,
      source: `${id}.pth`,
      sha256: createHash('sha256')
        .update(await readFile(path))
        .digest('hex'),
      bytes: (await stat(path)).size,
      architecture,
      parameters,
      macs: expect.any(Number),
      inputDims: [-1, 3, 224, 224],
      seeded: false,
    });
    expect((facts.macs ?? 0) / 1e6).toBeCloseTo(millions, 1);
  });

  test('an ONNX file: what it does not tell is absent', async () => {
    const facts = await describeModel({ id: 'blossom', path: BLOSSOM }, never);
    expect(facts).toMatchObject({
      source: 'model.onnx',
      bytes: 3_507_326,
      seeded: false,
      inputDims: [-1, 3, 224, 224],
    });
    expect(facts).not.toHaveProperty('architecture');
    expect(facts).not.toHaveProperty('macs');
  });

  test('a seeded one is the same every time, and another seed’s is not', async () => {
    const make = { architecture: 'mobilenet_v3_small_minimalistic', seed: 7, classes: 100 };
    const facts = await describeModel({ id: 's', make, inputSize: 64 }, never);
    expect(facts).toMatchObject({ source: `seed 7 of ${make.architecture}`, seeded: true, inputDims: [-1, 3, 64, 64] });
    expect(facts.macs).toBeGreaterThan(1e6);
    expect(await describeModel({ id: 's', make, inputSize: 64 }, never)).toEqual(facts);
    const other = await describeModel({ id: 's', make: { ...make, seed: 8 }, inputSize: 64 }, never);
    expect(other.sha256).not.toBe(facts.sha256);
    expect(other.parameters).toBe(facts.parameters);
  });

  test('one of the user’s own is known by its file alone', async () => {
    const path = join(folder, 'own.pt');
    await writeFile(path, 'whatever their Python reads');
    const facts = await describeModel({ id: 'own', path, architecture: 'nets:make' }, never);
    expect(facts).toMatchObject({ source: 'own.pt', architecture: 'nets:make', seeded: false });
    expect(facts).not.toHaveProperty('parameters');
    await presisiRejection(describeModel({ id: 'own', path }, never), 'ERR_PRESISI_INVALID_MODEL');
  });

  test('not there, not said, or given up on', async () => {
    await presisiRejection(describeModel({ id: 'x', path: '/nowhere.onnx' }, never), 'ERR_PRESISI_FILE_SYSTEM');
    const reason = new Error('enough');
    expect(await rejection(describeModel({ id: 'x', path: BLOSSOM }, AbortSignal.abort(reason)))).toBe(reason);
  });
});
