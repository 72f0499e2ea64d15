import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicSeconds } from '../../timing.js';
import type { Measured, TrialContext } from './measured.js';

/** Watches the device do nothing. */
export async function measureIdle({ task, signal, report }: TrialContext): Promise<Measured> {
  report('idle', 0, 1);
  const from = monotonicSeconds();
  await sleep(task.experiment.idle * 1000, undefined, { signal });
  return { window: { from, to: monotonicSeconds() }, finish: async () => ({}) };
}
