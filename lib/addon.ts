import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import bindings from 'bindings';
import { PresisiError } from './errors.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');

/** A prebuilt addon of this platform first, then what the install compiled. */
export function loadAddon(): unknown {
  const failures: string[] = [];
  const attempt = (what: string, require: () => unknown): unknown => {
    try {
      return require();
    } catch (error) {
      failures.push(`${what}: ${(error as Error).message.split('\n')[0]}`);
      return undefined;
    }
  };
  // For tests and for those who compile it elsewhere: that one and no other.
  const chosen = process.env.PRESISI_ADDON;
  if (chosen !== undefined) {
    const addon = attempt(chosen, () => createRequire(import.meta.url)(chosen));
    if (addon) return addon;
    throw new PresisiError('ERR_PRESISI_LOAD_FAILED', `cannot load PRESISI_ADDON: ${failures[0]}`);
  }
  const prebuilt = join(ROOT, 'prebuilds', `${process.platform}-${process.arch}`, 'presisi.node');
  const addon =
    attempt(prebuilt, () => {
      if (!existsSync(prebuilt)) throw new Error('no such file');
      return createRequire(import.meta.url)(prebuilt);
    }) ??
    attempt(join(ROOT, 'build', 'Release', 'presisi.node'), () =>
      bindings({ bindings: 'presisi', module_root: ROOT, try: [['module_root', 'build', 'Release', 'bindings']] }),
    );
  if (addon) return addon;
  throw new PresisiError(
    'ERR_PRESISI_LOAD_FAILED',
    `cannot load presisi's native addon for ${process.platform}-${process.arch}, Node.js ${process.versions.node}. Tried:\n${failures
      .map((failure) => `  - ${failure}`)
      .join('\n')}`,
    {
      hint: 'compile it with `npm rebuild presisi`; on Debian or Ubuntu that needs: apt-get install cmake g++ libprotozero-dev nlohmann-json3-dev libxxhash-dev libturbojpeg0-dev libdnnl-dev',
    },
  );
}
