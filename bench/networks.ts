/** The six of the study. */
export const STUDY = [
  'mobilenet_v3_small',
  'mobilenet_v3_large',
  'efficientnet_b1',
  'efficientnet_b3',
  'densenet169',
  'densenet201',
] as const;

/** And two that everybody knows. */
export const NETWORKS: readonly string[] = [...STUDY, 'resnet50', 'mobilenet_v2'];

/** What the networks take and tell apart: as ImageNet networks do, whatever their authors trained them with. */
export const INPUT_SIZE = 224;
export const CLASSES = 1000;
export const SEED = 1;
