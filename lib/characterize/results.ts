import { z } from 'zod';
import type { Span } from '../telemetry/types.js';

/**
 * What an experiment leaves behind: `results.json`, one file that holds everything a report, a comparison or a
 * recommendation needs. The types below are made from these schemas, and so is the published JSON Schema. Whatever could
 * not be read is left out, never 0. Times are seconds, sizes bytes, powers watts, energies joules; latencies milliseconds.
 */
export const RESULTS_VERSION = 1;

const count = z.number().int().nonnegative();
const positive = z.number().nonnegative();
const interval = z.tuple([z.number(), z.number()]);

const share = z.object({ correct: count, total: count, share: z.number(), interval });

const span: z.ZodType<Span> = z.lazy(() =>
  z.object({
    name: z.string(),
    start: z.number(),
    seconds: positive,
    cpuSeconds: positive.optional(),
    rssBytes: positive.optional(),
    count: count.optional(),
    spans: z.array(span),
  }),
) as z.ZodType<Span>;

const quantity = z.object({
  name: z.string(),
  unit: z.enum(['s', 'B', 'Hz', 'W', 'J', '°C', 'share', 'count']),
  kind: z.enum(['gauge', 'counter']),
  source: z.string(),
  sensor: z.string(),
  estimated: z.boolean(),
});
const sourceStatus = z.object({ name: z.string(), available: z.boolean(), reason: z.string().optional() });
const samplerStatistics = z.object({
  rate: positive,
  samples: count,
  lost: count,
  missed: count,
  seconds: positive,
  cpuSeconds: positive,
  sources: z.array(z.object({ name: z.string(), reads: count, seconds: positive })),
});
const timeline = z.object({
  start: z.number(),
  time: z.array(z.number()),
  columns: z.record(z.string(), z.array(z.number().nullable())),
  quantities: z.array(quantity),
  sources: z.array(sourceStatus),
  sampler: samplerStatistics,
});

/** Energy over a stretch of time, with where it comes from. */
const energy = z.object({
  /** What the figure covers: `board`, `package` (CPU), or `gpu`. */
  scope: z.enum(['board', 'package', 'gpu']),
  /** The quantities that were added up: `power.VDD_IN`, or `energy.package-0`. */
  rails: z.array(z.string()),
  estimated: z.boolean(),
  joules: positive,
  meanWatts: positive,
  seconds: positive,
});

/** What a stretch of time used; a part that could not be read is absent. */
const resources = z.object({
  seconds: positive,
  cpu: z
    .object({
      /** Of process and children. */
      userSeconds: positive,
      systemSeconds: positive,
      /** Busy cores, mean: CPU seconds per second. */
      cores: positive,
    })
    .optional(),
  memory: z.object({ meanRss: positive, peakRss: positive, peakPss: positive.optional() }).optional(),
  gpu: z
    .object({
      meanLoad: z.number().optional(),
      peakLoad: z.number().optional(),
      peakMemory: positive.optional(),
      meanClock: positive.optional(),
    })
    .optional(),
  energy: z.array(energy).optional(),
  switches: z.object({ voluntary: count, involuntary: count }).optional(),
  faults: z.object({ minor: count, major: count }).optional(),
  io: z.object({ read: positive, written: positive }).optional(),
  /** Highest of each sensor, °C. */
  temperatures: z.record(z.string(), z.number()).optional(),
});

/** What might disturb a measurement, read before and after it. */
const conditions = z.object({
  /** ISO 8601. */
  time: z.string(),
  /** Runnable tasks, mean of a minute. */
  load: positive.optional(),
  /** Hz of each core. */
  clocks: z.array(positive).optional(),
  gpuClock: positive.optional(),
  /** °C by sensor. */
  temperatures: z.record(z.string(), z.number()).optional(),
  memoryAvailable: positive.optional(),
  /** Bytes of the model and engine files that are in the page cache, and their size, where that can be told. */
  pageCache: z.object({ cached: positive, size: positive }).optional(),
});

/** Why a trial may not be believed. */
const flag = z.object({
  kind: z.enum(['clock', 'throttle', 'foreign-load', 'steal', 'swap', 'sampler']),
  /** What was seen, in words. */
  detail: z.string(),
  value: z.number(),
  limit: z.number(),
});

const failure = z.object({ code: z.string(), message: z.string(), hint: z.string().optional() });

const layer = z.object({
  name: z.string(),
  op: z.string(),
  requested: z.string(),
  precision: z.string(),
  kernel: z.string(),
  macs: positive,
  weightBytes: positive,
  reason: z.string().optional(),
  reformat: z.boolean(),
  /** Median wall time of one run; absent where it wasn't profiled. */
  seconds: positive.optional(),
});

const latency = z.object({
  min: positive,
  mean: positive,
  p50: positive,
  p90: positive,
  p95: positive,
  p99: positive,
  max: positive,
  /** Standard deviation. */
  jitter: positive,
});

const common = {
  /** `compress/densenet169/cpu-int8-entropy-192/2`, unique in the experiment. */
  id: z.string(),
  variant: z.string(),
  /** Counts from 1. */
  repeat: count,
  /** Which attempt this is; earlier ones were disturbed. Counts from 1. */
  attempt: count,
  started: z.string(),
  /** Of the whole process, start to end. */
  seconds: positive,
  conditions: z.object({ before: conditions, after: conditions }),
  /** Empty: nothing disturbed it. */
  flags: z.array(flag),
  /** Of the measured part. */
  resources: resources.optional(),
  sampler: samplerStatistics.optional(),
  /** The trial failed; what it should have measured is absent. */
  error: failure.optional(),
};

/** Both phases, once: checkpoint to ONNX, ONNX to engine. */
const compressTrial = z.object({
  ...common,
  kind: z.literal('compress'),
  compress: z
    .object({
      /** Roots `phase 1` and `phase 2`; their children are the steps. */
      spans: z.array(span),
      /** By root span: what it used. */
      resources: z.record(z.string(), resources),
      checkpointBytes: positive,
      onnxBytes: positive,
      engineBytes: positive,
      /** Of the weights as the engine holds them in memory; packing may pad small ones beyond their size in the file. */
      weightBytes: positive.optional(),
      /** SHA-256 of the engine file: equal ones mean that building is repeatable. */
      engineSha256: z.string(),
      calibration: z.object({ method: z.string(), samples: count }).optional(),
      warnings: z.array(z.string()),
      /** Only of the first repeat. */
      layers: z.array(layer).optional(),
      /** One sentence on what runs in which precision; only of the first repeat. */
      verdict: z.string().optional(),
      /** Only of the first repeat. */
      timeline: timeline.optional(),
    })
    .optional(),
});

/** The data set through the variant, once: what it answers doesn't change. */
const accuracyTrial = z.object({
  ...common,
  kind: z.literal('accuracy'),
  accuracy: z
    .object({
      dataset: z.string(),
      classes: count,
      labels: z.array(z.string()).optional(),
      /** True class of each picture, in the data set's order. */
      truth: z.array(z.number().int()),
      /** What was answered; -1 where the answer was no number. */
      predicted: z.array(z.number().int()),
      top1: share,
      top5: share.extend({ k: count }),
      /** Mean seconds of a picture, one after the other, nothing overlapping; together `total`. */
      breakdown: z
        .object({
          decode: positive,
          preprocess: positive,
          h2d: positive.optional(),
          compute: positive,
          d2h: positive.optional(),
          postprocess: positive,
          /** Handing over to the thread that runs the network and back. */
          dispatch: positive.optional(),
          total: positive,
        })
        .optional(),
      skipped: count,
    })
    .optional(),
});

const latencyTrial = z.object({
  ...common,
  kind: z.literal('latency'),
  batch: count,
  threads: count,
  latency: z
    .object({
      runs: count,
      seconds: positive,
      /** Samples a second. */
      throughput: positive,
      /** Of one run of the network, milliseconds a batch, as the caller waits for it. */
      run: latency,
      /** Parts of it by name, where the device reports them. */
      stages: z.record(z.string(), latency),
      /** Single runs, milliseconds; evenly thinned to at most 1000. */
      samples: z.array(positive),
      /** From opening the file to a network that can run. */
      loadSeconds: positive,
      firstRunSeconds: positive,
      /** Of which build the engine was: the repeat of its compress trial. */
      build: count.optional(),
      /** Joules of one sample, by scope, everything included; less what the device draws anyway, where that is known. */
      energyPerSample: z
        .array(z.object({ scope: z.string(), joules: positive, aboveIdle: z.number().optional() }))
        .optional(),
      warnings: z.array(z.string()),
    })
    .optional(),
});

/** The device doing nothing. */
const idleTrial = z.object({ ...common, kind: z.literal('idle') });

export const trialSchema = z.discriminatedUnion('kind', [compressTrial, accuracyTrial, latencyTrial, idleTrial]);

const modelSchema = z.object({
  id: z.string(),
  /** The file's name, or `seed 1 of densenet201`. */
  source: z.string(),
  sha256: z.string(),
  bytes: positive,
  architecture: z.string().optional(),
  parameters: positive.optional(),
  /** Of one sample. */
  macs: positive.optional(),
  inputDims: z.array(z.number()).optional(),
  /** Weights are random: accuracy says nothing. */
  seeded: z.boolean(),
});

const variantSchema = z.object({
  /** `densenet169/cpu-int8-entropy-192`, `densenet169/onnxruntime-fp32` */
  id: z.string(),
  model: z.string(),
  /** What runs it; all but `presisi` are baselines. */
  framework: z.enum(['presisi', 'onnxruntime', 'pytorch']),
  frameworkVersion: z.string(),
  /** presisi only. */
  backend: z.string().optional(),
  precision: z.enum(['fp32', 'fp16', 'int8']),
  /** INT8 only. */
  calibration: z.object({ method: z.string(), samples: count }).optional(),
});

/** What results of different devices are told apart by. */
const deviceSchema = z.object({
  /** `Jetson Orin Nano`, or the CPU's name where the device has none; what reports call it. */
  name: z.string(),
  cpu: z.string(),
  cores: count.optional(),
  isa: z.string().optional(),
  memory: positive.optional(),
  gpu: z.object({ name: z.string(), cores: count.optional(), memory: positive.optional() }).optional(),
  /** `nvpmodel` mode, governor, … */
  powerMode: z.string().optional(),
});

const environmentSchema = z.object({
  presisi: z.string(),
  node: z.string(),
  os: z.string(),
  kernel: z.string(),
  /** By backend: the vendor library's version. */
  backends: z.record(z.string(), z.string()),
  /** By framework. */
  frameworks: z.record(z.string(), z.string()),
});

export const resultsSchema = z.object({
  schema: z.literal('presisi-results'),
  version: z.literal(RESULTS_VERSION),
  name: z.string(),
  /** ISO 8601. */
  started: z.string(),
  finished: z.string(),
  /** Trials are missing: the experiment was stopped, or some failed. */
  partial: z.boolean(),
  /** How many trials were planned. */
  planned: count,
  device: deviceSchema,
  environment: environmentSchema,
  /** The experiment, every default filled in; see experiment.ts. */
  experiment: z.record(z.string(), z.unknown()),
  /** Every source of telemetry that was looked for. */
  sources: z.array(sourceStatus),
  models: z.array(modelSchema),
  variants: z.array(variantSchema),
  /** Every attempt; of one trial's attempts the last without flags counts, else the last. */
  trials: z.array(trialSchema),
});

export type Results = z.infer<typeof resultsSchema>;
export type Trial = z.infer<typeof trialSchema>;
export type CompressTrial = z.infer<typeof compressTrial>;
export type AccuracyTrial = z.infer<typeof accuracyTrial>;
export type LatencyTrial = z.infer<typeof latencyTrial>;
export type IdleTrial = z.infer<typeof idleTrial>;
export type Variant = z.infer<typeof variantSchema>;
export type ExperimentModel = z.infer<typeof modelSchema>;
export type Resources = z.infer<typeof resources>;
export type Energy = z.infer<typeof energy>;
export type Conditions = z.infer<typeof conditions>;
export type Flag = z.infer<typeof flag>;
export type LatencyStatistics = z.infer<typeof latency>;
export type AuditedLayer = z.infer<typeof layer>;
export type Device = z.infer<typeof deviceSchema>;
export type Environment = z.infer<typeof environmentSchema>;
