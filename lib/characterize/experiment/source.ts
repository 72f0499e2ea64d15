import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import { z } from 'zod';
import { fileSystemError, PresisiError } from '../../errors.js';
import { mismatch } from '../../options.js';
import { type ExperimentOptions, experimentSchema } from '../experiment.js';

type Path = readonly PropertyKey[];

/** An experiment as its author wrote it, checked for its form alone, and how to point at a place in it. */
export interface ExperimentSource {
  readonly options: ExperimentOptions;
  /** Where relative paths start. */
  readonly folder: string;
  /** What the experiment is called unless it says. */
  readonly name: string;
  /** What is wrong at `path`, with the line of the file where there is one. */
  fail(path: Path, message: string, hint?: string, cause?: unknown): PresisiError;
}

/** Reads an experiment from YAML; JSON is YAML, too. */
export async function readExperiment(path: string): Promise<ExperimentSource> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw fileSystemError('read the experiment', path, error);
  });
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const at = (offset: number | undefined): string =>
    offset === undefined ? path : `${path}, line ${counter.linePos(offset).line}`;
  const syntax = document.errors[0] ?? document.warnings[0];
  if (syntax) throw invalid(`${at(syntax.pos[0])}: ${syntax.message}`, 'the file is to be YAML or JSON');
  let value: unknown;
  try {
    value = document.toJS();
  } catch (cause) {
    throw invalid(`${path}: ${(cause as Error).message}`, 'the file is to be YAML or JSON', cause);
  }
  const offsetOf = (place: Path): number | undefined => {
    for (let depth = place.length; depth >= 0; depth -= 1) {
      const found = locate(document.contents, place.slice(0, depth));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return checkForm(value, dirname(resolve(path)), basename(path).replace(/\.(ya?ml|json)$/i, ''), (place) =>
    at(offsetOf(place)),
  );
}

/** An experiment that a program made; its relative paths start at the current working directory. */
export const experimentFrom = (value: unknown): ExperimentSource => checkForm(value, process.cwd(), 'experiment');

function checkForm(value: unknown, folder: string, name: string, where?: (path: Path) => string): ExperimentSource {
  const fail = (path: Path, message: string, hint?: string, cause?: unknown): PresisiError =>
    invalid(where ? `${where(path)}: ${message}` : message, hint, cause);
  const result = experimentSchema.safeParse(value);
  if (result.success) return { options: result.data, folder, name, fail };
  const { error, path, unknownKeys } = mismatch(result.error, value, 'experiment');
  const [unknown] = unknownKeys;
  if (unknown === undefined) throw fail(path, error.message, error.hint, error);
  throw fail([...path, unknown], error.message, suggestion(unknown, keysAt(path)), error);
}

const invalid = (message: string, hint?: string, cause?: unknown): PresisiError =>
  new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', message, {
    ...(hint !== undefined && { hint }),
    ...(cause !== undefined && { cause }),
  });

/** Where a key, or an element of a list, starts in the text. */
function locate(root: unknown, path: Path): number | undefined {
  let node: unknown = root;
  let offset = (root as Node | null)?.range?.[0];
  for (const key of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (!pair) return undefined;
      offset = (pair.key as Node).range?.[0];
      node = pair.value;
    } else {
      const items = (node as { items?: readonly unknown[] } | null)?.items;
      node = items?.[key as number];
      if (node === undefined) return undefined;
      offset = (node as Node).range?.[0];
    }
  }
  return offset;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** The keys that an object at `path` may have. */
function keysAt(path: Path): string[] {
  let schema: JsonSchema | undefined = z.toJSONSchema(experimentSchema) as JsonSchema;
  for (const key of path) schema = typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)];
  return Object.keys(schema?.properties ?? {});
}

function suggestion(unknown: string, keys: readonly string[]): string {
  const plain = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  const ranked = keys.map((key) => ({ key, distance: editDistance(plain(unknown), plain(key)) }));
  const best = ranked.sort((a, b) => a.distance - b.distance)[0];
  const all = `there are ${keys.join(', ')}`;
  return best && best.distance <= 1 + Math.floor(best.key.length / 4) ? `did you mean ${best.key}? ${all}` : all;
}

/** Levenshtein's: insertions, deletions and replacements between two words. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
