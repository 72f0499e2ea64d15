import {
  type Device,
  type Energy,
  type Environment,
  RESULTS_VERSION,
  type Results,
  resultsSchema,
  type Trial,
  type Variant,
} from '../../lib/characterize/results.js';
import { shareOf, wilson } from '../../lib/statistics.js';
import {
  anotherClass,
  answersOf,
  checkpointBytes,
  energySource,
  latencyOf,
  layersOf,
  machine,
  network,
  phase,
  random,
  sha256,
  timelineOf,
  variantsOf,
} from './results-parts.js';

/** What a made-up experiment is like. Every part has a default; the same options give the same results. */
export interface SyntheticOptions {
  readonly seed?: number;
  /** What the name of the results is. */
  readonly name?: string;
  /** Parts of the device's description; `gpu` makes GPU figures appear. */
  readonly device?: Partial<Device>;
  readonly environment?: Partial<Environment>;
  readonly backend?: string;
  /** Everything takes this many times as long. Default 1. */
  readonly slowness?: number;
  /** What the energy covers; `none`: no sensor could be read. Default `none`. */
  readonly energy?: Energy['scope'] | 'none';
  /** The study's, by torchvision's names. Default: three of them, from the smallest to the largest. */
  readonly models?: readonly string[];
  /** Weights are random and accuracy isn't measured. */
  readonly seeded?: boolean;
  readonly precisions?: readonly Variant['precision'][];
  readonly calibrations?: readonly { readonly method: string; readonly samples: number }[];
  readonly baseline?: 'onnxruntime' | 'pytorch' | 'none';
  readonly batchSizes?: readonly number[];
  readonly threads?: readonly number[];
  readonly repeats?: number;
  /** Standard deviation of the logarithm of every time. Default 0.01. */
  readonly noise?: number;
  readonly pictures?: number;
  readonly classes?: number;
  /** Share of right answers that INT8 gets wrong. Default 0.02. */
  readonly int8Loss?: number;
  /** Latency over FP32's, by precision; the baseline is `baseline`. */
  readonly latencies?: Readonly<Record<string, number>>;
}

/** Of a sample that takes so many seconds. */
const energyOf = (scope: Energy['scope'], watts: number, seconds: number) => [
  { scope, joules: watts * seconds, aboveIdle: (watts - IDLE_WATTS) * seconds },
];

const BYTES = { fp32: 4, fp16: 2, int8: 1 };
const LATENCIES: Readonly<Record<string, number>> = { fp32: 1, fp16: 0.62, int8: 0.42, baseline: 1.3 };
const WATTS: Readonly<Record<string, number>> = { fp32: 10.5, fp16: 9.6, int8: 9, baseline: 11 };
const IDLE_WATTS = 4.2;

/** Made-up results that look like a device's and keep to the schema. */
export function syntheticResults(options: SyntheticOptions = {}): Results {
  const {
    seed = 1,
    slowness = 1,
    repeats = 5,
    noise = 0.01,
    backend = options.device?.gpu ? 'tensorrt' : 'cpu',
    models = ['mobilenet_v3_small', 'efficientnet_b1', 'densenet201'],
    precisions = ['fp32', 'fp16', 'int8'],
    calibrations = [{ method: 'entropy', samples: 128 }],
    baseline = 'onnxruntime',
    batchSizes = [1, 8],
    threads = [0],
    pictures = 200,
    classes = 5,
    energy: scope = 'none',
  } = options;
  const { uniform, normal } = random(seed);
  const noisy = (value: number): number => value * Math.exp(noise * normal());
  const gpu = options.device?.gpu !== undefined;
  const cores = options.device?.cores ?? 6;
  const { now, common, resources } = machine({ cores, gpu, scope, uniform });
  const started = now();
  const numbers = (): number[] => Array.from({ length: repeats }, (_, index) => index + 1);

  const variants = models.flatMap((model) => variantsOf(model, backend, precisions, calibrations, baseline));
  const truth = Array.from({ length: pictures }, (_, index) => index % classes);
  const exact = new Map(models.map((model) => [model, answersOf(model, truth, classes)]));
  const wrong = (answer: number): number => anotherClass(answer, classes, uniform());

  const compress = (variant: Variant, repeat: number): Trial => {
    const { id, model, precision } = variant;
    const { parameters, macs } = network(model);
    const bytes = BYTES[precision];
    const convert = noisy((0.2 + parameters * 0.03) * slowness);
    const calibrate = precision === 'int8' ? noisy((0.8 + macs * 0.004) * slowness) : 0;
    const build = noisy((0.3 + parameters * 0.06) * slowness);
    const seconds = convert + calibrate + build;
    return {
      ...common(`compress/${id}/${repeat}`, id, repeat, seconds + 0.4),
      kind: 'compress',
      compress: {
        spans: [
          phase('phase 1', 10, [
            ['read', convert * 0.6],
            ['simplify', convert * 0.1],
            ['write', convert * 0.3],
          ]),
          phase('phase 2', 10 + convert, [
            ['read', build * 0.1],
            ...(calibrate > 0 ? [['calibrate', calibrate, { decode: 0.2, run: 0.7, collect: 0.1 }] as const] : []),
            ['build', build * 0.7],
            ['serialize', build * 0.2],
          ]),
        ],
        resources: {
          'phase 1': resources(convert, 1, 1.5e8 + parameters * 8e6, 7),
          'phase 2': resources(calibrate + build, gpu ? 1.2 : cores * 0.7, 2e8 + parameters * 16e6, 9.5),
        },
        checkpointBytes: checkpointBytes(model),
        onnxBytes: Math.round(parameters * 4e6) + 60_000,
        engineBytes: Math.round(parameters * bytes * 1e6) + 90_000,
        weightBytes: Math.round(parameters * bytes * 1e6),
        engineSha256: sha256(id),
        ...(variant.calibration && { calibration: variant.calibration }),
        warnings: [],
        ...(repeat === 1 && {
          layers: layersOf(precision, macs, parameters * bytes),
          verdict: `every multiply-accumulate runs in ${precision.toUpperCase()}`,
          timeline: timelineOf(10, seconds, scope, 9),
        }),
      },
    };
  };

  const accuracy = ({ id, model, framework, precision }: Variant): Trial => {
    const loss = framework === 'presisi' ? { fp32: 0, fp16: 0.003, int8: options.int8Loss ?? 0.02 }[precision] : 0;
    const predicted = (exact.get(model) as number[]).map((answer, index) => {
      if (uniform() >= loss) return answer;
      return answer === truth[index] ? wrong(answer) : (truth[index] as number);
    });
    const right = predicted.filter((answer, index) => answer === truth[index]).length;
    const breakdown = { decode: 3e-3, preprocess: 1e-3, compute: 4e-3, postprocess: 1e-4, total: 8.1e-3 };
    return {
      ...common(`accuracy/${id}/1`, id, 1, 4),
      kind: 'accuracy',
      accuracy: {
        dataset: 'blossoms',
        classes,
        labels: Array.from({ length: classes }, (_, index) => `class ${index}`),
        truth,
        predicted,
        top1: { ...shareOf(right, pictures), interval: [...wilson(right, pictures)] },
        top5: { ...shareOf(pictures, pictures), interval: [...wilson(pictures, pictures)], k: Math.min(5, classes) },
        breakdown,
        skipped: 0,
      },
    };
  };

  const latency = (
    { id, model, framework, precision }: Variant,
    batch: number,
    thread: number,
    repeat: number,
  ): Trial => {
    const own = framework === 'presisi';
    const kind = own ? precision : 'baseline';
    const { parameters, macs } = network(model);
    const watts = WATTS[kind] as number;
    const factor = ({ ...LATENCIES, ...options.latencies }[kind] as number) * slowness;
    const sample = (0.4 + macs * 0.008) * factor * (thread === 0 ? 1 : cores / Math.min(thread, cores));
    const typical = noisy(sample * (0.4 + 0.6 * batch));
    const samples = Array.from({ length: 60 }, () => typical * Math.exp(0.02 * Math.abs(normal())));
    const run = latencyOf(samples);
    const rss = noisy(1.2e8 + parameters * 1e6 * (own ? BYTES[precision] * 2 : 14));
    return {
      ...common(`latency/${id}/batch-${batch}/threads-${thread}/${repeat}`, id, repeat, 1.8),
      kind: 'latency',
      batch,
      threads: thread,
      resources: resources(1, gpu ? (own ? 0.9 : 0.8) : cores * 0.8, rss, watts),
      latency: {
        runs: Math.round(1000 / run.mean),
        seconds: 1,
        throughput: (batch * 1000) / run.mean,
        run,
        stages: {},
        samples,
        loadSeconds: noisy(0.02 * slowness),
        firstRunSeconds: noisy((run.mean / 1000) * 3),
        ...(own && { build: repeat }),
        ...(scope !== 'none' && { energyPerSample: energyOf(scope, watts, run.mean / 1000 / batch) }),
        warnings: [],
      },
    };
  };

  const trials = variants.flatMap((variant): Trial[] => [
    ...(variant.framework === 'presisi' ? numbers().map((repeat) => compress(variant, repeat)) : []),
    ...(options.seeded ? [] : [accuracy(variant)]),
    ...batchSizes.flatMap((batch) =>
      threads.flatMap((thread) => numbers().map((repeat) => latency(variant, batch, thread, repeat))),
    ),
  ]);
  trials.push({ ...common('idle/1', 'idle', 1, 3), kind: 'idle', resources: resources(3, 0.02, 6e7, IDLE_WATTS) });

  return resultsSchema.parse({
    schema: 'presisi-results',
    version: RESULTS_VERSION,
    name: options.name ?? 'synthetic',
    started,
    finished: now(),
    partial: false,
    planned: trials.length,
    device: {
      name: 'Synthetic board',
      cpu: 'Synthetic CPU',
      cores,
      isa: 'avx2',
      memory: 8e9,
      powerMode: 'governor performance',
      ...options.device,
    },
    environment: {
      presisi: '0.1.0',
      node: '22.0.0',
      os: 'Linux',
      kernel: '5.15.0',
      backends: { [backend]: '1.0' },
      frameworks: baseline === 'none' ? {} : { [baseline]: '1.20.0' },
      ...options.environment,
    },
    experiment: {
      repeats,
      latency: { batchSizes, threads, warmUp: 200, duration: 1, iterations: 10 },
      calibration: { methods: calibrations.map(({ method }) => method), samples: calibrations.map((c) => c.samples) },
      telemetry: { rate: 100 },
      idle: 3,
    },
    sources: [{ name: 'process', available: true }, energySource(scope)],
    models: models.map((model) => ({
      id: model,
      source: options.seeded ? `seed 1 of ${model}` : `${model}.pth`,
      sha256: sha256(model),
      bytes: checkpointBytes(model),
      architecture: model,
      parameters: network(model).parameters * 1e6,
      macs: network(model).macs * 1e6,
      inputDims: [1, 3, 224, 224],
      seeded: options.seeded ?? false,
    })),
    variants,
    trials,
  });
}
