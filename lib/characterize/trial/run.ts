import { PresisiError } from '../../errors.js';
import { present } from '../../options.js';
import { record } from '../../telemetry/recorder.js';
import { resourcesOf } from '../../telemetry/resources.js';
import type { Timeline } from '../../telemetry/types.js';
import type { Trial } from '../results.js';
import type { TrialMessage, TrialTask } from '../task.js';
import { conditionsOf, readSurroundings } from './conditions.js';
import { flagsOf } from './flags.js';
import type { Measured, TrialBody, TrialContext } from './measured.js';

export type TrialReport = (progress: Extract<TrialMessage, { type: 'progress' }>) => void;

/** Loaded when it is needed: what a trial doesn't use is not to count as its memory. */
const KINDS: Readonly<Record<Trial['kind'], () => Promise<(context: TrialContext) => Promise<Measured>>>> = {
  compress: async () => (await import('./compress.js')).measureCompress,
  accuracy: async () => (await import('./accuracy.js')).measureAccuracy,
  latency: async () => (await import('./latency.js')).measureLatency,
  idle: async () => (await import('./idle.js')).measureIdle,
};

/**
 * Carries out one trial in this process, recorded from start to end. What goes wrong is the trial's `error`.
 *
 * @throws only the reason of `signal`, once that is aborted
 */
export async function runTrial(task: TrialTask, report: TrialReport, signal: AbortSignal): Promise<Trial> {
  const began = performance.now();
  const context: TrialContext = {
    task,
    signal,
    report: (phase, completed, total) => report({ type: 'progress', phase, completed, total }),
  };
  signal.throwIfAborted();
  const measure = await KINDS[task.kind]();
  const before = await readSurroundings(task);
  const { measured, timeline, error: failed } = await recorded(task, () => measure(context));
  signal.throwIfAborted();
  const after = await readSurroundings(task);
  const { body, error = failed } = await finished(measured, timeline);
  signal.throwIfAborted();
  const swapped =
    before.swapped !== undefined && after.swapped !== undefined ? after.swapped - before.swapped : undefined;
  const observed = measured && timeline && { timeline, ...measured, ...present({ swapped }) };
  return {
    id: task.id,
    kind: task.kind,
    variant: task.variant.id,
    repeat: task.repeat,
    attempt: task.attempt,
    started: before.time,
    seconds: (performance.now() - began) / 1000,
    conditions: {
      before: conditionsOf(before, timeline, 'first'),
      after: conditionsOf(after, timeline, 'last'),
    },
    flags: observed ? flagsOf(observed, task.experiment.disturbance) : [],
    ...(task.kind === 'latency' && { batch: task.batch ?? 1, threads: task.threads ?? 0 }),
    ...body,
    ...present({
      resources: observed && resourcesOf(observed.timeline, observed.window.from, observed.window.to),
      sampler: timeline?.sampler as Trial['sampler'],
      error,
    }),
  } as Trial;
}

/** Does the work while the device is being watched. */
async function recorded(
  { experiment: { telemetry } }: TrialTask,
  work: () => Promise<Measured>,
): Promise<{ measured?: Measured; timeline?: Timeline; error?: Trial['error'] }> {
  try {
    const { rate, sources, root } = telemetry;
    const recording = await record({ rate, ...present({ sources, root }) });
    try {
      const measured = await work();
      return { measured, timeline: await recording.stop() };
    } catch (cause) {
      return { error: failureOf(cause), timeline: await recording.stop() };
    }
  } catch (cause) {
    return { error: failureOf(cause) };
  }
}

async function finished(
  measured: Measured | undefined,
  timeline: Timeline | undefined,
): Promise<{ body?: TrialBody; error?: Trial['error'] }> {
  if (measured === undefined || timeline === undefined) return {};
  try {
    return { body: await measured.finish(timeline) };
  } catch (cause) {
    return { error: failureOf(cause) };
  }
}

function failureOf(cause: unknown): Trial['error'] {
  if (cause instanceof PresisiError) return cause.toJSON();
  const message = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return { code: 'ERR_PRESISI_INTERNAL', message, hint: 'this is a defect of presisi; please report it' };
}
