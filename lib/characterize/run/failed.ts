import type { PlannedTrial } from '../experiment/plan.js';
import type { Trial } from '../results.js';

/** What is kept of a trial that measured nothing: when, for how long, and why. */
export function failedTrial(
  { id, kind, variant, repeat, batch = 1, threads = 0 }: PlannedTrial,
  attempt: number,
  started: Date,
  error: NonNullable<Trial['error']>,
): Trial {
  const now = new Date();
  const common = {
    ...{ id, variant: variant.id, repeat, attempt, started: started.toISOString() },
    seconds: (now.getTime() - started.getTime()) / 1000,
    conditions: { before: { time: started.toISOString() }, after: { time: now.toISOString() } },
    flags: [],
    error: { ...error },
  };
  return kind === 'latency' ? { ...common, kind, batch, threads } : { ...common, kind };
}
