// `npm run test:jetpack`: what `npm install` does on a Jetson. Lays out a tree as JetPack does, with the stand-ins' headers and
// libraries in place of NVIDIA's, installs the packed tarball with no flag, and looks whether TensorRT is there. Compiles the
// whole addon, so it takes minutes. Run `npm test` first: it builds the stand-ins.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const GENERATION = '10';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'presisi-jetpack-'));
const project = join(scratch, 'project');
const sysroot = join(scratch, 'sysroot');

const run = (command, args, env = {}, stdio = 'inherit') =>
  execFileSync(command, args, { cwd: project, env: { ...process.env, ...env }, stdio: ['ignore', stdio, 'inherit'], encoding: 'utf8' });

/** Where the compiler's own triplet says: `/usr/include/aarch64-linux-gnu` on a Jetson. */
function layOut() {
  const triplet = execFileSync('gcc', ['-dumpmachine'], { encoding: 'utf8' }).trim();
  const doubles = join(root, 'test', 'doubles');
  const libraries = join(root, 'build', 'doubles');
  const includes = join(sysroot, 'usr', 'include', triplet);
  cpSync(join(doubles, 'tensorrt', 'include'), includes, { recursive: true });
  cpSync(join(doubles, 'cuda', 'include'), join(sysroot, 'usr', 'local', 'cuda', 'include'), { recursive: true });
  cpSync(join(libraries, GENERATION), join(sysroot, 'usr', 'lib', triplet), { recursive: true, verbatimSymlinks: true });
  const cuda = join(sysroot, 'usr', 'local', 'cuda', 'lib64');
  mkdirSync(cuda, { recursive: true });
  for (const name of ['libcudart.so', 'libcudart.so.12', 'libcudart.so.12.6']) {
    cpSync(join(libraries, name), join(cuda, name), { verbatimSymlinks: true });
  }
  // The real headers know their version by themselves.
  const version = join(includes, 'NvInferVersion.h');
  writeFileSync(version, `#define PRESISI_DOUBLE_TENSORRT ${GENERATION}\n${readFileSync(version, 'utf8')}`);
  rmSync(join(sysroot, 'usr', 'lib', triplet, 'libpresisi_tensorrt.so'), { force: true });
}

try {
  mkdirSync(project, { recursive: true });
  layOut();
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', project], { cwd: root });
  const { version } = createRequire(import.meta.url)('../package.json');
  writeFileSync(join(project, 'package.json'), '{ "name": "user", "private": true, "type": "module" }\n');
  const tarball = join(project, `presisi-${version}.tgz`);
  run('npm', ['install', '--no-audit', '--no-fund', '--foreground-scripts', tarball], { PRESISI_SYSROOT: sysroot });
  const cli = join(project, 'node_modules', 'presisi', 'dist', 'cli', 'main.js');
  const backends = JSON.parse(run(process.execPath, [cli, 'backends', '--json'], {}, 'pipe'));
  const tensorrt = backends.find(({ name }) => name === 'tensorrt');
  if (!tensorrt?.available) throw new Error(`TensorRT was not built: ${tensorrt?.reason}`);
  console.log(`npm install built the backend for ${tensorrt.version} with no flag`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
