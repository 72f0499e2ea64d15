import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll } from 'vitest';
import { PresisiError, type PresisiErrorCode } from '../../lib/index.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const fixture = (name: string): string => join(ROOT, 'test', 'fixtures', `${name}.onnx`);

/** A folder that goes away after the file's tests. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'presisi-test-'));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A picture whose content follows from `seed`. */
export async function picture(seed: number, width = 20, height = 18): Promise<Buffer> {
  const values = Array.from({ length: width * height * 3 }, (_, i) => (i * 37 + seed * 101 + ((i * seed) >> 3)) & 255);
  const pixels = Buffer.from(values);
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

/** `count` pictures in two folders, one for each of two classes. */
export async function pictureFolder(parent: string, count: number, classes = ['alpha', 'beta']): Promise<string> {
  const folder = join(parent, `pictures-${count}`);
  for (const name of classes) await mkdir(join(folder, name), { recursive: true });
  for (let i = 0; i < count; i += 1) {
    const name = classes[i % classes.length] as string;
    await writeFile(join(folder, name, `${String(i).padStart(3, '0')}.png`), await picture(i + 1));
  }
  return folder;
}

/** The error a promise rejects with; fails when it doesn't. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('the promise was expected to reject');
}

/** The rejection, which must be a PresisiError of that code. */
export async function presisiRejection(promise: Promise<unknown>, code: PresisiErrorCode): Promise<PresisiError> {
  const error = await rejection(promise);
  if (!(error instanceof PresisiError)) throw new Error(`expected a PresisiError, found ${error.stack}`);
  if (error.code !== code) throw new Error(`expected ${code}, found ${error.code}: ${error.message}`);
  return error;
}

export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Node.js with arguments and waits for its end. */
export function node(
  args: readonly string[],
  onStart?: (kill: (signal: NodeJS.Signals) => void) => void,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (piece) => {
      stdout += piece;
    });
    child.stderr.on('data', (piece) => {
      stderr += piece;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
    onStart?.((signal) => child.kill(signal));
  });
}

const CLI = join(ROOT, 'dist', 'cli', 'main.js');

export const cli = (...args: string[]): Promise<Finished> => node([CLI, ...args]);

/** The command line in another environment. */
export const cliWith = (env: NodeJS.ProcessEnv, ...args: string[]): Promise<Finished> =>
  node([CLI, ...args], undefined, { ...process.env, ...env });

export const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));
