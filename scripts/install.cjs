'use strict';

// What npm runs after unpacking: a prebuilt addon is used as it is, otherwise the addon is compiled.

const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { availableParallelism } = require('node:os');
const { dirname, join } = require('node:path');

const root = join(__dirname, '..');
const prebuilt = join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'presisi.node');

/** In a process of its own: an addon for another C library may end it. */
const loads = (addon) =>
  existsSync(addon) && spawnSync(process.execPath, ['-e', 'require(process.argv[1])', addon]).status === 0;

function compile() {
  const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
  return spawnSync(process.execPath, [cmakeJs, 'compile', '--parallel', String(availableParallelism())], {
    cwd: root,
    stdio: 'inherit',
  }).status;
}

if (!loads(prebuilt) && compile() !== 0) {
  console.error(`
presisi: there is no prebuilt addon for ${process.platform}-${process.arch}, and compiling it failed (see above).
It needs CMake 3.16 or later, a C++17 compiler and a few libraries. On Debian or Ubuntu:

    apt-get install cmake g++ libprotozero-dev nlohmann-json3-dev libxxhash-dev libturbojpeg0-dev libdnnl-dev

Then: npm rebuild presisi
`);
  process.exitCode = 1;
}
