import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { atCaller, invalidArgument } from '../errors.js';
import { checkWritable } from '../files.js';
import { hashModel } from '../hash.js';
import { native } from '../native.js';
import { check, flag, integer, oneOf, options, present, text } from '../options.js';
import { type Scope, withSignal } from '../signal.js';
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
    const path = check(text('the path of a checkpoint or an ONNX file'), source, 'source');
    const checked = check(schema, options, 'options');
    return withSignal(checked, async (scope) => {
      await checkWritable(path, { output: checked.output });
      return checked.exporter === 'python'
        ? convertWithPython(path, checked, scope)
        : convertNatively(path, checked, scope);
    });
  });
}

async function convertNatively(path: string, checked: Checked, scope: Scope): Promise<ConvertResult> {
  for (const name of ['python', 'trustPickle', 'classes'] as const) {
    if (checked[name] === undefined) continue;
    throw invalidArgument("nothing, unless options.exporter is 'python',", `options.${name}`, checked[name]);
  }
  const start = performance.now();
  const file = await hashModel(path, scope.signal);
  const hashed = { name: 'hash', seconds: (performance.now() - start) / 1000 };
  const made = await native().convertModel(
    path,
    {
      ...nativeOptions(checked),
      ...present({ architecture: checked.architecture, simplify: checked.simplify }),
      output: checked.output,
      metadata: { source: basename(path), source_sha256: file.sha256 },
    },
    scope.control,
  );
  return { output: checked.output, ...made, phases: [hashed, ...made.phases] };
}

/** Python writes beside the result; what it wrote is then read, checked and given its origin like any ONNX file. */
async function convertWithPython(path: string, checked: Checked, scope: Scope): Promise<ConvertResult> {
  const { architecture, output } = checked;
  if (architecture === undefined) {
    throw invalidArgument('torchvision:NAME, timm:NAME or module:function', 'options.architecture', architecture);
  }
  if (checked.batch !== undefined) {
    throw invalidArgument("nothing where options.exporter is 'python',", 'options.batch', checked.batch);
  }
  const start = performance.now();
  const exported = join(dirname(output), `.${basename(output)}.${process.pid}.exported.onnx`);
  try {
    const { versions } = await exportWithPython({
      checkpoint: path,
      architecture,
      output: exported,
      inputSize: checked.inputSize ?? 224,
      opset: checked.opset ?? 17,
      ...present({ classes: checked.classes, python: checked.python, trustPickle: checked.trustPickle }),
      signal: scope.signal,
    });
    const phases = [{ name: 'export', seconds: (performance.now() - start) / 1000 }];
    const { simplify, batchNorm } = checked;
    const { sha256 } = await hashModel(path, scope.signal);
    const made = await native().convertModel(
      exported,
      {
        // The exporter may reach a lower opset only, and makes any batch.
        ...present({ opset: checked.opset, simplify: simplify ?? batchNorm !== 'keep' }),
        output,
        metadata: { source: basename(path), source_sha256: sha256, architecture, ...versions },
      },
      scope.control,
    );
    return { output, ...made, source: 'python', architecture, phases: [...phases, ...made.phases] };
  } finally {
    await rm(exported, { force: true });
  }
}
