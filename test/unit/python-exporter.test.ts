import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { exportWithPython, type PythonExport } from '../../lib/convert/python.js';
import { presisiRejection, ROOT, rejection, sleep, temporaryFolder } from './support.js';

const SCRIPT = join(ROOT, 'lib', 'convert', 'export.py');
const UNAVAILABLE = 'ERR_PRESISI_BACKEND_UNAVAILABLE';

let folder: string;
let files = 0;

beforeAll(async () => {
  folder = await temporaryFolder();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Somewhere of its own for each test. */
async function corner(): Promise<string> {
  files += 1;
  const path = join(folder, String(files));
  await mkdir(path);
  return path;
}

/** An executable of that name; `body` is what it does once it was asked for its version. */
async function fakePython(body: string, { version = 'printf 3.11', name = 'python3', at = '' } = {}): Promise<string> {
  const path = join(at || (await corner()), name);
  const text = `#!/bin/sh\nif [ "$1" = -c ]; then\n${version}\nexit\nfi\n${body}\n`;
  await writeFile(path, text);
  await chmod(path, 0o755);
  return path;
}

/** Where the request says that the ONNX file goes, as a shell variable. */
const OUTPUT = `output=$(printf %s "$2" | /usr/bin/env sed 's/.*"output":"\\([^"]*\\)".*/\\1/')`;

async function request(more: Partial<PythonExport> = {}): Promise<PythonExport> {
  const output = join(await corner(), 'model.onnx');
  return { checkpoint: 'weights.pt', architecture: 'nets:make', inputSize: 32, opset: 17, output, ...more };
}

const failure = async (code: Parameters<typeof presisiRejection>[1], more: Partial<PythonExport>) => {
  const asked = await request(more);
  const error = await presisiRejection(exportWithPython(asked), code);
  expect(await readdir(join(asked.output, '..'))).toEqual([]);
  return error;
};

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('which Python', () => {
  test('none: says which names were tried', async () => {
    vi.stubEnv('PATH', await corner());
    vi.stubEnv('PRESISI_PYTHON', '');
    const error = await failure(UNAVAILABLE, {});
    expect(error.message).toBe('there is no Python to export with: tried python3, python');
    expect(error.hint).toMatch('pip install torch');
  });

  test('the one of the environment, and nothing else, when it is set', async () => {
    vi.stubEnv('PRESISI_PYTHON', '/nowhere/python3');
    const { message } = await failure(UNAVAILABLE, {});
    expect(message).toBe('there is no Python to export with: tried /nowhere/python3, as PRESISI_PYTHON says');
  });

  test('the one of the option, before all others', async () => {
    vi.stubEnv('PRESISI_PYTHON', await fakePython('exit 1'));
    const { message } = await failure(UNAVAILABLE, { python: '/nowhere/python3' });
    expect(message).toBe('there is no Python to export with: tried /nowhere/python3, as options.python says');
  });

  test('python, where there is no python3', async () => {
    const at = await corner();
    await fakePython(`echo '{"error":{"code":"ERR_PRESISI_INVALID_MODEL","message":"asked"}}'`, { name: 'python', at });
    vi.stubEnv('PATH', at);
    vi.stubEnv('PRESISI_PYTHON', '');
    expect((await failure('ERR_PRESISI_INVALID_MODEL', {})).message).toBe('asked');
  });

  test('no file that may not be executed', async () => {
    const python = await fakePython('exit 1');
    await chmod(python, 0o644);
    expect((await failure(UNAVAILABLE, { python })).message).toMatch(`cannot run ${python}: `);
  });

  test.each(['2.7', '3.7'])('not Python %s', async (version) => {
    const python = await fakePython('exit 1', { version: `printf ${version}` });
    const { message, hint } = await failure(UNAVAILABLE, { python });
    expect(message).toBe(`${python} is Python ${version}; the exporter needs 3.8 or later`);
    expect(hint).toMatch('PRESISI_PYTHON');
  });

  test('nothing that is no Python', async () => {
    const python = await fakePython('exit 1', { version: 'echo what >&2; exit 2' });
    const { message, cause } = await failure(UNAVAILABLE, { python });
    expect(message).toBe(`${python} did not say which Python it is: exit code 2`);
    expect((cause as Error).message).toBe('what');
  });
});

describe('what Python answers', () => {
  test('an error keeps its code and hint; the last lines printed are its cause', async () => {
    const answer = '{"error":{"code":"ERR_PRESISI_INVALID_ARGUMENT","message":"no such model","hint":"resnet18"}}';
    const noise = 'i=0; while [ $i -lt 100 ]; do echo line $i >&2; i=$((i+1)); done';
    const python = await fakePython(`${noise}\necho '${answer}'`);
    const error = await failure('ERR_PRESISI_INVALID_ARGUMENT', { python });
    expect(error.message).toBe('no such model');
    expect(error.hint).toBe('resnet18');
    expect((error.cause as Error).message.split('\n')).toEqual(Array.from({ length: 20 }, (_, i) => `line ${80 + i}`));
  });

  test.each([
    ['nothing', 'exit 0', 'exit code 0'],
    ['no JSON', 'echo chatter', 'exit code 0'],
    ['JSON of another form', `echo '{"versions": 3}'`, 'exit code 0'],
    ['a code that is none', `echo '{"error":{"code":"OTHER","message":"m"}}'`, 'exit code 0'],
    ['success, and fails', `echo '{"versions": {}}'; exit 3`, 'exit code 3'],
    ['nothing, crashing', 'kill -SEGV $$', 'it was ended by SIGSEGV'],
  ])('%s', async (_, body, how) => {
    const python = await fakePython(`${OUTPUT}\necho half > "$output"\n${body}`);
    const { message } = await failure('ERR_PRESISI_UNSUPPORTED_MODEL', { python });
    expect(message).toBe(`the export ended without a result: ${how}`);
  });

  test('killed for its memory: says so', async () => {
    const python = await fakePython('kill -KILL $$');
    expect((await failure('ERR_PRESISI_UNSUPPORTED_MODEL', { python })).hint).toMatch('memory');
  });

  test('success without a file is a file system error', async () => {
    const python = await fakePython(`echo '{"versions": {}}'`);
    await failure('ERR_PRESISI_FILE_SYSTEM', { python });
  });

  test('success: the file appears whole, under its name', async () => {
    const python = await fakePython(`${OUTPUT}\nprintf whole > "$output"\necho '{"versions": {"torch": "2.1"}}'`);
    const asked = await request({ python });
    await writeFile(asked.output, 'older');
    expect(await exportWithPython(asked)).toEqual({ onnx: asked.output, versions: { torch: '2.1' } });
    expect(await readFile(asked.output, 'utf8')).toBe('whole');
    expect(await readdir(join(asked.output, '..'))).toEqual(['model.onnx']);
  });
});

describe('aborting', () => {
  test('before the start nothing runs', async () => {
    const ran = join(await corner(), 'ran');
    const python = await fakePython(':', { version: `echo > ${ran}; printf 3.11` });
    const asked = await request({ python, signal: AbortSignal.abort(new Error('enough')) });
    expect((await rejection(exportWithPython(asked))).message).toBe('enough');
    await expect(readFile(ran)).rejects.toThrow('ENOENT');
  });

  // One that ends when told to, one that doesn't; both have a process of their own running.
  test.each([
    ['SIGTERM ends Python', '', 1_500],
    ['SIGKILL ends one that goes on', "trap '' TERM", 10_000],
  ])('%s and what it started; nothing stays on disk', async (_, trap, limit) => {
    const pids = join(await corner(), 'pids');
    const body = `${trap}\n${OUTPUT}\necho half > "$output"\n/bin/sleep 60 &\necho $$ $! > ${pids}.new\n/bin/mv ${pids}.new ${pids}\nwait`;
    const controller = new AbortController();
    const asked = await request({ python: await fakePython(body), signal: controller.signal });
    const outcome = rejection(exportWithPython(asked));
    await vi.waitFor(() => readFile(pids), { timeout: 10_000 });
    expect(await readdir(join(asked.output, '..'))).toEqual([`model.onnx.${process.pid}.partial`]);
    const start = performance.now();
    controller.abort(new Error('enough'));
    expect((await outcome).message).toBe('enough');
    expect(performance.now() - start).toBeLessThan(limit);
    expect(await readdir(join(asked.output, '..'))).toEqual([]);
    const [python, child] = (await readFile(pids, 'utf8')).trim().split(' ').map(Number) as [number, number];
    await vi.waitFor(() => expect([isAlive(python), isAlive(child)]).toEqual([false, false]), { timeout: 5_000 });
  });
});

const interpreter = ['python3', 'python'].find((name) => spawnSync(name, ['-c', 'import dataclasses']).status === 0);
if (interpreter === undefined) console.log('python-exporter: no Python 3 here; what is missing in it is not tested');

describe.skipIf(interpreter === undefined)('what is missing in a Python', () => {
  /** A real Python that has no packages but those given: modules of that content. */
  async function pythonWith(modules: Record<string, string>): Promise<string> {
    const at = await corner();
    for (const [name, text] of Object.entries(modules)) {
      await mkdir(join(at, name, '..'), { recursive: true });
      await writeFile(join(at, name), text);
    }
    const python = join(at, 'python');
    await writeFile(python, `#!/bin/sh\nPYTHONPATH=${at} exec ${interpreter} -S "$@"\n`);
    await chmod(python, 0o755);
    return python;
  }
  const classic = 'def export(model, args, f, dynamic_axes=None, opset_version=None): pass';
  const torch = (version: string, signature = classic) => ({
    'torch/__init__.py': `__version__ = '${version}'\nfrom . import onnx, export`,
    'torch/onnx/__init__.py': signature,
    'torch/onnx/_constants.py': 'ONNX_TORCHSCRIPT_EXPORTER_MAX_OPSET = 20',
    'torch/export.py': 'def Dim(name, min): return name',
  });
  const newer = torch('3.0', 'def export(model, args, f, dynamic_shapes=None, opset_version=None, dynamo=True): pass');

  test.each([
    ['torch', {}, 'nets:make', /^torch, which the exporter runs, is not installed for /, /-m pip install torch$/],
    [
      'a torch that loads',
      { 'torch.py': 'raise OSError("libgomp.so.1")' },
      'nets:make',
      /does not load: OSError: libgomp/,
      /pip install torch --upgrade$/,
    ],
    [
      'what torch needs',
      { 'torch.py': 'import sympy' },
      'nets:make',
      /needs sympy, which is not installed/,
      /pip install sympy$/,
    ],
    ['a newer torch', torch('1.12.1'), 'nets:make', /PyTorch 1\.13 or later .* has 1\.12\.1/, /--upgrade torch$/],
    ['onnx', newer, 'nets:make', /^onnx, which PyTorch's exporter needs, is not installed/, /pip install onnx$/],
    [
      'onnxscript',
      { ...newer, 'onnx.py': '' },
      'nets:make',
      /^onnxscript, .* is not installed/,
      /pip install onnxscript$/,
    ],
    [
      'torchvision',
      torch('2.4.0'),
      'torchvision:vgg16',
      /^torchvision, which has torchvision:vgg16, is not/,
      /pip install torchvision$/,
    ],
    ['timm', torch('2.4.0'), 'timm:vgg16', /^timm, which has timm:vgg16, is not installed/, /pip install timm$/],
  ] as const)('%s', async (_, modules, architecture, message, hint) => {
    const error = await failure(UNAVAILABLE, { python: await pythonWith(modules), architecture });
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
    expect((error.cause as Error).message).toMatch('Failure');
  });

  test.each([
    ['nets', /^Expected torchvision:NAME, timm:NAME or module:function for architecture but received nets$/],
    ['nets:make', /^there is no Python module nets /],
    ['json:nothing', /^the module json has no function nothing/],
    ['torchvision:vgg61', /^torchvision has no model vgg61$/],
  ])('no architecture %s', async (architecture, message) => {
    const models = { 'torchvision/__init__.py': 'from . import models', 'torchvision/models.py': 'def vgg16(): pass' };
    const python = await pythonWith({ ...torch('2.4.0'), ...models });
    expect((await failure('ERR_PRESISI_INVALID_ARGUMENT', { python, architecture })).message).toMatch(message);
  });

  test('an export that nobody waits for any more ends by itself', async () => {
    const python = await pythonWith({ 'torch.py': 'import time\ntime.sleep(60)' });
    const child = spawn(python, [SCRIPT, JSON.stringify({ checkpoint: 'a', architecture: 'b:c' })]);
    await sleep(300);
    child.stdin.end();
    expect((await once(child, 'exit'))[0]).toBe(1);
  }, 10_000);
});

const withTorch = interpreter !== undefined && spawnSync(interpreter, ['-c', 'import torch']).status === 0;
if (!withTorch) console.log('python-exporter: SKIPPED, there is no Python with torch here: the real export');

describe.skipIf(!withTorch)('a real export', { timeout: 120_000 }, () => {
  const NETS = `
import torch
from torch import nn

print("the user's own chatter")

def make(num_classes=3):
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4), nn.SiLU(), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, num_classes))

class Pair(nn.Sequential):
    def forward(self, x):
        return super().forward(x), x

def pair():
    return Pair(*make())
`;
  const PREPARE = `
import json, torch, nets
torch.manual_seed(1)
model = nets.make(num_classes=5)
model(torch.randn(8, 3, 32, 32))
model.eval()
torch.save({"state_dict": {"module." + key: value for key, value in model.state_dict().items()}, "epoch": 3}, "weights.pt")
torch.save(model, "whole.pt")
x = torch.arange(3 * 3 * 32 * 32).remainder(97).div(48.5).sub(1).reshape(3, 3, 32, 32)
with torch.no_grad():
    json.dump({"input": x.flatten().tolist(), "logits": model(x).flatten().tolist()}, open("expected.json", "w"))
`;
  let at: string;
  const refused = (name: string) => join(ROOT, 'test', 'fixtures', 'checkpoints', 'refused', name);

  beforeAll(async () => {
    at = await corner();
    await writeFile(join(at, 'nets.py'), NETS);
    execFileSync(interpreter as string, ['-c', PREPARE], { cwd: at, stdio: 'ignore' });
  }, 60_000);

  async function answers(path: string): Promise<void> {
    const expected = JSON.parse(await readFile(join(at, 'expected.json'), 'utf8')) as Record<string, number[]>;
    const session = await ort.InferenceSession.create(path);
    expect([session.inputNames, session.outputNames]).toEqual([['input'], ['logits']]);
    // A batch of 3, where it was exported with 2.
    const input = new ort.Tensor('float32', Float32Array.from(expected.input ?? []), [3, 3, 32, 32]);
    const logits = (await session.run({ input })).logits as ort.Tensor;
    expect(logits.dims).toEqual([3, 5]);
    for (const [i, value] of (logits.data as Float32Array).entries()) {
      expect(value).toBeCloseTo(expected.logits?.[i] as number, 5);
    }
    await session.release();
  }

  test.each([
    ['a state_dict', 'weights.pt', {}],
    ['a pickled module, trusted', 'whole.pt', { trustPickle: true }],
  ])("%s: the answers are PyTorch's, for any batch", async (_, name, more) => {
    vi.stubEnv('PYTHONPATH', at);
    const asked = await request({ checkpoint: join(at, name), classes: 5, opset: 21, ...more });
    const { onnx, versions } = await exportWithPython(asked);
    expect(onnx).toBe(asked.output);
    expect(versions.python).toMatch(/^3\.\d+\.\d+$/);
    expect(versions.torch).toMatch(/^\d+\.\d+/);
    await answers(onnx);
  });

  test("weights that don't fit are listed", async () => {
    vi.stubEnv('PYTHONPATH', at);
    const checkpoint = join(at, 'weights.pt');
    const shapes = await failure('ERR_PRESISI_INVALID_MODEL', { checkpoint });
    expect(shapes.message).toMatch('of another shape: 5.weight (expected [3, 4], found [5, 4]), 5.bias');
    expect(shapes.hint).toMatch('--classes');
    const names = await failure('ERR_PRESISI_INVALID_MODEL', { checkpoint: refused('unknown-network.pt') });
    expect(names.message).toMatch('missing: 0.weight, 0.bias, 1.weight');
    expect(names.message).toMatch('unexpected: encoder.weight, encoder.bias');
  });

  test.each([
    ['a pickled module', 'pickled-module.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL', 'would execute code'],
    ['a pickle with a command', 'runs-a-command.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL', 'would execute code'],
    ['a TorchScript archive', 'torchscript.pt', 'ERR_PRESISI_UNSUPPORTED_MODEL', 'TorchScript'],
    ['no checkpoint', '../manifest.json', 'ERR_PRESISI_INVALID_MODEL', 'not a checkpoint'],
    ['no file', 'nothing.pt', 'ERR_PRESISI_FILE_SYSTEM', 'No such file'],
  ] as const)('%s is refused, and nothing in it runs', async (_, name, code, message) => {
    vi.stubEnv('PYTHONPATH', at);
    const ran = join(await corner(), 'ran');
    vi.stubEnv('PRESISI_PICKLE_RAN', ran);
    const error = await failure(code, { checkpoint: refused(name) });
    expect(error.message).toMatch(message);
    if (message === 'would execute code') expect(error.hint).toMatch('trustPickle');
    await expect(readFile(ran)).rejects.toThrow('ENOENT');
  });

  test('a network with two outputs is refused', async () => {
    vi.stubEnv('PYTHONPATH', at);
    const python = `torch.save(nets.pair().state_dict(), "pair.pt")`;
    execFileSync(interpreter as string, ['-c', `import nets, torch; ${python}`], { cwd: at, stdio: 'ignore' });
    const asked = { checkpoint: join(at, 'pair.pt'), architecture: 'nets:pair' };
    const { message } = await failure('ERR_PRESISI_UNSUPPORTED_MODEL', asked);
    expect(message).toBe('nets:pair returns a tuple where one tensor is expected');
  });
});
