import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { atCaller, invalidArgument } from '../errors.js';
import { checkWritable } from '../files.js';
import { hashModel } from '../hash.js';
import { native } from '../native.js';
import { check, flag, integer, oneOf, options, present, text } from '../options.js';
import { type TracedScope, withSignal } from '../signal.js';
import { childCpuSeconds, SpanRecorder } from '../telemetry/spans.js';
import { type ConvertResult, nativeOptions, type OnnxOptions, onnxShape } from './options.js';
import { exportWithPython } from './python.js';

export interface ConvertOptions extends OnnxOptions {
  /**
   * What the checkpoint holds: one of {@link architectures}. Default: recognised by the parameters. With the exporter
   * `python`: `torchvision:NAME`, `timm:NAME`, or `module:function` of your own.
   */
  readonly architecture?: string;
  /** For the exporter `python`: the classes of the network. Built-in architectures read them off the checkpoint. */
  readonly classes?: number;
  /** ONNX files only: constants folded, nodes without effect removed, batch normalisation folded. Default false. */
  readonly simplify?: boolean;
  /**
   * `native` reads the checkpoint itself. `python` runs `torch.onnx.export` in your own Python, for architectures that
   * are not built in. Default `native`.
   */
  readonly exporter?: 'native' | 'python';
  /** The Python of the exporter `python`. Default: `$PRESISI_PYTHON`, else `python3`, else `python`. */
  readonly python?: string;
  /** With the exporter `python`: unpickle whole modules, which executes code from the file. Default false. */
  readonly trustPickle?: boolean;
}

const schema = options({
  ...onnxShape,
  architecture: text().optional(),
  classes: integer(1, 1 << 20).optional(),
  simplify: flag().optional(),
  exporter: oneOf(['native', 'python']).optional(),
  python: text().optional(),
  trustPickle: flag().optional(),
});

type Checked = z.infer<typeof schema>;

/**
 * Turns a trained checkpoint into ONNX: PyTorch's `.pth` and `.pt`, and `.safetensors`, are read directly; nothing in
 * them is executed. An ONNX file passes through, checked and, by option, simplified and raised to a newer opset.
 *
 * @example
 * const { architecture } = await convert('densenet169.pth', { output: 'densenet169.onnx' });
 * @throws PresisiError `ERR_PRESISI_INVALID_MODEL` for damaged or hostile files and for parameters that don't fit,
 *   listed by name; `ERR_PRESISI_UNSUPPORTED_MODEL` for architectures and formats that are not built in; the reason of
 *   `signal` once that is aborted.
 */
export function convert(source: string, options: ConvertOptions): Promise<ConvertResult> {
  return atCaller(convert, async () => {
    const spans = new SpanRecorder('convert');
    const path = check(text('the path of a checkpoint or an ONNX file'), source, 'source');
    const checked = check(schema, options, 'options');
    const made = await withSignal(checked, async (scope) => {
      await checkWritable(path, { output: checked.output });
      spans.lap('start');
      return checked.exporter === 'python'
        ? convertWithPython(path, checked, { ...scope, spans })
        : convertNatively(path, checked, { ...scope, spans });
    });
    return { ...made, span: spans.finish() };
  });
}

type Converted = Omit<ConvertResult, 'span'>;

async function convertNatively(path: string, checked: Checked, scope: TracedScope): Promise<Converted> {
  for (const name of ['python', 'trustPickle', 'classes'] as const) {
    if (checked[name] === undefined) continue;
    throw invalidArgument("nothing, unless options.exporter is 'python',", `options.${name}`, checked[name]);
  }
  const { control, signal, spans } = scope;
  const { sha256 } = await spans.during('hash', () => hashModel(path, signal));
  const options = {
    ...nativeOptions(checked),
    ...present({ architecture: checked.architecture, simplify: checked.simplify }),
    output: checked.output,
    metadata: { source: basename(path), source_sha256: sha256 },
  };
  const made = await spans.job(control, (traced) => native().convertModel(path, options, traced));
  return { output: checked.output, ...made };
}

/** Python writes beside the result; what it wrote is then read, checked and given its origin like any ONNX file. */
async function convertWithPython(path: string, checked: Checked, scope: TracedScope): Promise<Converted> {
  const { architecture, output } = checked;
  if (architecture === undefined) {
    throw invalidArgument('torchvision:NAME, timm:NAME or module:function', 'options.architecture', architecture);
  }
  if (checked.batch !== undefined) {
    throw invalidArgument("nothing where options.exporter is 'python',", 'options.batch', checked.batch);
  }
  const { control, signal, spans } = scope;
  const exported = join(dirname(output), `.${basename(output)}.${process.pid}.exported.onnx`);
  try {
    const { versions } = await spans.during('export', async () => {
      const before = childCpuSeconds();
      const made = await exportWithPython({
        checkpoint: path,
        architecture,
        output: exported,
        inputSize: checked.inputSize ?? 224,
        opset: checked.opset ?? 17,
        ...present({ classes: checked.classes, python: checked.python, trustPickle: checked.trustPickle }),
        signal,
      });
      spans.charge(childCpuSeconds() - before);
      return made;
    });
    const { simplify, batchNorm } = checked;
    const { sha256 } = await spans.during('hash', () => hashModel(path, signal));
    const options = {
      // The exporter may reach a lower opset only, and makes any batch.
      ...present({ opset: checked.opset, simplify: simplify ?? batchNorm !== 'keep' }),
      output,
      metadata: { source: basename(path), source_sha256: sha256, architecture, ...versions },
    };
    const made = await spans.job(control, (traced) => native().convertModel(exported, options, traced));
    return { output, ...made, source: 'python', architecture };
  } finally {
    await spans.during('release', () => rm(exported, { force: true }));
  }
}
