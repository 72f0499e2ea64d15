import { fileSystemError, PresisiError } from '../../errors.js';
import { writeDurably } from '../../files.js';
import type { SourceStatus } from '../../telemetry/types.js';
import type { Plan } from '../experiment/plan.js';
import {
  type IdleTrial,
  type LatencyTrial,
  RESULTS_VERSION,
  type Results,
  resultsSchema,
  type Trial,
} from '../results.js';
import { idleOf } from '../summary/measured.js';
import type { Attempts } from './attempts.js';
import type { ExperimentRecord } from './record.js';

/** Puts the trials of an experiment together, in the order they are planned. */
export function assembleResults(
  record: ExperimentRecord,
  plan: Plan,
  attempts: Attempts,
  sources: readonly SourceStatus[],
): Results {
  const planned = plan.stages.flat();
  const trials = planned.flatMap(({ id }) => attempts.of(id));
  const { retries } = record.experiment.disturbance;
  const complete = planned.every(({ id }) => attempts.settled(id, retries) && !attempts.counting(id)?.error);
  const [idle] = idleOf({ trials });
  return {
    schema: 'presisi-results',
    version: RESULTS_VERSION,
    name: record.experiment.name,
    started: record.started,
    finished: lastEnd(record.started, trials),
    partial: !complete,
    planned: planned.length,
    device: record.device,
    environment: record.environment,
    experiment: record.experiment as unknown as Results['experiment'],
    sources: [...sources],
    models: [...record.models],
    variants: [...plan.variants],
    trials: trials.map((trial) => (trial.kind === 'latency' ? aboveIdle(trial, idle) : trial)),
  };
}

/** The moment the last trial ended: the same however often the results are put together. */
function lastEnd(started: string, trials: readonly Trial[]): string {
  const ends = trials.map((trial) => Date.parse(trial.started) + trial.seconds * 1000).filter(Number.isFinite);
  return new Date(Math.max(Date.parse(started), ...ends)).toISOString();
}

/** Only here is it known what the device draws anyway: energy of a sample less idle power times its share of the time. */
function aboveIdle(trial: LatencyTrial, idle: IdleTrial | undefined): LatencyTrial {
  const drawn = idle?.resources?.energy;
  const { latency } = trial;
  if (drawn === undefined || !latency?.energyPerSample) return trial;
  const energyPerSample = latency.energyPerSample.map((energy) => {
    const watts = drawn.find(({ scope }) => scope === energy.scope)?.meanWatts;
    if (watts === undefined || latency.throughput <= 0) return energy;
    return { ...energy, aboveIdle: energy.joules - watts / latency.throughput };
  });
  return { ...trial, latency: { ...latency, energyPerSample } };
}

/**
 * Writes results that anyone can read who knows the published schema.
 *
 * @throws PresisiError ERR_PRESISI_INTERNAL where they don't conform: a defect
 */
export async function writeResults(path: string, results: Results): Promise<void> {
  const checked = resultsSchema.safeParse(results);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    throw new PresisiError(
      'ERR_PRESISI_INTERNAL',
      `the results don't conform: ${issue?.path.join('.')}: ${issue?.message}`,
      {
        hint: 'the trials are safe in their files; please report this defect',
        cause: checked.error,
      },
    );
  }
  await writeDurably(path, `${JSON.stringify(results)}\n`).catch((error: unknown) => {
    throw error instanceof PresisiError ? error : fileSystemError('write', path, error);
  });
}
