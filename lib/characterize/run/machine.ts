import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backends } from '../../backends.js';
import { convert } from '../../convert/convert.js';
import { architectures, makeModel } from '../../convert/models.js';
import { present } from '../../options.js';
import { telemetrySources } from '../../telemetry/telemetry.js';
import { describeBaseline } from '../baseline/baseline.js';
import { readDevice } from '../device/device.js';
import { readEnvironment } from '../device/environment.js';
import { describeModel } from '../device/model-facts.js';
import type { Host } from './host.js';

/** Trials run the same files as this one: compiled ones, or TypeScript where its loader does. */
const ENDING = extname(fileURLToPath(import.meta.url));

/** This machine. */
export const machine: Host = {
  backends,
  architectures: () => architectures().map(({ name }) => name),
  device: readDevice,
  environment: readEnvironment,
  describeModel,
  baseline: describeBaseline,
  sources: async ({ sources, root }) => (await telemetrySources(present({ sources, root }))).sources,
  trialEntry: fileURLToPath(new URL(`../trial/main${ENDING}`, import.meta.url)),

  async exportOriginal({ path, make, architecture, inputSize }, output, python, signal) {
    const common = { output, batchNorm: 'keep' as const, signal, ...present({ inputSize }) };
    if (make) {
      await makeModel(make.architecture, { ...common, seed: make.seed, classes: make.classes });
    } else {
      // `torchvision:NAME`, `timm:NAME` and `module:function` are what only the user's Python knows.
      const own = architecture?.includes(':') && { exporter: 'python' as const, ...present({ python }) };
      await convert(path as string, { ...common, ...present({ architecture }), ...own });
    }
  },

  async memoryAvailable() {
    const meminfo = await readFile('/proc/meminfo', 'utf8').catch(() => '');
    const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(meminfo)?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  },
};
