import { access, constants, open, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { fileSystemError, PresisiError } from './errors.js';
import { native } from './native.js';

/**
 * Finds out before minutes of work that a result could not be written. `outputs` are paths by the name of the option
 * they came from; undefined ones are not asked for. `input` is what must not be overwritten.
 */
export async function checkWritable(
  input: string | undefined,
  outputs: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const source =
    input === undefined
      ? undefined
      : await realpath(input).catch((error: unknown) => {
          throw fileSystemError('read', input, error);
        });
  const seen = new Map<string, string>();
  for (const [name, output] of Object.entries(outputs)) {
    if (output === undefined) continue;
    await checkFolder(output);
    const existing = await stat(output).catch(() => undefined);
    if (existing?.isDirectory()) throw fileSystemError('write', output, Object.assign(new Error(), { code: 'EISDIR' }));
    if (existing && source !== undefined && (await realpath(output)) === source) {
      throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `${output} would overwrite the model`);
    }
    const other = seen.get(resolve(output));
    if (other !== undefined) {
      throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `options.${other} and options.${name} are the same file`);
    }
    seen.set(resolve(output), name);
  }
}

async function checkFolder(output: string): Promise<void> {
  const folder = dirname(resolve(output));
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    throw fileSystemError(`write ${output} into the folder`, folder, error);
  }
}

/** How the temporary files of {@link writeDurably} end. */
export const TEMPORARY_ENDING = '.tmp';

/**
 * Writes a file that is complete or absent, whatever happens meanwhile, and that outlives a loss of power from the
 * moment the promise resolves.
 *
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM
 */
export async function writeDurably(path: string, content: string): Promise<void> {
  await native().writeText(path, content, {});
}

/** Makes what was created, renamed or removed in a folder outlive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const MODEL_ENDINGS = /(\.onnx|\.safetensors\.index\.json|\.safetensors|\.pth|\.pt|\.bin|\.ckpt)$/i;

/** A model's path without what says which kind of file it is. */
export const withoutEnding = (model: string): string => model.replace(MODEL_ENDINGS, '');
