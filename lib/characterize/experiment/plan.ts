import { createHash } from 'node:crypto';
import { type Experiment, hasAccuracy } from '../experiment.js';
import type { Environment, Trial, Variant } from '../results.js';

/** One trial as it is planned; how often it is attempted shows later. */
export interface PlannedTrial {
  readonly id: string;
  readonly kind: Trial['kind'];
  readonly variant: Variant;
  readonly repeat: number;
  /** Latency only. */
  readonly batch?: number;
  readonly threads?: number;
}

/** All trials of one stage end before the next stage starts. */
export interface Plan {
  readonly variants: readonly Variant[];
  readonly stages: readonly (readonly PlannedTrial[])[];
}

/** The device doing nothing is measured under this name. */
export const IDLE: Variant = {
  id: 'idle',
  model: '',
  framework: 'presisi',
  frameworkVersion: '',
  precision: 'fp32',
};

/**
 * What is compared: by model, baselines first, then the engines. `builds` says what a backend can build; precisions it
 * can't are left out.
 */
export function variantsOf(
  experiment: Experiment,
  environment: Environment,
  builds: (backend: string, precision: Variant['precision']) => boolean,
): Variant[] {
  return experiment.models.flatMap(({ id: model }): Variant[] => [
    ...experiment.baselines
      .filter(({ framework, architectures }) => framework !== 'pytorch' || architectures?.[model] !== undefined)
      .map(({ framework }): Variant => {
        const frameworkVersion = environment.frameworks[framework] ?? '';
        return { id: `${model}/${framework}-fp32`, model, framework, frameworkVersion, precision: 'fp32' };
      }),
    ...experiment.backends.flatMap((backend) =>
      experiment.precisions
        .filter((precision) => builds(backend, precision))
        .flatMap((precision) =>
          calibrationsOf(experiment, precision).map((calibration): Variant => {
            const suffix = calibration ? `-${calibration.method}-${calibration.samples}` : '';
            return {
              id: `${model}/${backend}-${precision}${suffix}`,
              model,
              framework: 'presisi',
              frameworkVersion: environment.presisi,
              backend,
              precision,
              ...(calibration && { calibration }),
            };
          }),
        ),
    ),
  ]);
}

function calibrationsOf(
  { calibration: { methods, samples } }: Experiment,
  precision: Variant['precision'],
): (Variant['calibration'] | undefined)[] {
  if (precision !== 'int8') return [undefined];
  return methods.flatMap((method) => samples.map((count) => ({ method, samples: count })));
}

/**
 * Every trial, in order: the idle device, then all compressing, then everything that runs a network. Within a stage the
 * order is shuffled by the experiment's seed, so that what changes slowly (heat, other programs) spreads over all variants.
 */
export function planOf(experiment: Experiment, variants: readonly Variant[]): Plan {
  const repeats = Array.from({ length: experiment.repeats }, (_, index) => index + 1);
  const idle: PlannedTrial[] = experiment.idle > 0 ? [{ id: 'idle/1', kind: 'idle', variant: IDLE, repeat: 1 }] : [];
  const compress = variants
    .filter(({ framework }) => framework === 'presisi')
    .flatMap((variant) => repeats.map((repeat) => compressTrial(variant, repeat)));
  const run = variants.flatMap((variant) => [
    ...(hasAccuracy(experiment, variant.model)
      ? [{ id: `accuracy/${variant.id}/1`, kind: 'accuracy' as const, variant, repeat: 1 }]
      : []),
    ...experiment.latency.batchSizes.flatMap((batch) =>
      experiment.latency.threads.flatMap((threads) =>
        repeats.map((repeat): PlannedTrial => {
          const id = `latency/${variant.id}/b${batch}-t${threads}/${repeat}`;
          return { id, kind: 'latency', variant, repeat, batch, threads };
        }),
      ),
    ),
  ]);
  return { variants, stages: [idle, shuffle(compress, experiment.seed), shuffle(run, experiment.seed)] };
}

const compressTrial = (variant: Variant, repeat: number): PlannedTrial => ({
  id: compressId(variant, repeat),
  kind: 'compress',
  variant,
  repeat,
});

export const compressId = (variant: Variant, repeat: number): string => `compress/${variant.id}/${repeat}`;

/** In an order that looks random and follows from the seed: by the SHA-256 of seed and identity. */
export function shuffle(trials: readonly PlannedTrial[], seed: number): PlannedTrial[] {
  const key = ({ id }: PlannedTrial): string => createHash('sha256').update(`${seed} ${id}`).digest('hex');
  const keyed = trials.map((trial) => ({ trial, key: key(trial) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ trial }) => trial);
}
