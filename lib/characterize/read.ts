import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileSystemError, PresisiError } from '../errors.js';
import { RESULTS_VERSION, type Results, resultsSchema } from './results.js';

/**
 * Reads the results of an experiment: `results.json`, or the folder it lies in.
 *
 * @throws PresisiError ERR_PRESISI_FILE_SYSTEM; ERR_PRESISI_INVALID_RESULTS where it is damaged, something else, or of a
 *   newer version
 */
export async function readResults(path: string): Promise<Results> {
  const text = await read(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      path,
      'are no JSON',
      'the file is incomplete or something else; `presisi characterize --resume` writes it anew',
      error,
    );
  }
  const { schema, version } = (value ?? {}) as { readonly schema?: unknown; readonly version?: unknown };
  if (schema !== 'presisi-results')
    throw invalid(path, 'are not what presisi characterize writes', 'give its results.json');
  if (typeof version === 'number' && version > RESULTS_VERSION) {
    const reads = `a newer presisi made them: version ${version} where this one reads ${RESULTS_VERSION}`;
    throw invalid(path, `can't be read, ${reads}`, 'update presisi');
  }
  const checked = resultsSchema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const where = issue?.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('') ?? '';
  throw invalid(
    path,
    `are damaged: results${where}: ${issue?.message}`,
    '`presisi characterize --resume` writes them anew',
    checked.error,
  );
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EISDIR') throw fileSystemError('read the results', path, error);
  }
  const inside = join(path, 'results.json');
  return readFile(inside, 'utf8').catch((error: unknown) => {
    throw fileSystemError('read the results', inside, error);
  });
}

const invalid = (path: string, what: string, hint: string, cause?: unknown): PresisiError =>
  new PresisiError('ERR_PRESISI_INVALID_RESULTS', `the results ${path} ${what}`, {
    hint,
    ...(cause !== undefined && { cause }),
  });
