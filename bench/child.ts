import { fork } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import type { Workers } from './workers/tasks.js';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const SOURCES = join(ROOT, 'bench', 'workers');
/** Inside the package, so that workers import `presisi` and its dependencies by name. */
const COMPILED = join(ROOT, 'bench', '.compiled');

/** No trial takes that long: something hangs. */
const TIMEOUT_MS = 30 * 60_000;

/** Compiles the workers, so that their processes hold no TypeScript loader: it would count as their memory. */
export async function compileWorkers(): Promise<void> {
  await mkdir(COMPILED, { recursive: true });
  for (const name of await readdir(SOURCES)) {
    const source = await readFile(join(SOURCES, name), 'utf8');
    const { outputText } = ts.transpileModule(source, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
    });
    await writeFile(join(COMPILED, name.replace(/\.ts$/, '.js')), outputText);
  }
}

/** Runs a worker in a fresh process; rejects when it ends without a result. */
export function runWorker<Name extends keyof Workers>(name: Name, task: Workers[Name][0]): Promise<Workers[Name][1]> {
  return new Promise((resolve, reject) => {
    const child = fork(join(COMPILED, `${name}.js`), [], {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 2, 2, 'ipc'],
      timeout: TIMEOUT_MS,
    });
    child.send(task);
    let result: Workers[Name][1] | undefined;
    child.once('message', (message) => {
      result = message as Workers[Name][1];
    });
    child.once('error', reject);
    // Only once the process is gone: its exit would steal time from the next one.
    child.once('close', (code, signal) => {
      if (code === 0 && result !== undefined) resolve(result);
      else reject(new Error(`${name} ended with ${signal ?? `code ${code}`} and without a result`));
    });
  });
}
