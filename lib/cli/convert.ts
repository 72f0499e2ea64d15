import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { type ConvertOptions, convert } from '../convert/convert.js';
import type { ConvertResult } from '../convert/options.js';
import { present } from '../options.js';
import { showDims } from '../tensor.js';
import { integer, withoutEnding } from './arguments.js';
import { type Context, UsageError } from './context.js';
import * as format from './format.js';
import { showProgress } from './progress.js';

type Flags = Omit<ConvertOptions, 'output' | 'signal' | 'onProgress' | 'batchNorm'> & {
  readonly output?: string;
  readonly keepBatchNorm?: boolean;
};

/** How the ONNX file is to be: for whatever makes one. */
export const onnxOptions = (): Option[] => [
  new Option('--opset <version>', 'ONNX operator set, 13 to 21 (default: 17; an ONNX file keeps its own)').argParser(
    integer(13, 21),
  ),
  new Option('--input-size <pixels>', "side of the input (default: the architecture's own, else 224)").argParser(
    integer(1, 8192),
  ),
  new Option('--batch <count>', 'fix the batch (default: any batch)').argParser(integer(1, 65536)),
  new Option('--keep-batch-norm', 'leave batch normalisation beside the convolutions'),
];

export function convertCommand(context: () => Context): Command {
  const command = new Command('convert')
    .description('turn a trained checkpoint into ONNX, without Python')
    .argument('<source>', '.pth, .pt, .safetensors, .safetensors.index.json or .onnx')
    .option('-o, --output <path>', 'ONNX file (default: the source with .onnx as its ending)')
    .option('-a, --architecture <name>', 'what the checkpoint holds (default: recognised by its parameters)')
    .option('--simplify', 'for .onnx: fold constants and batch normalisation, drop what has no effect');
  for (const option of onnxOptions()) command.addOption(option);
  return command
    .addOption(new Option('--exporter <name>', 'who reads the checkpoint').choices(['native', 'python']))
    .option('--python <path>', 'the Python of --exporter python (default: $PRESISI_PYTHON, python3, python)')
    .option('--classes <count>', 'with --exporter python: classes of the network', integer(1))
    .option('--trust-pickle', 'with --exporter python: unpickle whole modules, which runs code from the file')
    .addHelpText(
      'after',
      `
Examples:
  $ presisi convert densenet169.pth -o densenet169.onnx
  $ presisi convert model.safetensors --input-size 224 --opset 15
  $ presisi convert model.onnx -o smaller.onnx --simplify --opset 17
  $ presisi convert vgg16.pth --exporter python --architecture torchvision:vgg16`,
    )
    .action((source: string, flags: Flags) => run(source, flags, context()));
}

/** Beside the source; an ONNX file must be told where to, since its own name is taken. */
function outputOf(source: string, output: string | undefined): string {
  if (output !== undefined) return output;
  if (/\.onnx$/i.test(source)) throw new UsageError('say with --output where the converted file goes');
  return `${withoutEnding(source)}.onnx`;
}

async function run(source: string, flags: Flags, context: Context): Promise<void> {
  const { keepBatchNorm, output, ...rest } = flags;
  const progress = showProgress(context.json);
  let result: ConvertResult;
  try {
    result = await convert(source, {
      ...convertFlags(rest),
      output: outputOf(source, output),
      ...(keepBatchNorm && { batchNorm: 'keep' }),
      ...(progress.listener && { onProgress: progress.listener }),
      signal: context.signal,
    });
  } finally {
    progress.stop();
  }
  for (const warning of result.warnings) context.warn(warning);
  context.print(result, (made) => `${basename(source)}\n\n${renderConversion(made)}`);
}

/** What commander found among the options that `convert` knows; it adds `--json` to them. */
function convertFlags(flags: Omit<Flags, 'output' | 'keepBatchNorm'>): Partial<ConvertOptions> {
  const { architecture, simplify, opset, inputSize, batch, exporter, python, classes, trustPickle } = flags;
  return present({ architecture, simplify, opset, inputSize, batch, exporter, python, classes, trustPickle });
}

export function renderConversion(result: ConvertResult): string {
  const tensors = (infos: ConvertResult['inputs']): string =>
    infos.map(({ name, type, dims }) => `${name}: ${type} ${showDims(dims)}`).join(', ');
  const about = format.facts({
    source: result.source,
    architecture: result.architecture,
    ...result.configuration,
    parameters: result.parameters.toLocaleString('en'),
    inputs: tensors(result.inputs),
    outputs: tensors(result.outputs),
    onnx: `${result.output}, ${format.bytes(result.bytes)}, opset ${result.opset}, ${result.nodes} nodes`,
  });
  return `${about}\n\n${format.phases(result.span)}`;
}
