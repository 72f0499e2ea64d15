import { z } from 'zod';
import { batch, flag, integer, oneOf, options, text, threads } from '../options.js';

/** Bounds that the published JSON Schema shows, too, which a refinement would hide. */
const between = (low: number, high: number, error: string) =>
  z.number({ error }).min(low, { error }).max(high, { error });
const positive = (what: string) => {
  const error = `${what}, more than 0`;
  return z.number({ error }).positive({ error });
};
const notNegative = (what: string) => {
  const error = `${what}, 0 or more`;
  return z.number({ error }).nonnegative({ error });
};
const list = <Item extends z.ZodType>(item: Item, what: string) =>
  z.array(item, { error: `a list of ${what}` }).min(1, { error: `a list of at least one of ${what}` });
const share = () => between(0, 1, 'a share between 0 and 1');

/** It becomes part of file names. */
const ID = "letters, digits, '.', '_' and '-', at most 64";

/** A trained network: a file, or a built-in architecture with seeded random weights. */
const model = options({
  /** What tables call it; unique. Default: the file's name without its ending, or the architecture's. */
  id: z
    .string({ error: ID })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error: ID })
    .optional(),
  /** A checkpoint or an ONNX file, relative to the experiment's file. */
  path: text('a path').optional(),
  /** In place of `path`: a built-in architecture at full size. Its weights are random, so its accuracy is not measured. */
  make: text('the name of an architecture').optional(),
  /** With `make`. Default 1. */
  seed: integer(0, 2 ** 53 - 1).optional(),
  /** With `make`. Default 1000. */
  classes: integer(1, 1 << 20).optional(),
  /** What the checkpoint holds, where that can't be recognised. */
  architecture: text().optional(),
  /** Side of the square input. Default: the architecture's own. */
  inputSize: integer(1, 8192).optional(),
});

/** Everything an experiment is made of, as written in YAML or JSON. Every part but `models` has a default. */
export const experimentSchema = options({
  /** Where the JSON Schema of this file lies, for editors. */
  $schema: text().optional(),
  /** What reports call it. Default: the file's name without its ending. */
  name: text().optional(),
  /** What is compressed and measured. */
  models: list(model, 'models'),
  /** `cpu`, `tensorrt`, `reference`. Default: the best one that is available. */
  backends: list(text(), 'backends').optional(),
  /** Default: `fp32`, `fp16`, `int8`. */
  precisions: list(oneOf(['fp32', 'fp16', 'int8']), 'precisions').optional(),
  /** What int8 engines are calibrated with. Every method is combined with every number of pictures. */
  calibration: options({
    /** A folder or a data set of pictures, as `presisi quantize --calibration` takes it. int8 needs it. */
    data: text('a folder or a data set').optional(),
    /** Default: `entropy`. */
    methods: list(oneOf(['entropy', 'percentile', 'mse', 'minmax']), 'methods').optional(),
    /** Numbers of pictures. Default: 128, as the study took, or all where there are fewer. */
    samples: list(integer(1, 1_000_000), 'numbers of pictures').optional(),
    /** TensorRT's own calibrator, up to version 10, as the study used it. Default false. */
    implicit: flag().optional(),
  }).optional(),
  /** What accuracy is measured on. Default: none, and accuracy is absent. */
  accuracy: options({
    /** A folder or a data set with labels, as `presisi evaluate` takes it. */
    data: text('a folder or a data set'),
    /** Class names in the network's order: a text file, one a line. */
    labels: text('a path').optional(),
  }).optional(),
  /** How latency and throughput are measured, for every batch size with every number of threads. */
  latency: options({
    /** Default: 1, 8. */
    batchSizes: list(batch(), 'batch sizes').optional(),
    /** Default: 0, which is the physical cores. */
    threads: list(threads(), 'numbers of threads').optional(),
    /** Milliseconds of runs that are not counted. Default 200. */
    warmUp: positive('milliseconds').optional(),
    /** Seconds measured at least. Default 1. */
    duration: positive('seconds').optional(),
    /** Runs measured at least. Default 10. */
    iterations: integer(1, 1_000_000).optional(),
  }).optional(),
  /** What the original model is run by, to compare with. Default: `onnxruntime` where it is installed. */
  baselines: z
    .array(
      options({
        /** ONNX Runtime from npm's onnxruntime-node, or PyTorch in a Python of yours. */
        framework: oneOf(['onnxruntime', 'pytorch']),
        /** With `pytorch`: the Python. Default: `$PRESISI_PYTHON`, else `python3`. */
        python: text('a path').optional(),
        /** With `pytorch`: `torchvision:NAME`, `timm:NAME` or `module:function`, by model. */
        architectures: z.record(z.string(), text(), { error: 'an architecture for each model' }).optional(),
      }),
      { error: 'a list of baselines' },
    )
    .optional(),
  /** How often every measurement is repeated, each in a fresh process. Default 5. */
  repeats: integer(1, 1000).optional(),
  /** Seconds of rest before each trial. Default 0. */
  coolDown: notNegative('seconds').optional(),
  /** Seconds the idle device is watched, to know what it draws anyway. Default 3; 0: not at all. */
  idle: notNegative('seconds').optional(),
  /** Of the order of the trials. Default 1. */
  seed: integer(0, 2 ** 32 - 1).optional(),
  /** How the device is watched meanwhile. */
  telemetry: options({
    /** Samples a second, 10 to 1000. Default 100. */
    rate: between(10, 1000, 'samples a second, 10 to 1000').optional(),
    /** Default: every source there is. */
    sources: list(text(), 'sources').optional(),
    /** A folder with `proc` and `sys` of a recorded device, in place of this one. */
    root: text('a folder').optional(),
  }).optional(),
  /** When a trial counts as disturbed, and what is done then. */
  disturbance: options({
    /** Change of a core's or the GPU's clock between start and end, as a share. Default 0.05. */
    clock: share().optional(),
    /** CPU time other processes took, as a share of all cores. Default 0.1. */
    foreignLoad: share().optional(),
    /** CPU time a hypervisor took, as a share of all cores. Default 0.1. */
    steal: share().optional(),
    /** How often a disturbed trial is repeated. Default 1; after that its last attempt stays, flagged. */
    retries: integer(0, 100).optional(),
  }).optional(),
});

/** An experiment as it is written. */
export type ExperimentOptions = z.infer<typeof experimentSchema>;

/** An experiment with every default filled in; paths are absolute. */
export interface Experiment {
  readonly name: string;
  readonly models: readonly {
    readonly id: string;
    readonly path?: string;
    readonly make?: { readonly architecture: string; readonly seed: number; readonly classes: number };
    readonly architecture?: string;
    readonly inputSize?: number;
  }[];
  readonly backends: readonly string[];
  readonly precisions: readonly ('fp32' | 'fp16' | 'int8')[];
  readonly calibration: {
    readonly data?: string;
    readonly methods: readonly ('entropy' | 'percentile' | 'mse' | 'minmax')[];
    readonly samples: readonly number[];
    readonly implicit: boolean;
  };
  readonly accuracy?: { readonly data: string; readonly labels?: readonly string[] };
  readonly latency: {
    readonly batchSizes: readonly number[];
    readonly threads: readonly number[];
    readonly warmUp: number;
    readonly duration: number;
    readonly iterations: number;
  };
  readonly baselines: readonly {
    readonly framework: 'onnxruntime' | 'pytorch';
    readonly python?: string;
    readonly architectures?: Readonly<Record<string, string>>;
  }[];
  readonly repeats: number;
  readonly coolDown: number;
  readonly idle: number;
  readonly seed: number;
  readonly telemetry: { readonly rate: number; readonly sources?: readonly string[]; readonly root?: string };
  readonly disturbance: {
    readonly clock: number;
    readonly foreignLoad: number;
    readonly steal: number;
    readonly retries: number;
  };
}

/** Whether accuracy means anything: there is data, and the weights aren't random. */
export function hasAccuracy(experiment: Experiment, model: string): boolean {
  return (
    experiment.accuracy !== undefined && experiment.models.some(({ id, make }) => id === model && make === undefined)
  );
}

/** Whether a model is ONNX already, and not a checkpoint. */
export const isOnnx = (path: string | undefined): path is string => path?.toLowerCase().endsWith('.onnx') ?? false;
