import { Command } from 'commander';
import {
  type Architecture,
  type ArchitectureDescription,
  architectures,
  describeArchitecture,
  makeModel,
} from '../convert/models.js';
import type { Scaling } from '../convert/options.js';
import { present } from '../options.js';
import { integer, number } from './arguments.js';
import type { Context } from './context.js';
import { onnxOptions, renderConversion } from './convert.js';
import * as format from './format.js';
import { showProgress } from './progress.js';

interface ScalingFlags extends Omit<Scaling, 'blocks'> {
  readonly blocks?: string;
  readonly inputSize?: number;
}

interface MakeFlags extends ScalingFlags {
  readonly output?: string;
  readonly seed: number;
  readonly opset?: number;
  readonly batch?: number;
  readonly keepBatchNorm?: boolean;
}

export function modelsCommand(context: () => Context): Command {
  const command = new Command('models').description('the architectures that are built in').addHelpText(
    'after',
    `
Examples:
  $ presisi models list
  $ presisi models describe efficientnet_b1 --input-size 224
  $ presisi models make densenet201 -o densenet201.onnx --seed 1`,
  );
  for (const create of [listCommand, describeCommand, makeCommand]) command.addCommand(create(context));
  return command;
}

function listCommand(context: () => Context): Command {
  return new Command('list')
    .description('name every architecture')
    .action(() => context().print(architectures(), renderList));
}

function describeCommand(context: () => Context): Command {
  const command = new Command('describe')
    .description('parameters, multiply-accumulates and operators of one')
    .argument('<architecture>', 'as listed')
    .option('--input-size <pixels>', 'side of the input', integer(1, 8192));
  return withScaling(command).action(async (name: string, flags: ScalingFlags) => {
    context().print(await describeArchitecture(name, scalingOf(flags)), renderDescription);
  });
}

function makeCommand(context: () => Context): Command {
  const command = new Command('make')
    .description('write one as ONNX with random weights, for benchmarks')
    .argument('<architecture>', 'as listed')
    .option('-o, --output <path>', 'ONNX file (default: the name with .onnx)')
    .option('--seed <number>', 'of the weights: the same seed gives the same bytes', integer(0), 0);
  for (const option of onnxOptions()) command.addOption(option);
  return withScaling(command).action((name: string, flags: MakeFlags) => make(name, flags, context()));
}

const withScaling = (command: Command): Command =>
  command
    .option('--classes <count>', 'number of classes (default: 1000)', integer(1))
    .option('--width <factor>', 'multiplies channels: MobileNets, EfficientNets, ResNets', number)
    .option('--depth <factor>', 'multiplies layers: EfficientNets', number)
    .option('--growth-rate <channels>', 'channels each layer adds: DenseNets', integer(1))
    .option('--blocks <counts>', 'layers of each block, commas between: DenseNets, ResNets');

function scalingOf(flags: ScalingFlags): Scaling & { readonly inputSize?: number } {
  const { classes, width, depth, growthRate, inputSize, blocks } = flags;
  return present({ classes, width, depth, growthRate, inputSize, blocks: blocks?.split(',').map(integer(1, 1024)) });
}

async function make(name: string, flags: MakeFlags, context: Context): Promise<void> {
  const { output = `${name}.onnx`, seed, opset, batch, keepBatchNorm } = flags;
  const progress = showProgress(context.json);
  try {
    const result = await makeModel(name, {
      ...scalingOf(flags),
      ...present({ opset, batch }),
      output,
      seed,
      ...(keepBatchNorm && { batchNorm: 'keep' }),
      ...(progress.listener && { onProgress: progress.listener }),
      signal: context.signal,
    });
    progress.stop();
    context.print(result, renderConversion);
  } finally {
    progress.stop();
  }
}

const renderList = (all: readonly Architecture[]): string =>
  format.table(
    ['architecture', 'input', 'what it is'],
    all.map(({ name, inputSize, summary }) => [name, `${inputSize}`, summary]),
  );

function renderDescription(found: ArchitectureDescription): string {
  const about = format.facts({
    architecture: found.name,
    family: found.family,
    summary: found.summary,
    ...found.configuration,
    input: `${found.inputSize} x ${found.inputSize} pixels`,
    classes: found.classes,
    parameters: `${found.parameters.toLocaleString('en')}, ${format.bytes(found.parameters * 4)} as FP32`,
    'multiply-accumulates': `${(found.macs / 1e6).toFixed(1)} million a picture`,
  });
  const operators = format.table(
    ['operator', 'nodes'],
    Object.entries(found.operators).map(([op, count]) => [op, `${count}`]),
  );
  return `${about}\n\n${operators}`;
}
