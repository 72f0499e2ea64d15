import { release, type } from 'node:os';
import { backends } from '../../backends.js';
import { native } from '../../native.js';
import { present } from '../../options.js';
import { describeBaseline } from '../baseline/baseline.js';
import type { Experiment } from '../experiment.js';
import type { Environment } from '../results.js';
import { systemText } from './system.js';

/**
 * The software that has a part in the numbers: of this machine's, and of the frameworks of these baselines that can be used.
 *
 * @param root a folder with a recorded device's `proc` and `etc`; its operating system is then that device's
 */
export async function readEnvironment(baselines: Experiment['baselines'] = [], root = ''): Promise<Environment> {
  const frameworks: Record<string, string> = {};
  for (const baseline of baselines) {
    const found = await describeBaseline(baseline);
    if ('version' in found) frameworks[baseline.framework] = found.version;
  }
  const available = (await backends()).filter((backend) => backend.available);
  return {
    presisi: native().version,
    node: process.version,
    os: await operatingSystem(root),
    kernel: (await systemText(root, '/proc/sys/kernel/osrelease')) ?? (root === '' ? release() : 'unknown'),
    backends: Object.fromEntries(available.map(({ name, version }) => [name, version])),
    frameworks,
  };
}

/** As it calls itself, and on Jetsons with the release of L4T, which decides the versions of everything NVIDIA's. */
async function operatingSystem(root: string): Promise<string> {
  const about = await systemText(root, '/etc/os-release');
  const name = about && /^PRETTY_NAME="?([^"\n]*)/m.exec(about)?.[1];
  const tegra = (await systemText(root, '/etc/nv_tegra_release')) ?? '';
  const [, major, minor] = /^# R(\d+) \(release\), REVISION: ([\d.]+)/.exec(tegra) ?? [];
  const { l4t } = present({ l4t: major && `L4T ${major}.${minor}` });
  return [name || (root === '' ? type() : 'unknown'), l4t].filter(Boolean).join(', ');
}
