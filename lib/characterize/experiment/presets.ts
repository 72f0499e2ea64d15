import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PresisiError } from '../../errors.js';
import type { ExperimentOptions } from '../experiment.js';

/** The package, or the repository: two folders up, from lib/ as from dist/. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

export const PRESETS = ['study', 'study-full'] as const;
export type Preset = (typeof PRESETS)[number];

/** The study's networks from small to large, as the zoo's files and as built-in architectures at full size. */
const NETWORKS = [
  ['mobilenet_v3_small', 'mobilenet_v3_small_minimalistic'],
  ['mobilenet_v3_large', 'mobilenet_v3_large_minimalistic'],
  ['efficientnet_b1', 'efficientnet_b1'],
  ['efficientnet_b3', 'efficientnet_b3'],
  ['densenet169', 'densenet169'],
  ['densenet201', 'densenet201'],
] as const;

/**
 * A ready-made experiment on what the repository holds.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_EXPERIMENT where the models or the pictures aren't there: the npm package
 *   comes without them
 */
export function presetOptions(preset: Preset, root = ROOT): ExperimentOptions {
  const at = (...parts: string[]): string => join(root, ...parts);
  const calibration = at('calibration-data', 'images', 'calibration');
  const trained = preset === 'study';
  const zoo = NETWORKS.map(([file]) => at('models', 'zoo', `${file}.pth`));
  const missing = [...(trained ? zoo : []), calibration].find((path) => !existsSync(path));
  if (missing !== undefined) {
    throw new PresisiError(
      'ERR_PRESISI_INVALID_EXPERIMENT',
      `the preset ${preset} needs ${missing}, which isn't there`,
      {
        hint: `presisi is installed without the repository's models and pictures: clone the repository, or write an experiment with your own (docs/characterize.md)`,
      },
    );
  }
  if (!trained) {
    return {
      name: preset,
      models: NETWORKS.map(([id, make]) => ({ id, make, seed: 1, classes: 100, inputSize: 224 })),
      calibration: { data: calibration, methods: ['entropy'], samples: [128] },
      repeats: 5,
    };
  }
  return {
    name: preset,
    models: zoo.map((path) => ({ path })),
    calibration: { data: calibration, methods: ['entropy'], samples: [192] },
    accuracy: { data: at('calibration-data', 'images', 'test'), labels: at('calibration-data', 'labels.txt') },
    // 0.3 s hold twenty runs of the slowest network at batch 1 on two cores. With five repeats that's enough, and the whole
    // takes some ten minutes.
    latency: { batchSizes: [1, 8], warmUp: 100, duration: 0.3 },
    repeats: 5,
  };
}
