import { cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { node, ROOT, temporaryFolder } from './support.js';

const folder = await temporaryFolder();

/** The compiled library without an addon. */
async function installation(name: string): Promise<string> {
  const root = join(folder, name);
  await mkdir(root);
  await cp(join(ROOT, 'dist'), join(root, 'dist'), { recursive: true });
  await cp(join(ROOT, 'package.json'), join(root, 'package.json'));
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  return root;
}

const prebuilds = (root: string): string => join(root, 'prebuilds', `${process.platform}-${process.arch}`);

const PROGRAM = `backends().then((found) => console.log(found.length > 0), ({ code, message, hint }) => console.log(JSON.stringify({ code, message, hint })))`;
const run = (root: string) =>
  node([
    '--input-type=module',
    '-e',
    `import { backends } from ${JSON.stringify(pathToFileURL(join(root, 'dist', 'index.js')).href)}; ${PROGRAM}`,
  ]);

test('without an addon: each place tried, why it failed, and what to do', async () => {
  const root = await installation('bare');
  await mkdir(prebuilds(root), { recursive: true });
  await writeFile(join(prebuilds(root), 'presisi.node'), 'not a library');
  const { code, message, hint } = JSON.parse((await run(root)).stdout);
  expect(code).toBe('ERR_PRESISI_LOAD_FAILED');
  expect(message).toMatch(/prebuilds.*presisi\.node: .*(invalid ELF header|file too short)/);
  expect(message).toMatch(/build.Release.presisi\.node: /);
  expect(hint).toContain('apt-get install');
  const doctor = await node([join(root, 'dist', 'cli', 'main.js'), 'doctor', '--json']);
  expect(doctor.code).toBe(1);
  expect(JSON.parse(doctor.stdout)).toContainEqual(expect.objectContaining({ name: 'addon', ok: false, fix: hint }));
});

test('a prebuilt addon is found without a build', async () => {
  const root = await installation('prebuilt');
  await cp(join(ROOT, 'build', 'Release'), prebuilds(root), { recursive: true });
  expect((await run(root)).stdout).toBe('true\n');
});
