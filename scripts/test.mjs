// `npm test`: the native unit tests, ONNX's own backend tests on every backend, and the tests of the library and the
// command line. Ends with one line that counts them all.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const binaries = join(root, 'build', 'Release');
const onnxCases = '/usr/share/libonnx-testdata/data';
const scratch = mkdtempSync(join(tmpdir(), 'presisi-test-'));
const totals = { passed: 0, failed: 0 };

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.error) throw result.error;
  return result;
}

function count(name, passed, failed) {
  console.log(`${name}: ${passed} passed, ${failed} failed`);
  totals.passed += passed;
  totals.failed += failed;
}

/** The attribute of the first element of that name; the reports are flat enough for that. */
function attribute(xml, element, name) {
  const tag = new RegExp(`<${element} [^>]*>`).exec(xml)?.[0] ?? '';
  const value = new RegExp(`${name}="(\\d+)"`).exec(tag)?.[1];
  if (value === undefined) throw new Error(`no ${name} of ${element} in the report`);
  return Number(value);
}

/** In the folder the addon was built in, so that only what is new is compiled. */
function compileTests() {
  for (const args of [['-DPRESISI_TESTS=ON', '.'], ['--build', '.', '--parallel', String(availableParallelism())]]) {
    const { status } = run('cmake', args, { cwd: join(root, 'build') });
    if (status !== 0) throw new Error('the native tests did not compile');
  }
}

function nativeTests(name, program) {
  const report = join(scratch, `${program}.xml`);
  const { status } = run(join(binaries, program), ['--reporters=xml', `--out=${report}`], { stdio: 'ignore' });
  const xml = readFileSync(report, 'utf8');
  const successes = attribute(xml, 'OverallResultsTestCases', 'successes');
  const failures = attribute(xml, 'OverallResultsTestCases', 'failures');
  // Once more for the eye: what failed, in words.
  if (failures > 0 || status !== 0) run(join(binaries, program), []);
  count(name, successes, Math.max(failures, status === 0 ? 0 : 1));
}

function conformance(backend) {
  const args = ['--backend', backend, '--check', join(root, 'test', 'conformance', 'expected.json'), '--json'];
  const { status, stdout } = run(join(binaries, 'presisi_conformance'), args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 64 << 20,
  });
  const { passed, failed, skipped } = JSON.parse(stdout.toString()).total;
  count(`ONNX backend cases, ${backend} (${skipped} outside the set)`, passed, status === 0 ? failed : Math.max(failed, 1));
}

function unitTests() {
  const report = join(scratch, 'vitest.json');
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs');
  run(process.execPath, [vitest, 'run', '--reporter=default', '--reporter=json', `--outputFile=${report}`]);
  const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
  count('library and command line', numPassedTests, Math.max(numFailedTests, numFailedTestSuites));
}

try {
  compileTests();
  nativeTests('native unit tests', 'presisi_tests');
  nativeTests('CUDA parts, on the stand-in', 'presisi_cuda_tests');
  for (const generation of [8, 10, 11]) {
    nativeTests(`TensorRT backend, on the stand-in of ${generation}`, `presisi_tensorrt_tests_${generation}`);
  }
  if (existsSync(onnxCases)) {
    conformance('reference');
    if (existsSync(join(binaries, 'libpresisi_cpu.so'))) conformance('cpu');
  } else {
    console.log('ONNX backend cases: not installed; to run them: apt-get install libonnx-testdata');
  }
  unitTests();
} catch (error) {
  console.error(error);
  totals.failed += 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${totals.passed} passed, ${totals.failed} failed`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;
