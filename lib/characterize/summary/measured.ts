import type { AccuracyTrial, CompressTrial, IdleTrial, LatencyTrial, Results, Trial, Variant } from '../results.js';

/** Trials that have what they were to measure. */
export type Compressed = CompressTrial & { readonly compress: NonNullable<CompressTrial['compress']> };
export type Answered = AccuracyTrial & { readonly accuracy: NonNullable<AccuracyTrial['accuracy']> };
export type Timed = LatencyTrial & { readonly latency: NonNullable<LatencyTrial['latency']> };

/** The trials of a variant that count. */
export interface Measured {
  readonly variant: Variant;
  readonly compress: readonly Compressed[];
  readonly accuracy: readonly Answered[];
  /** One list for each batch size and number of threads, in that order. */
  readonly latency: readonly (readonly Timed[])[];
  /** What could not be measured, in sentences. */
  readonly failures: readonly string[];
}

const succeeded = (trial: Trial): boolean => {
  if (trial.error !== undefined) return false;
  if (trial.kind === 'compress') return trial.compress !== undefined;
  if (trial.kind === 'accuracy') return trial.accuracy !== undefined;
  return trial.kind === 'latency' ? trial.latency !== undefined : trial.resources !== undefined;
};

const settingOf = (trial: Trial): string => (trial.kind === 'latency' ? `${trial.batch} ${trial.threads}` : '');

/**
 * The attempt of each trial that counts, trials in the order they first came: the last one that nothing disturbed, else the
 * last one. Attempts that failed count only where no other did better.
 */
export function counting(trials: readonly Trial[]): Trial[] {
  const attempts = new Map<string, Trial[]>();
  for (const trial of trials) attempts.set(trial.id, [...(attempts.get(trial.id) ?? []), trial]);
  return [...attempts.values()].map((all) => {
    const sorted = [...all].sort((a, b) => a.attempt - b.attempt);
    const worked = sorted.filter(succeeded);
    const undisturbed = worked.filter(({ flags }) => flags.length === 0);
    return (undisturbed.at(-1) ?? worked.at(-1) ?? sorted.at(-1)) as Trial;
  });
}

/** Sorts the trials that count by variant, in the order of the experiment, and sets the failed ones apart. */
export function measuredOf(results: Pick<Results, 'variants' | 'trials'>): Measured[] {
  const all = counting(results.trials);
  return results.variants.map((variant) => {
    const own = all.filter((trial) => trial.variant === variant.id && trial.kind !== 'idle');
    const worked = own.filter(succeeded).sort((a, b) => a.repeat - b.repeat);
    const timed = worked.filter((trial): trial is Timed => trial.kind === 'latency');
    timed.sort((a, b) => a.batch - b.batch || a.threads - b.threads || a.repeat - b.repeat);
    return {
      variant,
      compress: worked.filter((trial): trial is Compressed => trial.kind === 'compress'),
      accuracy: worked.filter((trial): trial is Answered => trial.kind === 'accuracy'),
      latency: [...new Set(timed.map(settingOf))].map((setting) =>
        timed.filter((trial) => settingOf(trial) === setting),
      ),
      failures: own.filter((trial) => !succeeded(trial)).map(failureOf),
    };
  });
}

/** Where the device was watched doing nothing. */
export const idleOf = (results: Pick<Results, 'trials'>): IdleTrial[] =>
  counting(results.trials).filter((trial): trial is IdleTrial => trial.kind === 'idle' && succeeded(trial));

function failureOf(trial: Trial): string {
  const setting = trial.kind === 'latency' ? ` at batch ${trial.batch}` : '';
  const why = trial.error === undefined ? 'it measured nothing' : `${trial.error.message} (${trial.error.code})`;
  return `${trial.kind}${setting}, repeat ${trial.repeat}: ${why}`;
}

/** Everything that counts for a variant. */
export const trialsOf = ({ compress, accuracy, latency }: Measured): (Compressed | Answered | Timed)[] => [
  ...compress,
  ...accuracy,
  ...latency.flat(),
];

/** The trials of one batch size and number of threads. */
export const timedAt = ({ latency }: Measured, batch: number, threads: number): readonly Timed[] =>
  latency.find(([first]) => first?.batch === batch && first.threads === threads) ?? [];

/** What a variant of presisi's is compared with: the original model in onnxruntime, else in PyTorch. */
export const baselineOf = <T extends { readonly variant: Variant }>(
  { model }: Variant,
  all: readonly T[],
): T | undefined =>
  ['onnxruntime', 'pytorch']
    .map((name) => all.find(({ variant }) => variant.model === model && variant.framework === name))
    .find((found) => found !== undefined);

/** The FP32 engine of the same model and backend. */
export const exactOf = <T extends { readonly variant: Variant }>(
  { model, framework, backend }: Variant,
  all: readonly T[],
): T | undefined =>
  framework !== 'presisi'
    ? undefined
    : all.find(
        ({ variant }) =>
          variant.framework === 'presisi' &&
          variant.model === model &&
          variant.backend === backend &&
          variant.precision === 'fp32',
      );
