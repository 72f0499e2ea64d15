import { basename } from 'node:path';
import { Command, Option } from 'commander';
import type { Calibration, CalibrationMethod, ImageCalibration } from '../calibration.js';
import { DEFAULT_SAMPLES } from '../calibrator.js';
import { openDataset } from '../datasets/open.js';
import { present } from '../options.js';
import { quantize } from '../quantize.js';
import type { Precision, QuantizeResult } from '../quantize-options.js';
import type { TensorRtOptions } from '../tensorrt.js';
import {
  datasetSource,
  integer,
  jsonObject,
  number,
  type PreprocessFlags,
  preprocessOf,
  preprocessOptions,
  readLabels,
  withoutEnding,
} from './arguments.js';
import { type Context, UsageError } from './context.js';
import { evaluateFile, renderEvaluation } from './evaluate.js';
import * as format from './format.js';
import { showProgress } from './progress.js';

interface Flags extends PreprocessFlags {
  readonly precision: Precision;
  readonly output?: string;
  readonly onnx?: string;
  readonly calibration?: readonly string[];
  readonly cache?: string;
  readonly saveCache?: string;
  readonly method?: CalibrationMethod;
  readonly percentile?: number;
  readonly samples?: number;
  readonly batchSize?: number;
  readonly skipBadImages?: boolean;
  readonly backend: string;
  readonly threads: number;
  readonly maxBatch?: number;
  readonly labels?: string;
  readonly keepFloat?: readonly string[];
  readonly architecture?: string;
  readonly inputSize?: number;
  readonly test?: string;
  readonly tensorrt?: TensorRtOptions;
  readonly implicit?: boolean;
  readonly tensorrtCache?: string;
  readonly log?: boolean;
}

export function quantizeCommand(context: () => Context): Command {
  const command = new Command('quantize')
    .description('compress a model into an engine for this device')
    .argument('<model>', 'ONNX file, or a checkpoint as `convert` takes them')
    .addOption(
      new Option('-p, --precision <precision>', 'precision of the engine')
        .choices(['fp32', 'fp16', 'int8'])
        .default('int8'),
    )
    .option('-o, --output <path>', 'engine file (default: the model with .engine as its ending)')
    .option('--onnx <path>', 'also write the network as ONNX for other tools')
    .option(
      '-c, --calibration <images...>',
      'what to calibrate int8 with: a folder, pictures, or a data set as evaluate takes it, like cifar100:train.bin',
    )
    .option('--cache <path>', 'calibrate with what an earlier run saved')
    .option('--save-cache <path>', 'keep the calibration for another time')
    .addOption(
      new Option('-m, --method <method>', 'how thresholds are chosen (default: entropy)').choices([
        'entropy',
        'percentile',
        'mse',
        'minmax',
      ]),
    )
    .option('--percentile <share>', 'for the method percentile: values not clipped, in percent', number)
    .option('-n, --samples <count>', 'how many pictures to use (default: all, up to 512)', integer(1))
    .option('--batch-size <count>', 'pictures per run while calibrating (default: 8)', integer(1))
    .option('--skip-bad-images', 'leave pictures out that can not be decoded')
    .option('-a, --architecture <name>', 'for a checkpoint: what it holds (default: recognised by its parameters)')
    .option(
      '--input-size <pixels>',
      "for a checkpoint: side of the input (default: the architecture's own)",
      integer(1, 8192),
    )
    .option('-b, --backend <name>', 'what will execute the engine', 'auto')
    .option('-t, --threads <count>', 'threads; 0: physical cores', integer(0, 1024), 0)
    .option('--tensorrt <json>', "TensorRT's options as a JSON object; docs/tensorrt.md lists them", jsonObject)
    .option('--implicit', "calibrate with TensorRT's own calibrator (to version 10)")
    .option('--tensorrt-cache <path>', "with --implicit: TensorRT's calibration cache")
    .option('--log', "show what the backend's library says")
    .option('--max-batch <count>', 'largest batch the engine will run (default: 8)', integer(1, 65536))
    .option('-l, --labels <file>', 'names of the classes, one a line, kept in the engine')
    .option('--test <dataset>', 'then measure the engine with a data set, as `evaluate` does')
    .option('--keep-float <nodes...>', 'nodes that stay in floating point');
  for (const option of preprocessOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `
Examples:
  $ presisi quantize model.onnx -c photos/ -o model.engine
  $ presisi quantize model.onnx -c photos/ -n 128 --method mse --save-cache model.calibration.json
  $ presisi quantize model.onnx --cache model.calibration.json --onnx model.int8.onnx
  $ presisi quantize densenet169.pth -c photos/ -o densenet169.engine --labels classes.txt --test held-out/
  $ presisi quantize model.onnx -p fp16`,
    )
    .action((model: string, flags: Flags) => run(model, flags, context()));
}

async function run(model: string, flags: Flags, context: Context): Promise<void> {
  const preprocess = preprocessOf(flags);
  const calibration = await calibrationOf(flags);
  const labels = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  const output = flags.output ?? `${withoutEnding(model)}.engine`;
  if (flags.test !== undefined) datasetSource(flags.test);
  const progress = showProgress(context.json);
  let result: QuantizeResult;
  try {
    result = await quantize(model, {
      precision: flags.precision,
      output,
      backend: flags.backend,
      threads: flags.threads,
      signal: context.signal,
      ...(flags.onnx !== undefined && { onnxOutput: flags.onnx }),
      ...(calibration && { calibration }),
      ...(flags.maxBatch !== undefined && { maxBatch: flags.maxBatch }),
      ...(flags.keepFloat && { keepFloat: flags.keepFloat }),
      ...(preprocess && { preprocess }),
      ...(labels && { labels }),
      ...present({ architecture: flags.architecture, inputSize: flags.inputSize, tensorrt: flags.tensorrt }),
      ...(flags.log && { onLog: ({ level, message }) => process.stderr.write(`${level}: ${message}\n`) }),
      ...(progress.listener && { onProgress: progress.listener }),
    });
  } finally {
    progress.stop();
  }
  for (const warning of result.warnings) context.warn(warning);
  if (flags.test === undefined) return context.print(result, render);
  const { threads, skipBadImages } = flags;
  const evaluation = await evaluateFile(output, flags.test, { threads, ...present({ skipBadImages }) }, context);
  context.print({ ...result, evaluation }, (all) =>
    [render(all), renderEvaluation(all.evaluation, basename(output), false)].join('\n\n'),
  );
}

async function calibrationOf(flags: Flags): Promise<Calibration | undefined> {
  const { calibration: images, cache, saveCache, method, percentile, samples, batchSize } = flags;
  if (cache !== undefined && images !== undefined) throw new UsageError('--calibration and --cache exclude each other');
  if (cache !== undefined) return { cache };
  if (images === undefined && flags.precision === 'int8') {
    throw new UsageError('int8 needs pictures to calibrate with: give --calibration <folder>, or --cache <path>');
  }
  if (images === undefined) return undefined;
  const onBadImage = flags.skipBadImages ? 'skip' : 'error';
  return {
    images: await picturesOf(images, onBadImage, samples),
    onBadImage,
    ...present({ implicit: flags.implicit, tensorrtCache: flags.tensorrtCache }),
    ...(saveCache !== undefined && { saveCache }),
    ...(method !== undefined && { method }),
    ...(percentile !== undefined && { percentile }),
    ...(samples !== undefined && { samples }),
    ...(batchSize !== undefined && { batchSize }),
  };
}

/** A path is pictures, as ever; a form before a colon makes it a data set. */
async function picturesOf(
  given: readonly string[],
  onBadImage: 'error' | 'skip',
  limit = DEFAULT_SAMPLES,
): Promise<ImageCalibration['images']> {
  const sources = given.map(datasetSource);
  const source = sources.find((each) => typeof each !== 'string');
  if (source === undefined) return given;
  if (given.length > 1) throw new UsageError('--calibration takes one data set, or pictures');
  return openDataset(source, { onBadImage, limit });
}

function compare(bytes: number, modelBytes: number): string {
  const change = bytes / modelBytes - 1;
  const word = change > 0 ? 'more' : 'less';
  return `${format.bytes(bytes)}, ${format.percent(Math.abs(change))} ${word} than the model's ${format.bytes(modelBytes)}`;
}

function render(result: QuantizeResult): string {
  const quantized = result.decisions.filter((decision) => decision.quantized).length;
  const kept = result.decisions.filter((decision) => !decision.quantized);
  const lines = [
    format.facts({
      engine: result.output,
      onnx: result.onnxOutput,
      architecture: result.architecture,
      backend: result.backend,
      precision: result.precision,
      size: compare(result.bytes, result.modelBytes),
      calibration: result.calibration && `${result.calibration.method}, ${result.calibration.samples} samples`,
      nodes: result.decisions.length > 0 ? `${quantized} quantized, ${kept.length} kept in floating point` : undefined,
    }),
  ];
  if (kept.length > 0)
    lines.push(
      format.table(
        ['kept', 'operator', 'reason'],
        kept.map((d) => [d.node, d.op, d.reason]),
      ),
    );
  lines.push(format.phases(result.span));
  return lines.join('\n\n');
}
