#!/usr/bin/env node
'use strict';

// prebuildify calls node-gyp; this project is built by CMake. Its options that matter are the architecture and the kind
// of build: the addon uses Node-API alone, so the version of Node.js doesn't.

const { spawnSync } = require('node:child_process');
const { dirname, join } = require('node:path');

const option = (name) => process.argv.find((argument) => argument.startsWith(`--${name}=`))?.slice(name.length + 3);

const cmakeJs = join(dirname(require.resolve('cmake-js/package.json')), 'bin', 'cmake-js');
const parameters = ['compile', '--config', process.argv.includes('--debug') ? 'Debug' : 'Release'];
const arch = option('arch');
if (arch !== undefined) parameters.push('--arch', arch);

const { status, error } = spawnSync(process.execPath, [cmakeJs, ...parameters], {
  cwd: join(__dirname, '..'),
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
