import { atCaller } from './errors.js';
import { checkWritable } from './files.js';
import { native } from './native.js';
import { check, text } from './options.js';

export interface ExtractedPlan {
  /** Whose plan it is. */
  readonly backend: string;
  /** Size of the plan. */
  readonly bytes: number;
}

/**
 * Takes the backend's own plan out of an engine file: TensorRT's as trtexec and Triton read it.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ENGINE, ERR_PRESISI_FILE_SYSTEM
 */
export function extractPlan(engine: string, output: string): Promise<ExtractedPlan> {
  return atCaller(extractPlan, async () => {
    const source = check(text('the path of an engine'), engine, 'engine');
    const target = check(text('a path'), output, 'output');
    await checkWritable(source, { output: target });
    return native().extractPlan(source, target, {});
  });
}
