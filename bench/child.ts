import { fork } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Inside the package, so that workers import `presisi` and its dependencies by name. */
const COMPILED = join(ROOT, 'bench', '.compiled');
const SOURCES = [
  'trial',
  'compress',
  'quantize-ort',
  'measure',
  'worker',
  ...['model', 'mobilenet', 'resnet', 'graph', 'random', 'reader', 'ort-form', 'onnx', 'protobuf'].map(
    (name) => `models/${name}`,
  ),
];

/** No trial takes that long: something hangs. */
const TIMEOUT_MS = 30 * 60_000;

/** Compiles the workers, so that their processes hold no TypeScript loader: it would count as their memory. */
export async function compileWorkers(): Promise<void> {
  await mkdir(join(COMPILED, 'models'), { recursive: true });
  for (const name of SOURCES) {
    const source = await readFile(join(ROOT, 'bench', `${name}.ts`), 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    });
    await writeFile(join(COMPILED, `${name}.js`), outputText);
  }
}

/** Runs a worker in a fresh process; rejects when it ends without a result. */
export function runWorker<Result>(name: 'trial' | 'compress' | 'quantize-ort', task: object): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = fork(join(COMPILED, `${name}.js`), [], {
      execArgv: [],
      stdio: ['ignore', 2, 2, 'ipc'],
      timeout: TIMEOUT_MS,
    });
    child.send(task);
    let result: Result | undefined;
    child.once('message', (message) => {
      result = message as Result;
    });
    child.once('error', reject);
    // Only once the process is gone: its exit would steal time from the next one.
    child.once('close', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`} and without a result`));
    });
  });
}
