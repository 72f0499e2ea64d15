import { PresisiError } from '../../errors.js';
import type { Experiment } from '../experiment.js';
import { onnxruntimeVersion } from './onnxruntime.js';
import { pytorchVersion } from './pytorch.js';

/** The framework's version, or why it can't be used here. */
export async function describeBaseline({
  framework,
  python,
}: Experiment['baselines'][number]): Promise<
  { readonly version: string } | { readonly reason: string; readonly hint?: string }
> {
  try {
    return { version: framework === 'onnxruntime' ? await onnxruntimeVersion() : await pytorchVersion(python) };
  } catch (error) {
    if (!(error instanceof PresisiError) || error.code !== 'ERR_PRESISI_BACKEND_UNAVAILABLE') throw error;
    return { reason: error.message, ...(error.hint !== undefined && { hint: error.hint }) };
  }
}
