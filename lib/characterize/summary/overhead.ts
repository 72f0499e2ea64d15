import type { Span } from '../../telemetry/types.js';
import type { Resources } from '../results.js';
import type { Overhead, PhaseCost, Size } from '../summary.js';
import { compressionEnergy, type EnergyMeter } from './energy.js';
import { estimate, estimateOf, variation } from './estimate.js';
import type { Compressed } from './measured.js';

const PHASES = ['phase 1', 'phase 2'];

/** Seconds of one phase; 0 where the experiment has no such phase, as phase 1 of a model that is ONNX already. */
export const phaseSeconds = ({ compress }: Compressed, phase: string): number =>
  compress.spans.filter(({ name }) => name === phase).reduce((sum, { seconds }) => sum + seconds, 0);

/** Seconds of both phases. */
export const totalSeconds = (trial: Compressed): number =>
  PHASES.reduce((sum, phase) => sum + phaseSeconds(trial, phase), 0);

/** What compressing costs; undefined where no trial could tell. */
export function overheadOf(trials: readonly Compressed[], meter: EnergyMeter | undefined): Overhead | undefined {
  if (trials.length === 0) return undefined;
  const totals = trials.map(totalSeconds);
  const used = trials.map(({ compress }) => PHASES.flatMap((phase) => compress.resources[phase] ?? []));
  const joules = estimate(compressionEnergy(trials, meter)?.total ?? []);
  const hashes = new Set(trials.map(({ compress }) => compress.engineSha256));
  const spread = variation(totals);
  const cores = estimate(used.map((phases) => meanOver(phases, ({ cpu }) => cpu?.cores)));
  const peakRss = estimate(used.map((phases) => mostOf(phases.map(({ memory }) => memory?.peakRss))));
  const gpuLoad = estimate(used.map((phases) => meanOver(phases, ({ gpu }) => gpu?.meanLoad)));
  return {
    seconds: estimateOf(totals),
    phase1: estimateOf(trials.map((trial) => phaseSeconds(trial, 'phase 1'))),
    phase2: estimateOf(trials.map((trial) => phaseSeconds(trial, 'phase 2'))),
    phases: PHASES.flatMap((phase) => {
      const roots = trials.map(({ compress }) => compress.spans.filter(({ name }) => name === phase));
      return costsOf(
        phase,
        roots.map((spans) => spans.flatMap((root) => root.spans)),
      );
    }),
    ...(cores && { cores }),
    ...(peakRss && { peakRss }),
    ...(gpuLoad && { gpuLoad }),
    ...(joules && meter && { joules: { ...joules, scope: meter.scope } }),
    builds: { count: trials.length, identical: hashes.size === 1, ...(spread !== undefined && { variation: spread }) },
  };
}

/** The mean over some stretches of time, each weighing what it lasted; undefined where one is unknown. */
function meanOver(parts: readonly Resources[], of: (part: Resources) => number | undefined): number | undefined {
  const seconds = parts.reduce((sum, part) => sum + part.seconds, 0);
  const values = parts.map(of);
  if (!(seconds > 0) || values.some((value) => value === undefined)) return undefined;
  return values.reduce<number>((sum, value, index) => sum + ((value ?? 0) * (parts[index]?.seconds ?? 0)) / seconds, 0);
}

const mostOf = (values: readonly (number | undefined)[]): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
};

/**
 * Merges what the trials' spans of one level took, by name and in the order they first came; spans of one name in one trial
 * are added up. A step that only some trials have is estimated from those.
 */
function costsOf(phase: string, trials: readonly (readonly Span[])[]): PhaseCost[] {
  const names = [...new Set(trials.flatMap((spans) => spans.map(({ name }) => name)))];
  return names.map((name) => {
    const rows = trials.map((spans) => spans.filter((span) => span.name === name)).filter((spans) => spans.length > 0);
    const add = (spans: readonly Span[], of: (span: Span) => number | undefined): number | undefined =>
      spans.reduce<number | undefined>((sum, span) => {
        const value = of(span);
        return sum === undefined || value === undefined ? undefined : sum + value;
      }, 0);
    const cpuSeconds = estimate(rows.map((spans) => add(spans, (span) => span.cpuSeconds)));
    return {
      phase,
      name,
      seconds: estimateOf(rows.map((spans) => add(spans, (span) => span.seconds) ?? 0)),
      ...(cpuSeconds && { cpuSeconds }),
      steps: costsOf(
        phase,
        rows.map((spans) => spans.flatMap((span) => span.spans)),
      ),
    };
  });
}

/** Bytes, and what they are of the checkpoint's and of the FP32 engine's; undefined where nothing was built. */
export function sizeOf(trials: readonly Compressed[], exact: readonly Compressed[]): Size | undefined {
  type Bytes = 'checkpointBytes' | 'onnxBytes' | 'engineBytes' | 'weightBytes';
  const middle = (all: readonly Compressed[], of: Bytes) => estimate(all.map(({ compress }) => compress[of]))?.value;
  const checkpoint = middle(trials, 'checkpointBytes');
  const onnx = middle(trials, 'onnxBytes');
  const engine = middle(trials, 'engineBytes');
  const weights = middle(trials, 'weightBytes');
  const fp32 = middle(exact, 'engineBytes');
  // Empty files are no models, and nothing can be compared with them.
  if (!checkpoint || !engine || onnx === undefined) return undefined;
  return {
    checkpoint,
    onnx,
    engine,
    ...(weights !== undefined && { weights }),
    againstCheckpoint: engine / checkpoint,
    ...(fp32 && { againstFp32: engine / fp32 }),
  };
}
