import { setTimeout as sleep } from 'node:timers/promises';
import { monotonicSeconds } from '../../timing.js';
import type { Measured, TrialContext } from './measured.js';

/** Watches the device do nothing. */
export async function measureIdle({ task, signal, report }: TrialContext): Promise<Measured> {
  report('idle', 0, 1);
  const { idle } = task.experiment;
  const from = monotonicSeconds();
  let to = from;
  // Timers count whole milliseconds, and may end within the last one.
  while (to - from < idle) {
    await sleep(Math.ceil((from + idle - to) * 1000), undefined, { signal });
    to = monotonicSeconds();
  }
  return { window: { from, to }, finish: async () => ({}) };
}
