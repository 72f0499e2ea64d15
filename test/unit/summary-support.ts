import type { AccuracyTrial, CompressTrial, LatencyTrial, Results } from '../../lib/characterize/results.js';
import type { Speed, Summary, VariantSummary } from '../../lib/characterize/summary.js';
import { syntheticResults } from './results-support.js';

export const MODEL = 'densenet201';
/** Results of one network. */
export const one = (options: Parameters<typeof syntheticResults>[0] = {}): Results =>
  syntheticResults({ models: [MODEL], ...options });

/** The variant whose name ends so. */
export const variantOf = (summary: Summary, ending: string): VariantSummary => {
  const found = summary.variants.find(({ variant }) => variant.id.endsWith(ending));
  if (!found) throw new Error(`no variant ends with ${ending}`);
  return found;
};
export const speedOf = (variant: VariantSummary, batch = 1): Speed => {
  const found = variant.speeds.find((speed) => speed.batch === batch);
  if (!found) throw new Error(`batch ${batch} was not measured`);
  return found;
};
export const latencies = (results: Results, ending: string, batch = 1): LatencyTrial[] =>
  results.trials.filter(
    (trial): trial is LatencyTrial =>
      trial.kind === 'latency' && trial.variant.endsWith(ending) && trial.batch === batch,
  );
export const builds = (results: Results, ending: string): CompressTrial[] =>
  results.trials.filter((trial): trial is CompressTrial => trial.kind === 'compress' && trial.variant.endsWith(ending));
export const answersOf = (results: Results, ending: string): NonNullable<AccuracyTrial['accuracy']> => {
  const trial = results.trials.find(({ kind, variant }) => kind === 'accuracy' && variant.endsWith(ending));
  return (trial as AccuracyTrial).accuracy as NonNullable<AccuracyTrial['accuracy']>;
};
/** What a trial's typical run took. */
export const setRun = (trial: LatencyTrial, milliseconds: number): void => {
  const run = trial.latency?.run;
  if (run) Object.assign(run, { p50: milliseconds, mean: milliseconds });
};
