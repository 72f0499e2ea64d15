import { CsvError, parse } from 'csv-parse/sync';
import { z } from 'zod';
import { enumerate, invalidDataset } from './dataset.js';
import { readLines, readWhole } from './files.js';

/** One picture as a manifest lists it. */
export interface Entry {
  /** Relative to the manifest. */
  readonly file: string;
  /** An index, or the name of a class. */
  readonly label: number | string;
  /** Where it stands, for messages: `line 7`. */
  readonly at: string;
}

/** What a manifest says, whatever its form. */
export interface Manifest {
  readonly entries: readonly Entry[];
  /** Names by index, where the manifest lists them. */
  readonly classes?: readonly string[];
}

const FILE_KEYS = ['file', 'path', 'image'] as const;

/** No path and label need more; a quote that is never closed would otherwise take the whole file for one field. */
const MAX_RECORD_CHARACTERS = 65536;

/** CSV with a header that names a column `file`, `path` or `image` and a column `label`; others are ignored. */
export async function readCsv(path: string): Promise<Manifest> {
  const [header, ...rows] = parseCsv(path, await readWhole(path));
  const columns = header?.record.map((name) => name.trim().toLowerCase()) ?? [];
  const file = FILE_KEYS.map((key) => columns.indexOf(key)).find((column) => column >= 0);
  const label = columns.indexOf('label');
  if (file === undefined || label < 0) {
    throw invalidDataset(
      `${path}, line 1: there is no ${file === undefined ? `column ${FILE_KEYS.join(', ')}` : 'column label'}; the columns are ${enumerate(columns, 8)}`,
      'the first line names the columns: file,label',
    );
  }
  const entries = rows.map(({ record, line }): Entry => {
    const at = `line ${line}`;
    if (record.length !== columns.length) {
      throw invalidDataset(`${path}, ${at}: ${record.length} fields instead of ${columns.length}`);
    }
    const name = record[file] as string;
    const text = (record[label] as string).trim();
    if (name === '' || text === '')
      throw invalidDataset(`${path}, ${at}: the ${name === '' ? 'file' : 'label'} is empty`);
    return { file: name, label: /^\d+$/.test(text) ? Number(text) : text, at };
  });
  return { entries };
}

function parseCsv(path: string, content: Buffer): { record: string[]; line: number }[] {
  try {
    const rows = parse(content, {
      bom: true,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      max_record_size: MAX_RECORD_CHARACTERS,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return rows.map(({ record, info }) => ({ record, line: info.lines }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { lines, message } = error as CsvError & { readonly lines?: number };
    throw invalidDataset(`${path}, line ${lines ?? '?'}: ${message}`, 'quote fields that hold commas or quotes', error);
  }
}

const entrySchema = z.object({
  file: z.string().min(1).optional(),
  path: z.string().min(1).optional(),
  image: z.string().min(1).optional(),
  label: z.union([z.int().min(0), z.string().min(1)]),
});

function entryOf(value: unknown, path: string, at: string): Entry {
  const { success, data } = entrySchema.safeParse(value);
  const file = success ? (data.file ?? data.path ?? data.image) : undefined;
  if (!success || file === undefined) {
    throw invalidDataset(`${path}, ${at}: expected { "file": a path, "label": an index or a name }`);
  }
  return { file, label: data.label, at };
}

/** One object in each line: `{"file": "roses/1.jpg", "label": "rose"}`. */
export async function readJsonLines(path: string): Promise<Manifest> {
  const entries: Entry[] = [];
  for (const [index, line] of (await readLines(path)).entries()) {
    if (line.trim() === '') continue;
    const at = `line ${index + 1}`;
    entries.push(entryOf(parseJson(line, `${path}, ${at}`), path, at));
  }
  return { entries };
}

const splitsSchema = z.object({
  classes: z.array(z.string()).optional(),
  splits: z.record(z.string(), z.array(z.unknown())),
});

/** `{ "classes": [names], "splits": { name: [{ "file", "label" }] } }`; other properties are ignored. */
export async function readSplits(path: string, split: string | undefined): Promise<Manifest> {
  const { success, data } = splitsSchema.safeParse(parseJson((await readWhole(path)).toString('utf8'), path));
  if (!success) throw invalidDataset(`${path}: expected { "splits": { name: [{ "file", "label" }] } }`);
  const names = Object.keys(data.splits);
  const chosen = split ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined) {
    throw invalidDataset(
      `${path} has ${names.length} splits, and none was chosen: ${enumerate(names)}`,
      `say which: { manifest, split: ${JSON.stringify(names[0] ?? '')} }, or manifest:${path}#${names[0] ?? ''}`,
    );
  }
  if (!Object.hasOwn(data.splits, chosen)) {
    throw invalidDataset(`${path} has no split ${JSON.stringify(chosen)}; it has ${enumerate(names)}`);
  }
  const rows = data.splits[chosen] ?? [];
  const entries = rows.map((value, index) => entryOf(value, path, `split ${chosen}, entry ${index}`));
  return { entries, ...(data.classes && { classes: data.classes }) };
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw invalidDataset(`${where}: ${(error as Error).message.split('\n')[0]}`, undefined, error);
  }
}
