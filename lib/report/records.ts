import type { LatencyStatistics, Resources, Results, Trial, Variant } from '../characterize/results.js';
import { counting } from '../characterize/summary/measured.js';
import type { Estimate, Ratio, Summary } from '../characterize/summary.js';
import type { CsvRecord, CsvValue } from './csv.js';
import { type Entry, groupsOf } from './variants.js';

/** Names end in their unit: `_s`, `_ms`, `_bytes`, `_joules`; shares are between 0 and 1. */
const variantColumns = (variant: Variant | undefined): Record<string, CsvValue> => ({
  variant: variant?.id,
  model: variant?.model,
  framework: variant?.framework,
  backend: variant?.backend,
  precision: variant?.precision,
  calibration_method: variant?.calibration?.method,
  calibration_samples: variant?.calibration?.samples,
});

/** A row for each attempt of each trial. */
export function trialRecords(results: Results): CsvRecord[] {
  const counted = new Set(counting(results.trials));
  return results.trials.map((trial) => ({
    trial: trial.id,
    kind: trial.kind,
    ...variantColumns(results.variants.find(({ id }) => id === trial.variant)),
    variant: trial.variant,
    repeat: trial.repeat,
    attempt: trial.attempt,
    counts: counted.has(trial),
    started: trial.started,
    process_s: trial.seconds,
    flags: trial.flags.map(({ kind }) => kind).join(' '),
    error: trial.error && `${trial.error.code}: ${trial.error.message}`,
    ...compressColumns(trial),
    ...accuracyColumns(trial),
    ...latencyColumns(trial),
    ...resourceColumns(trial.resources),
    sampler_rate_hz: trial.sampler?.rate,
    sampler_core_share:
      trial.sampler && trial.sampler.seconds > 0 ? trial.sampler.cpuSeconds / trial.sampler.seconds : undefined,
    sampler_lost: trial.sampler?.lost,
    sampler_missed: trial.sampler?.missed,
    load_before: trial.conditions.before.load,
    clock_before_hz: mean(trial.conditions.before.clocks),
    clock_after_hz: mean(trial.conditions.after.clocks),
  }));
}

function compressColumns(trial: Trial): Record<string, CsvValue> {
  const found = trial.kind === 'compress' ? trial.compress : undefined;
  const phase = (name: string): number | undefined => found?.spans.find((span) => span.name === name)?.seconds;
  return {
    phase1_s: phase('phase 1'),
    phase2_s: phase('phase 2'),
    checkpoint_bytes: found?.checkpointBytes,
    onnx_bytes: found?.onnxBytes,
    engine_bytes: found?.engineBytes,
    weight_bytes: found?.weightBytes,
    engine_sha256: found?.engineSha256,
  };
}

function accuracyColumns(trial: Trial): Record<string, CsvValue> {
  const found = trial.kind === 'accuracy' ? trial.accuracy : undefined;
  return {
    dataset: found?.dataset,
    pictures: found?.top1.total,
    top1_share: found?.top1.share,
    top5_share: found?.top5.share,
    top5_k: found?.top5.k,
  };
}

const LATENCIES: readonly (keyof LatencyStatistics)[] = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'max', 'jitter'];

function latencyColumns(trial: Trial): Record<string, CsvValue> {
  const timed = trial.kind === 'latency' ? trial : undefined;
  const found = timed?.latency;
  const energy = found?.energyPerSample?.[0];
  return {
    batch: timed?.batch,
    threads: timed?.threads,
    runs: found?.runs,
    samples_per_s: found?.throughput,
    ...Object.fromEntries(LATENCIES.map((name) => [`latency_${name}_ms`, found?.run[name]])),
    engine_load_s: found?.loadSeconds,
    first_run_s: found?.firstRunSeconds,
    sample_joules: energy?.joules,
    sample_joules_above_idle: energy?.aboveIdle,
    sample_joules_scope: energy?.scope,
  };
}

const resourceColumns = (found: Resources | undefined): Record<string, CsvValue> => ({
  measured_s: found?.seconds,
  cpu_cores: found?.cpu?.cores,
  cpu_user_s: found?.cpu?.userSeconds,
  cpu_system_s: found?.cpu?.systemSeconds,
  rss_mean_bytes: found?.memory?.meanRss,
  rss_peak_bytes: found?.memory?.peakRss,
  pss_peak_bytes: found?.memory?.peakPss,
  gpu_load_share: found?.gpu?.meanLoad,
  gpu_clock_hz: found?.gpu?.meanClock,
  gpu_memory_bytes: found?.gpu?.peakMemory,
  energy_joules: found?.energy?.[0]?.joules,
  energy_scope: found?.energy?.[0]?.scope,
});

const mean = (values: readonly number[] | undefined): number | undefined =>
  values === undefined || values.length === 0
    ? undefined
    : values.reduce((sum, value) => sum + value, 0) / values.length;

/** A row for each variant: what the report says of it, at batch 1 where that was measured. */
export const variantRecords = (summary: Summary): CsvRecord[] =>
  groupsOf(summary).flatMap(({ items }) => items.map(variantRecord));

function variantRecord({ summary, variant, model, speed }: Entry): CsvRecord {
  const { size, overhead, accuracy, breakEven } = summary;
  const known = accuracy?.seeded ? undefined : accuracy;
  return {
    ...variantColumns(variant),
    label: summary.label,
    random_weights: model.seeded,
    parameters: model.parameters,
    macs: model.macs,
    checkpoint_bytes: size?.checkpoint ?? model.bytes,
    onnx_bytes: size?.onnx,
    engine_bytes: size?.engine,
    weight_bytes: size?.weights,
    size_against_checkpoint: size?.againstCheckpoint,
    size_against_fp32: size?.againstFp32,
    ...estimateColumns('phase1_s', overhead?.phase1),
    ...estimateColumns('phase2_s', overhead?.phase2),
    ...estimateColumns('overhead_s', overhead?.seconds),
    ...estimateColumns('overhead_joules', overhead?.joules),
    builds_identical: overhead?.builds.identical,
    builds_variation: overhead?.builds.variation,
    top1_share: known?.top1.share,
    top1_share_low: known?.top1.interval[0],
    top1_share_high: known?.top1.interval[1],
    top5_share: known?.top5.share,
    agreement_share: known?.agreement?.share,
    top1_drop: known?.drop?.value,
    top1_drop_low: known?.drop?.interval[0],
    top1_drop_high: known?.drop?.interval[1],
    batch: speed?.batch,
    threads: speed?.threads,
    ...estimateColumns('latency_p50_ms', speed?.p50),
    ...estimateColumns('latency_mean_ms', speed?.mean),
    ...estimateColumns('latency_p99_ms', speed?.p99),
    ...estimateColumns('samples_per_s', speed?.throughput),
    ...ratioColumns('latency_against_baseline', speed?.againstBaseline),
    ...ratioColumns('latency_against_fp32', speed?.againstFp32),
    ...estimateColumns('sample_joules', speed?.energy),
    sample_joules_scope: speed?.energy?.scope,
    sample_joules_above_idle: speed?.energy?.aboveIdle,
    ...estimateColumns('cpu_cores', speed?.cores),
    ...estimateColumns('rss_peak_bytes', speed?.peakRss),
    ...estimateColumns('gpu_load_share', speed?.gpuLoad),
    break_even_inferences: breakEven?.time?.inferences,
    break_even_energy_inferences: breakEven?.energy?.inferences,
    break_even_reason: breakEven?.reasons.time,
    pareto_best: summary.paretoBest,
    disturbances: summary.flags.length,
    failures: summary.failures.join('; '),
  };
}

const estimateColumns = (name: string, found: Estimate | undefined): Record<string, CsvValue> => ({
  [name]: found?.value,
  [`${name}_low`]: found?.interval?.[0],
  [`${name}_high`]: found?.interval?.[1],
});

const ratioColumns = (name: string, found: Ratio | undefined): Record<string, CsvValue> => ({
  [name]: found?.value,
  [`${name}_low`]: found?.interval?.[0],
  [`${name}_high`]: found?.interval?.[1],
});

/** A row for each layer of each engine. */
export const layerRecords = ({ variants }: Summary): CsvRecord[] =>
  variants.flatMap(({ variant, layers = [] }) =>
    layers.map((layer, index) => ({
      ...variantColumns(variant),
      layer: index,
      name: layer.name,
      op: layer.op,
      requested: layer.requested,
      precision_got: layer.precision,
      kernel: layer.kernel,
      macs: layer.macs,
      weight_bytes: layer.weightBytes,
      seconds: layer.seconds,
      reformat: layer.reformat,
      reason: layer.reason,
    })),
  );
