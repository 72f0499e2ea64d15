import type { Results } from '../characterize/results.js';
import type { Summary } from '../characterize/summary.js';
import { enumeration } from './numbers.js';
import type { Entry } from './variants.js';

/** Sources that could have told what the GPU did. */
const GPU_SOURCES = ['jetson-gpu', 'nvml', 'tegrastats'];

/** Why no source told it, source by source. */
function silence({ sources }: Results, names: readonly string[]): string {
  const looked = sources.filter(({ name }) => names.includes(name));
  if (looked.length === 0) return `none of ${enumeration(names)} was looked for`;
  const absent = looked.filter(({ available }) => !available);
  const reasons = absent.map(({ name, reason }) => `${name}: ${reason ?? 'no reason given'}`);
  const there = looked.filter(({ available }) => available).map(({ name }) => name);
  if (there.length > 0)
    reasons.push(`${enumeration(there)} ${there.length === 1 ? 'does' : 'do'} not tell it on this device`);
  return reasons.join('; ');
}

export const whyNoGpu = (results: Results): string => silence(results, GPU_SOURCES);

/** Why a variant, or all of them, has no accuracy. */
export function whyNoAccuracy({ results }: Summary, entries: readonly Entry[]): string {
  const failed = entries.flatMap(({ summary }) => summary.failures);
  if (entries.length > 0 && entries.every(({ model }) => model.seeded)) {
    return 'the weights are random (seeded), so that answers mean nothing';
  }
  if (results.experiment.accuracy === undefined && !results.trials.some(({ kind }) => kind === 'accuracy')) {
    return 'the experiment names no data set to measure accuracy with';
  }
  if (failed.length > 0) return failed.join('; ');
  return results.partial ? 'the experiment was stopped before' : 'no trial of it finished';
}

/** Why a part of an experiment that needs trials is missing. */
export function whyMissing({ results }: Summary, entries: readonly Entry[]): string {
  const failed = [...new Set(entries.flatMap(({ summary }) => summary.failures))];
  if (failed.length > 0) return failed.join('; ');
  return results.partial ? 'the experiment was stopped before these trials' : 'the experiment has no such trials';
}
