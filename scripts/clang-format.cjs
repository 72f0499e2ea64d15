'use strict';

// Checks the C++ files' format, or mends it with --write. CLANG_FORMAT names the program where it has another name.

const { spawnSync } = require('node:child_process');
const { readdirSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');
const files = ['binding', 'cpp', join('test', 'cpp')].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((name) => /\.[ch]pp$/.test(name))
    .map((name) => join(folder, name)),
);

const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
for (const program of process.env.CLANG_FORMAT ? [process.env.CLANG_FORMAT] : ['clang-format', 'clang-format-14']) {
  const { status, error } = spawnSync(program, [...mode, ...files], { cwd: root, stdio: 'inherit' });
  if (error?.code === 'ENOENT') continue;
  process.exit(status ?? 1);
}
console.error('no clang-format found: install clang-format 14 or later, or set CLANG_FORMAT to its name');
process.exitCode = 1;
