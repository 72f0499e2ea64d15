// `npm run test:package`: what users get. Builds a prebuilt addon, packs the tarball, installs it in an empty project without
// compiling anything, type-checks and runs examples/classify.ts there.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const project = mkdtempSync(join(tmpdir(), 'presisi-package-'));

const run = (command, args, cwd = project, stdio = 'inherit') =>
  execFileSync(command, args, { cwd, stdio: ['ignore', stdio, 'inherit'], encoding: 'utf8' });

try {
  run('npm', ['run', '--silent', 'prebuild'], root);
  run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', project], root);
  const { version } = createRequire(import.meta.url)('../package.json');
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n');
  run('npm', ['install', '--no-audit', '--no-fund', join(project, `presisi-${version}.tgz`), '@types/node@20']);
  const installed = join(project, 'node_modules', 'presisi');
  if (existsSync(join(installed, 'build'))) throw new Error('a prebuilt was there, yet the addon was compiled');
  const available = (cli) =>
    JSON.parse(run(process.execPath, [cli, 'backends', '--json'], project, 'pipe'))
      .filter((backend) => backend.available)
      .map((backend) => backend.name)
      .join();
  const expected = available(join(root, 'dist', 'cli', 'main.js'));
  const found = available(join(installed, 'dist', 'cli', 'main.js'));
  if (found !== expected) throw new Error(`installed, the backends are ${found} instead of ${expected}`);
  copyFileSync(join(root, 'examples', 'classify.ts'), join(project, 'classify.ts'));
  const options = ['--module', 'nodenext', '--target', 'es2022', '--strict', '--skipLibCheck', 'false'];
  run(process.execPath, [compiler, ...options, '--types', 'node', 'classify.ts']);
  const images = join(root, 'calibration-data', 'images');
  const model = join(root, 'models', 'blossom', 'model.onnx');
  const args = ['classify.js', model, join(images, 'calibration'), join(images, 'test', 'poppy')];
  const lines = run(process.execPath, args, project, 'pipe').trim().split('\n');
  if (lines.length !== 30 || !lines.every((line) => /\.jpg \d+ [\d.]+$/.test(line))) throw new Error(lines.join('\n'));
  console.log(`the packed tarball installs without compiling, and classified ${lines.length} pictures`);
} finally {
  rmSync(project, { recursive: true, force: true });
  // Left there, it would shadow every later build of this tree.
  rmSync(join(root, 'prebuilds'), { recursive: true, force: true });
}
