// Compiles what is written against TensorRT with the headers of several releases, without linking anything:
// the signatures that the test doubles offer, and the TensorRT backend itself.
//
//   node scripts/check-tensorrt-headers.mjs HEADERS CUDA_INCLUDE [--doubles-only] [--only SET,…] [--jobs N]
//
// HEADERS holds one folder per release, HEADERS/<version>/include. The doubles are always checked. The exit code is 0 when
// everything compiles.

import { execFile } from 'node:child_process';
import { readdirSync, existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = promisify(execFile);
const options = process.argv.slice(2);
const jobsAt = options.indexOf('--jobs');
const jobs = jobsAt < 0 ? 2 : Number(options.splice(jobsAt, 2)[1]);
const onlyAt = options.indexOf('--only');
const only = onlyAt < 0 ? undefined : options.splice(onlyAt, 2)[1]?.split(',');
const doublesOnly = options.includes('--doubles-only');
const [headers, cuda] = options.filter((option) => !option.startsWith('--'));
if (!headers || !cuda || !Number.isInteger(jobs) || jobs < 1) {
  console.error('usage: check-tensorrt-headers.mjs HEADERS CUDA_INCLUDE [--doubles-only] [--only SET,…] [--jobs N]');
  process.exit(2);
}

const sources = (folder) =>
  existsSync(join(root, folder))
    ? readdirSync(join(root, folder))
        .filter((name) => name.endsWith('.cpp'))
        .map((name) => join(folder, name))
    : [];
const conformance = sources('test/doubles/tensorrt').filter((file) => file.includes('conformance'));
const cudaConformance = sources('test/doubles/cuda').filter((file) => file.includes('conformance'));
const backend = doublesOnly ? [] : [...sources('cpp/backend/cuda'), ...sources('cpp/backend/tensorrt')];

const doubleCuda = ['-I', join(root, 'test/doubles/cuda/include')];
const doubleTensorrt = ['-I', join(root, 'test/doubles/tensorrt/include')];
const sets = [
  ...readdirSync(headers)
    .filter((name) => existsSync(join(headers, name, 'include', 'NvInfer.h')))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => ({ name, flags: ['-isystem', join(headers, name, 'include'), '-isystem', cuda] })),
  ...[
    ['double 8.5', '-DPRESISI_DOUBLE_TENSORRT=8', '-DPRESISI_DOUBLE_TENSORRT_MINOR=5'],
    ['double 8.6', '-DPRESISI_DOUBLE_TENSORRT=8', '-DPRESISI_DOUBLE_TENSORRT_MINOR=6'],
    ['double 10.3', '-DPRESISI_DOUBLE_TENSORRT=10'],
    ['double 11.1', '-DPRESISI_DOUBLE_TENSORRT=11'],
  ].map(([name, ...defines]) => ({ name, flags: [...defines, ...doubleTensorrt, ...doubleCuda] })),
].filter(({ name }) => !only || only.includes(name));

const tasks = [];
for (const set of sets) {
  for (const file of conformance) tasks.push({ set: set.name, kind: 'signatures', file, flags: set.flags });
  for (const file of backend) tasks.push({ set: set.name, kind: 'backend', file, flags: set.flags });
}
for (const file of cudaConformance) {
  tasks.push({ set: 'CUDA', kind: 'signatures', file, flags: ['-isystem', cuda] });
  tasks.push({ set: 'double CUDA', kind: 'signatures', file, flags: doubleCuda });
}

const compiler = process.env.CXX ?? 'g++';
const always = ['-std=c++17', '-Wall', '-Wextra', '-Werror', '-Wno-deprecated-declarations', '-fsyntax-only'];
const defines = ['-DPRESISI_VERSION="0.0.0"', '-DXXH_INLINE_ALL', '-I', join(root, 'cpp')];
async function compile(task) {
  try {
    await run(compiler, [...always, ...defines, ...task.flags, join(root, task.file)], { maxBuffer: 1 << 26 });
    task.good = true;
  } catch (error) {
    task.good = false;
    task.output = error.stderr || error.message;
  }
}
const queue = [...tasks];
await Promise.all(
  Array.from({ length: jobs }, async () => {
    for (let task = queue.shift(); task; task = queue.shift()) await compile(task);
  }),
);

const cell = (set, kind) => {
  const of = tasks.filter((task) => task.set === set && task.kind === kind);
  return of.length ? `${of.filter((task) => task.good).length}/${of.length}` : '-';
};
const names = [...new Set(tasks.map((task) => task.set))];
const width = Math.max(...names.map((name) => name.length), 'headers'.length);
console.log(`${'headers'.padEnd(width)}  signatures  backend`);
for (const name of names) {
  console.log(`${name.padEnd(width)}  ${cell(name, 'signatures').padEnd(10)}  ${cell(name, 'backend')}`);
}
const failed = tasks.filter((task) => !task.good);
for (const task of failed) {
  const lines = task.output.split('\n').filter((line) => /error/.test(line));
  console.log(`\n${task.set}: ${relative(root, join(root, task.file))}`);
  for (const line of lines.slice(0, 5)) console.log(`  ${line}`);
}
process.exit(failed.length ? 1 : 0);
