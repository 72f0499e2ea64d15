import { setTimeout as delay } from 'node:timers/promises';
import { present } from '../options.js';
import type { Cancelable } from '../signal.js';
import { type CheckedTelemetry, checkCancelableTelemetry, Sampler, type TelemetryOptions } from './telemetry.js';
import type { Sample } from './types.js';

export const MONITOR_RATE = 2;

/** Milliseconds: the least between two looks for samples, so that 1000 a second come in batches; and the longest nap. */
const NAP = { least: 10, most: 1000 };

/**
 * The device, live: samples as they are taken. The sensors are opened by the first `next()`, and closed when the loop is
 * left or the signal fires, with whose reason the loop then throws. Who takes samples more slowly than they come loses some
 * after ten seconds of them.
 *
 * @example
 * for await (const { time, values } of monitor({ rate: 10, signal })) console.log(time, values['power.VDD_IN']);
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_FILE_SYSTEM
 */
export function monitor(options: TelemetryOptions & Cancelable = {}): AsyncGenerator<Sample, void, void> {
  return follow(checkCancelableTelemetry(options));
}

async function* follow(options: CheckedTelemetry): AsyncGenerator<Sample, void, void> {
  const { signal } = options;
  const sampler = await Sampler.start(options, MONITOR_RATE);
  // Not in `finally` alone: a loop that waits for something else meanwhile would leave the sampler running.
  const onAbort = (): void => void sampler.close();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    for await (const samples of watch(sampler, signal)) {
      for (const sample of samples) {
        yield sample;
        signal?.throwIfAborted();
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    await sampler.close();
  }
}

/** The samples of a sampler for as long as it is asked, as many at once as there are; throws the signal's reason. */
export async function* watch(sampler: Sampler, signal?: AbortSignal): AsyncGenerator<Sample[], void, void> {
  for (;;) {
    signal?.throwIfAborted();
    const samples = sampler.samples();
    if (samples.length > 0) yield samples;
    else await nap(sampler, signal);
  }
}

async function nap({ rate }: Sampler, signal: AbortSignal | undefined): Promise<void> {
  const milliseconds = Math.min(NAP.most, Math.max(NAP.least, 1000 / rate / 10));
  try {
    await delay(milliseconds, undefined, present({ signal }));
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  }
}
