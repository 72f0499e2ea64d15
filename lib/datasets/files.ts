import type { Dirent } from 'node:fs';
import { type FileHandle, open, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileSystemError } from '../errors.js';
import { invalidDataset, type Skipped } from './dataset.js';

/** A list of a million pictures takes some 100 MB. */
const MAX_LIST_BYTES = 256 * 1024 * 1024;

/** The whole content of a list or table. Pipes would be waited for without end, and are refused. */
export async function readWhole(path: string, maxBytes = MAX_LIST_BYTES): Promise<Buffer> {
  try {
    const info = await stat(path);
    if (!info.isFile() && !info.isDirectory()) throw new Error('it is not a regular file');
    if (info.size > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
    return await readFile(path);
  } catch (error) {
    throw fileSystemError('read', path, error);
  }
}

/** Text as lines without their ends; a byte order mark and an empty last line don't count. */
export async function readLines(path: string): Promise<string[]> {
  const text = (await readWhole(path)).toString('utf8').replace(/^\uFEFF/, '');
  return text === '' ? [] : text.replace(/\r?\n$/, '').split(/\r?\n/);
}

export async function listFolder(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    throw fileSystemError('read the folder', path, error);
  }
}

/** The first of the paths that is a file. */
export async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined);
    if (info?.isFile()) return path;
  }
  return undefined;
}

/** The first of the names that a folder holds as a file. */
export const fileIn = (folder: string, ...names: string[]): Promise<string | undefined> =>
  firstFile(names.map((name) => join(folder, name)));

/**
 * Which of many listed files are not there. Each folder is read once: asking for 50,000 files one by one takes seconds.
 */
export async function missingFiles(paths: readonly string[]): Promise<Skipped[]> {
  const folders = new Map<string, Set<string>>();
  const missing: Skipped[] = [];
  for (const path of paths) {
    const folder = dirname(path);
    let names = folders.get(folder);
    if (names === undefined) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
      names = new Set(entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name));
      folders.set(folder, names);
    }
    if (!names.has(basename(path))) missing.push({ name: path, reason: 'no such file' });
  }
  return missing;
}

/** Reads records of one size from a file, neighbouring ones at once; `choose` says which of how many. */
export async function readRecords(
  path: string,
  recordBytes: number,
  maxBytes: number,
  choose: (count: number) => readonly number[],
): Promise<{ indices: readonly number[]; bytes: Buffer }> {
  let file: FileHandle;
  try {
    file = await openRegular(path);
  } catch (error) {
    throw fileSystemError('read', path, error);
  }
  try {
    const { size } = await file.stat();
    if (size === 0 || size % recordBytes !== 0 || size > maxBytes) {
      throw invalidDataset(
        `${path} has ${size} bytes, which is no whole number of records of ${recordBytes} bytes up to ${maxBytes}`,
        'the download may be incomplete, or the file be of another data set',
      );
    }
    const indices = choose(size / recordBytes);
    const bytes = Buffer.allocUnsafe(indices.length * recordBytes);
    for (let first = 0; first < indices.length; ) {
      let end = first + 1;
      while (end < indices.length && indices[end] === (indices[end - 1] as number) + 1) end += 1;
      const target = bytes.subarray(first * recordBytes, end * recordBytes);
      await readFully(file, target, (indices[first] as number) * recordBytes, path);
      first = end;
    }
    return { indices, bytes };
  } finally {
    await file.close();
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  const info = await stat(path);
  if (info.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
  if (!info.isFile()) throw new Error('it is not a regular file');
  return open(path);
}

async function readFully(file: FileHandle, target: Buffer, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const { bytesRead } = await file.read(target, done, target.length - done, position + done).catch((error) => {
      throw fileSystemError('read', path, error);
    });
    if (bytesRead === 0) throw invalidDataset(`${path} became shorter while it was read`);
    done += bytesRead;
  }
}
