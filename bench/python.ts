// onnxruntime.quantization exists only in Python: here it is found, run and watched.
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './child.js';

export interface PythonQuantizer {
  readonly python: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** What quantize.py is told. */
export interface QuantizeTask {
  readonly model: string;
  readonly output: string;
  /** Name of the network's input. */
  readonly input: string;
  readonly images: readonly string[];
  readonly method: 'MinMax' | 'Entropy';
  /** Types of operators; null for all that it can quantize. */
  readonly operators: readonly string[] | null;
  readonly resize: number;
  readonly crop: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

export interface QuantizeCost {
  /** Of `quantize_static()`, reading and decoding the pictures included. */
  readonly seconds: number;
  /** Of `quant_pre_process()` before it, which isn't counted. */
  readonly prepareSeconds: number;
  readonly peakRssBytes: number;
}

const PROBE = `
import json, platform, numpy, onnx, onnxruntime, onnxruntime.quantization, PIL
print(json.dumps({"Python": platform.python_version(), "onnxruntime (Python)": onnxruntime.__version__,
                  "onnx (Python)": onnx.__version__}))`;

/** Below this the machine would start to kill processes, and not necessarily this one. */
const LEAST_AVAILABLE_BYTES = 1.5e9;
const WATCH_MS = 100;

/** A Python with what is needed; throws with the reason where there is none. */
export async function findQuantizer(python: string): Promise<PythonQuantizer> {
  try {
    const { stdout } = await promisify(execFile)(python, ['-c', PROBE]);
    return { python, versions: JSON.parse(stdout) as Record<string, string> };
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    const reason = stderr.trim().split('\n').at(-1) || message;
    throw new Error(`${python} can't quantize for ONNX Runtime: ${reason}`);
  }
}

function availableBytes(): number {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
}

/** Runs quantize.py in a fresh process; stops it, and rejects, before it takes the last memory. */
export function quantizeWithPython({ python }: PythonQuantizer, task: QuantizeTask): Promise<QuantizeCost> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [join(ROOT, 'bench', 'python', 'quantize.py')], { stdio: 'pipe' });
    let [output, errors] = ['', ''];
    let stopped = false;
    const watch = setInterval(() => {
      if (availableBytes() >= LEAST_AVAILABLE_BYTES) return;
      stopped = true;
      child.kill('SIGKILL');
    }, WATCH_MS);
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.stderr.on('data', (data) => {
      errors = `${errors}${data}`.slice(-4000);
    });
    child.once('error', (error) => {
      clearInterval(watch);
      reject(error);
    });
    child.stdin.once('error', () => {}); // it ended early: 'close' tells why
    child.once('close', (code, signal) => {
      clearInterval(watch);
      const last = output.trim().split('\n').at(-1) ?? '';
      if (stopped) reject(new Error('stopped: less than 1.5 GB of memory were left'));
      else if (code === 0) resolve(JSON.parse(last) as QuantizeCost);
      else reject(new Error(`quantize.py ended with ${signal ?? `code ${code}`}: ${errors.trim().split('\n').at(-1)}`));
    });
    child.stdin.end(JSON.stringify(task));
  });
}
