import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { fileSystemError } from '../errors.js';
import { findPython, type PythonPurpose, readAnswer, startProcess } from '../python.js';

export interface PythonExport {
  /** A checkpoint that PyTorch or safetensors reads. */
  readonly checkpoint: string;
  /** `torchvision:NAME`, `timm:NAME`, or `module.path:callable` of one's own that returns a torch.nn.Module. */
  readonly architecture: string;
  /** Passed on as `num_classes`. Default: the architecture's own. */
  readonly classes?: number;
  readonly inputSize: number;
  /** The highest wanted; PyTorch's exporter may only reach a lower one. */
  readonly opset: number;
  /** Where the ONNX file is written; it is complete or absent. */
  readonly output: string;
  /** A path or a name. Default: `$PRESISI_PYTHON`, else `python3`, else `python`. */
  readonly python?: string;
  /** Unpickle whatever the file holds, which executes code from it. Default false. */
  readonly trustPickle?: boolean;
  readonly signal?: AbortSignal;
}

export interface PythonExported {
  readonly onnx: string;
  /** Of Python and the packages that took part: `python`, `torch`, `torchvision`, … */
  readonly versions: Readonly<Record<string, string>>;
}

/** The same from `lib` and from `dist`: the script is shipped as it lies in `lib`. */
const SCRIPT = fileURLToPath(new URL('../../lib/convert/export.py', import.meta.url));

const PURPOSE: PythonPurpose = {
  who: 'the exporter',
  verb: 'export',
  job: 'the export',
  option: 'options.python',
  hint: 'options.python (--python)',
};

const answerSchema = z.object({ versions: z.record(z.string(), z.string()) });

/**
 * Runs `torch.onnx.export` in the user's own Python.
 *
 * @throws PresisiError `ERR_PRESISI_BACKEND_UNAVAILABLE` when Python or one of its packages is missing, with the
 *   command that installs it; other codes for what is wrong with the checkpoint or the architecture; the reason of
 *   `signal` once that is aborted. `cause` holds the last lines that Python printed.
 */
export async function exportWithPython(request: PythonExport): Promise<PythonExported> {
  const { signal, output } = request;
  signal?.throwIfAborted();
  const python = await findPython(request.python, PURPOSE, signal);
  const partial = `${output}.${process.pid}.partial`;
  try {
    const { ended } = startProcess(python, [SCRIPT, requestText(request, partial)], { signal });
    const { versions } = readAnswer(answerSchema, python, await ended, PURPOSE);
    await rename(partial, output).catch((error: unknown) => {
      throw fileSystemError('write', output, error);
    });
    return { onnx: output, versions };
  } finally {
    await rm(partial, { force: true });
  }
}

function requestText(request: PythonExport, output: string): string {
  return JSON.stringify({
    checkpoint: resolve(request.checkpoint),
    architecture: request.architecture,
    classes: request.classes,
    input_size: request.inputSize,
    opset: request.opset,
    output: resolve(output),
    trust_pickle: request.trustPickle ?? false,
  });
}
