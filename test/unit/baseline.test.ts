import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { describeBaseline } from '../../lib/characterize/baseline/baseline.js';
import { normalise } from '../../lib/characterize/baseline/evaluate.js';
import { OrtNetwork } from '../../lib/characterize/baseline/onnxruntime.js';
import { PytorchNetwork } from '../../lib/characterize/baseline/pytorch.js';
import { physicalCores } from '../../lib/characterize/device/system.js';
import type { Experiment } from '../../lib/characterize/experiment.js';
import type { TrialTask } from '../../lib/characterize/task.js';
import { backends } from '../../lib/index.js';
import { fixture, node, presisiRejection, ROOT, temporaryFolder } from './support.js';
import { baselineVariant, experiment, fewPictures, LABELS, taskOf, trialOf } from './trial-support.js';

const UNAVAILABLE = 'ERR_PRESISI_BACKEND_UNAVAILABLE';

const folder = await temporaryFolder();
const file = (name: string): string => join(folder, name);

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A few pictures of every class. */
let accuracy: NonNullable<Experiment['accuracy']>;
beforeAll(async () => {
  accuracy = { data: await fewPictures(folder, 'test', 2), labels: LABELS };
});

/** The FP32 engine and the ONNX file of a network. */
async function compressed(name: string, model: TrialTask['model'], asked: Experiment) {
  const paths = { onnx: file(`${name}.onnx`), network: file(`${name}.engine`) };
  const { error } = await trialOf(taskOf('compress', { ...paths, model, experiment: asked }));
  if (error) throw new Error(error.message);
  return paths;
}

/** What a trial that worked has measured. */
function measured<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('the trial measured nothing');
  return part;
}

test('as many threads as presisi takes', async () => {
  const cpu = (await backends()).find(({ name }) => name === 'cpu');
  expect(String(await physicalCores())).toBe(cpu?.devices[0]?.properties.physicalCores);
});

test('pictures are normalised as the addon does it', () => {
  const pixels = Uint8Array.from([0, 51, 255, 255, 102, 0, 10, 20, 30, 40, 50, 60]);
  const common = { resize: 2, crop: 2, kernel: 'linear', scale: 1 / 255, mean: [0.5, 0, 0], std: [0.5, 1, 2] } as const;
  const planes = normalise([pixels], 2, { ...common, layout: 'NCHW', channels: 'RGB' });
  expect(planes).toHaveLength(24);
  const expected = [-1, 1, 10, 40, 0.2, 0.4, 20, 50, 0.5, 0, 30, 60].map((value, index) => {
    if (Math.abs(value) <= 1) return value;
    const channel = Math.floor(index / 4);
    return ((value / 255 - (channel === 0 ? 0.5 : 0)) / ([0.5, 1, 2][channel] as number)) as number;
  });
  for (const [index, value] of expected.entries()) expect(planes[index]).toBeCloseTo(value, 6);
  expect([...planes.slice(12)]).toEqual(Array(12).fill(0)); // room for a second picture
  const pixelwise = normalise([pixels], 1, { ...common, layout: 'NHWC', channels: 'BGR' });
  expect([...pixelwise.slice(0, 3)].map((value) => +value.toFixed(6))).toEqual([1, 0.2, 0]);
});

describe('onnxruntime', () => {
  const model = { id: 'm', path: join(ROOT, 'models', 'zoo', 'efficientnet_b1.pth') };
  const variant = baselineVariant('onnxruntime');

  test('names the pictures as our FP32 engine does', { timeout: 120_000 }, async () => {
    const asked = experiment({ accuracy });
    const { network, onnx } = await compressed('b1', model, asked);
    const ours = await trialOf(taskOf('accuracy', { network, model, experiment: asked }));
    const theirs = await trialOf(taskOf('accuracy', { network: onnx, model, variant, experiment: asked }));
    expect(theirs.error).toBeUndefined();
    const { breakdown: _, ...found } = measured(ours.accuracy);
    const { breakdown, ...answers } = measured(theirs.accuracy);
    expect(answers).toEqual(found);
    expect(answers.top1.correct).toBeGreaterThan(36);
    expect(breakdown?.total).toBeCloseTo(
      Object.entries(breakdown ?? {}).reduce(
        (sum, [step, seconds]) => (step === 'total' ? sum : sum + (seconds ?? 0)),
        0,
      ),
      9,
    );
    expect(breakdown?.compute).toBeGreaterThan(0);
  });

  test('is timed by the rules engines are', async () => {
    const { onnx } = await compressed('latency', model, experiment());
    const { latency, error, resources } = await trialOf(taskOf('latency', { network: onnx, variant, batch: 2 }));
    expect(error).toBeUndefined();
    expect(latency).toMatchObject({ runs: 12, stages: {}, warnings: [] });
    expect(latency?.samples).toHaveLength(12);
    expect(latency?.throughput).toBeCloseTo(24 / (latency?.seconds ?? 0), 6);
    expect(resources?.seconds).toBeCloseTo(latency?.seconds ?? 0, 6);
  });

  test('what it can not load is an error of the trial', async () => {
    await writeFile(file('broken.onnx'), 'nothing of the kind');
    const { error } = await trialOf(taskOf('latency', { network: file('broken.onnx'), variant }));
    expect(error).toMatchObject({
      code: 'ERR_PRESISI_UNSUPPORTED_MODEL',
      message: expect.stringMatching(/^ONNX Runtime can't load /),
    });
  });

  test('a network that fixes its batch gets it', async () => {
    await using network = await OrtNetwork.open(fixture('classifier-fixed'), 1);
    expect(network.dims[0]).toBeGreaterThan(0);
    const size = network.dims.reduce((product, dim) => product * dim, 1);
    const { logits } = await network.run(new Float32Array(size), network.dims[0] as number);
    expect(logits.length % (network.dims[0] as number)).toBe(0);
  });

  /** Somebody's project with an onnxruntime-node of its own. */
  async function project(name: string, source: string, version = '9.8.7'): Promise<string> {
    const at = file(name);
    const own = join(at, 'node_modules', 'onnxruntime-node');
    await mkdir(own, { recursive: true });
    const about = { name: 'onnxruntime-node', version, main: 'index.cjs' };
    await writeFile(join(own, 'package.json'), JSON.stringify(about));
    await writeFile(join(own, 'index.cjs'), source);
    return at;
  }

  test('the user’s own comes first; one that does not load says why', async () => {
    const before = process.cwd();
    try {
      process.chdir(await project('own', 'module.exports = {};'));
      expect(await describeBaseline({ framework: 'onnxruntime' })).toEqual({ version: '9.8.7' });
      process.chdir(await project('broken', 'throw new Error("GLIBC_2.38 not found");'));
      expect(await describeBaseline({ framework: 'onnxruntime' })).toEqual({
        reason: 'onnxruntime-node does not load: GLIBC_2.38 not found',
        hint: 'reinstall it: npm install onnxruntime-node',
      });
      process.chdir(await project('old', 'module.exports = {};', '1.21.0'));
      expect(await describeBaseline({ framework: 'onnxruntime' })).toMatchObject({
        reason: 'onnxruntime-node 1.21.0 is too old: 1.22 or later is needed',
      });
    } finally {
      process.chdir(before);
    }
  });

  test('where it is not installed, that is said with the command that installs it', async () => {
    // The compiled library among all its dependencies but this one.
    const at = file('without');
    await mkdir(join(at, 'node_modules'), { recursive: true });
    for (const name of await readdir(join(ROOT, 'node_modules'))) {
      if (name !== 'onnxruntime-node') await symlink(join(ROOT, 'node_modules', name), join(at, 'node_modules', name));
    }
    for (const name of ['dist', 'package.json']) await symlink(join(ROOT, name), join(at, name));
    const entry = join(at, 'dist', 'characterize', 'baseline', 'baseline.js');
    const script = `process.chdir(${JSON.stringify(at)});
      const { describeBaseline } = await import(${JSON.stringify(entry)});
      console.log(JSON.stringify(await describeBaseline({ framework: 'onnxruntime' })));`;
    const { stdout, stderr } = await node(['--preserve-symlinks', '--input-type=module', '-e', script]);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      reason: 'onnxruntime-node is not installed',
      hint: 'npm install onnxruntime-node',
    });
  });
});

const interpreter = ['python3', 'python'].find((name) => spawnSync(name, ['-c', '']).status === 0);

describe('pytorch', () => {
  const variant = baselineVariant('pytorch');
  const opened = (python: string) =>
    PytorchNetwork.open(
      { architecture: 'nets:make', dims: [3, 32, 32], threads: 1, device: 'cpu', python },
      new AbortController().signal,
    );

  test('no Python, or none with torch: why, and what would help', async () => {
    expect(await describeBaseline({ framework: 'pytorch', python: '/nowhere/python' })).toEqual({
      reason: 'there is no Python to run PyTorch with: tried /nowhere/python, as baselines[].python says',
      hint: 'install Python with `pip install torch`, or name one with baselines[].python or PRESISI_PYTHON',
    });
  });

  test.skipIf(interpreter === undefined)('a Python without torch', async () => {
    // Python without its site-packages.
    await writeFile(file('bare'), `#!/bin/sh\nexec ${interpreter} -S "$@"\n`, { mode: 0o755 });
    expect(await describeBaseline({ framework: 'pytorch', python: file('bare') })).toEqual({
      reason: expect.stringMatching(/^torch, which the baseline runs, is not installed for /),
      hint: expect.stringMatching(/-m pip install torch$/),
    });
    const error = await presisiRejection(opened(file('bare')), UNAVAILABLE);
    expect(error.message).toMatch('torch, which the baseline runs, is not installed');
  });

  test('nothing says which network it is, or it is no checkpoint', async () => {
    const baselines = [{ framework: 'pytorch', architectures: { other: 'nets:make', m: 'nets:make' } }] as const;
    const model = { id: 'unknown', path: 'weights.pt' };
    const unknown = taskOf('latency', {
      network: fixture('classifier'),
      variant,
      model,
      experiment: experiment({ baselines }),
    });
    expect((await trialOf(unknown)).error).toMatchObject({
      code: 'ERR_PRESISI_INVALID_EXPERIMENT',
      message: 'nothing says which network PyTorch is to make of unknown',
    });
    const onnx = { id: 'm', path: fixture('classifier') };
    expect((await trialOf({ ...unknown, model: onnx })).error?.message).toMatch('it is no checkpoint');
  });
});

const withTorch = interpreter !== undefined && spawnSync(interpreter, ['-c', 'import torch']).status === 0;
if (!withTorch) console.log('baseline: SKIPPED, there is no Python with torch here: PyTorch itself');

describe.skipIf(!withTorch)('pytorch itself', { timeout: 120_000 }, () => {
  const NETS = `
import os, sys, time
import torch
from torch import nn

print("the user's own chatter")

def make():
    torch.manual_seed(5)
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.SiLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 24))

class Picture(nn.Module):
    def forward(self, x):
        return x

def picture():
    return Picture()
`;
  const PREPARE = `
import torch, nets
model = nets.make()
model.train()
for _ in range(3):
    model(torch.randn(8, 3, 64, 64))
torch.save(model.state_dict(), "weights.pt")
`;
  const variant = baselineVariant('pytorch');
  const model = { id: 'm', path: file('weights.pt'), architecture: 'nets:make', inputSize: 64 };
  let asked: Experiment;
  let onnx: string;
  let network: string;

  beforeAll(async () => {
    await writeFile(file('nets.py'), NETS);
    execFileSync(interpreter as string, ['-c', PREPARE], { cwd: folder, stdio: 'ignore' });
    asked = experiment({ accuracy, baselines: [{ framework: 'pytorch', architectures: { m: 'nets:make' } }] });
    vi.stubEnv('PYTHONPATH', folder);
    ({ onnx, network } = await compressed('nets', model, asked));
  }, 60_000);

  test('its version', async () => {
    expect(await describeBaseline({ framework: 'pytorch' })).toEqual({ version: expect.stringMatching(/^\d+\.\d+/) });
  });

  test('names the pictures as our FP32 engine does, made of what it exported', async () => {
    vi.stubEnv('PYTHONPATH', folder);
    const ours = await trialOf(taskOf('accuracy', { network, model, experiment: asked }));
    const theirs = await trialOf(taskOf('accuracy', { network: onnx, model, variant, experiment: asked }));
    expect(theirs.error).toBeUndefined();
    const { breakdown: _, ...found } = measured(ours.accuracy);
    const { breakdown, ...answers } = measured(theirs.accuracy);
    expect(answers).toEqual(found);
    expect(new Set(answers.predicted).size).toBeGreaterThan(1); // it does tell pictures apart
    expect(breakdown?.compute).toBeGreaterThan(0);
  });

  test('is timed in Python; its process counts as the trial’s', async () => {
    vi.stubEnv('PYTHONPATH', folder);
    const long = { ...asked, latency: { ...asked.latency, duration: 0.3 } };
    const task = taskOf('latency', { network: onnx, model, variant, batch: 2, threads: 1, experiment: long });
    const { latency, error, resources } = await trialOf(task);
    expect(error).toBeUndefined();
    expect(latency?.runs).toBeGreaterThanOrEqual(12);
    expect(latency?.seconds).toBeGreaterThanOrEqual(0.3);
    expect(latency?.loadSeconds).toBeGreaterThan(0);
    // Node.js does nothing meanwhile: what was computed, and what it took, is the child's.
    expect(resources?.seconds).toBeCloseTo(latency?.seconds ?? 0, 6);
    expect(resources?.cpu?.cores).toBeGreaterThan(0.2);
  });

  test('weights that do not fit, and a network that does not classify, are errors of the trial', async () => {
    vi.stubEnv('PYTHONPATH', folder);
    const wrong = (name: string, path?: string) => {
      const baselines = [{ framework: 'pytorch' as const, architectures: { m: name } }];
      const given =
        path === undefined ? { id: 'm', make: { architecture: 'x', seed: 1, classes: 2 } } : { id: 'm', path };
      const task = { network: onnx, model: given, variant, experiment: { ...asked, baselines } };
      return trialOf(taskOf('accuracy', task));
    };
    expect((await wrong('nets:picture', model.path)).error).toMatchObject({
      code: 'ERR_PRESISI_INVALID_MODEL',
      message: expect.stringMatching('does not fit nets:picture; unexpected: 0.weight'),
    });
    expect((await wrong('nets:picture')).error).toMatchObject({
      code: 'ERR_PRESISI_UNSUPPORTED_MODEL',
      message: expect.stringMatching('no row of numbers for each picture'),
    });
    expect((await wrong('nets:nothing', model.path)).error?.code).toBe('ERR_PRESISI_INVALID_ARGUMENT');
  });
});
