import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileSystemError } from './errors.js';

/** Hashing a piece takes under a millisecond, so that other work gets its turn in between. */
const PIECE_BYTES = 512 * 1024;

/** SHA-256 of a file's content, hex, and its size. */
export async function hashFile(path: string, signal: AbortSignal): Promise<{ sha256: string; bytes: number }> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    // A pipe would be waited for without end, and can't be read a second time.
    const info = await stat(path);
    if (!info.isFile() && !info.isDirectory()) throw new Error('it is not a regular file');
    for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES }) as AsyncIterable<Buffer>) {
      signal.throwIfAborted();
      hash.update(piece);
      bytes += piece.length;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw fileSystemError('read', path, error);
  }
  return { sha256: hash.digest('hex'), bytes };
}

/**
 * The identity of a model: its file's, and where the file is the index of a sharded checkpoint, that of every shard with
 * it. The size counts all of them.
 */
export async function hashModel(path: string, signal: AbortSignal): Promise<{ sha256: string; bytes: number }> {
  const index = await hashFile(path, signal);
  if (!path.endsWith('.safetensors.index.json')) return index;
  const hash = createHash('sha256').update(index.sha256);
  let { bytes } = index;
  for (const shard of await shardsOf(path)) {
    const part = await hashFile(join(dirname(path), shard), signal);
    hash.update(part.sha256);
    bytes += part.bytes;
  }
  return { sha256: hash.digest('hex'), bytes };
}

/** Names in the index that the native reader will refuse are left to it: it says what is wrong with them. */
async function shardsOf(path: string): Promise<string[]> {
  try {
    const { weight_map: map } = JSON.parse(await readFile(path, 'utf8')) as { weight_map?: Record<string, unknown> };
    const names = new Set(Object.values(map ?? {}).filter((name) => typeof name === 'string'));
    return [...names].filter((name) => basename(name) === name).sort();
  } catch {
    return [];
  }
}

/** Adds bytes to a hash, letting the event loop turn between pieces. */
export async function updateHash(hash: Hash, data: ArrayBufferView): Promise<void> {
  for (let offset = 0; offset < data.byteLength; offset += PIECE_BYTES) {
    if (offset > 0) await new Promise((resolve) => setImmediate(resolve));
    const length = Math.min(PIECE_BYTES, data.byteLength - offset);
    hash.update(new Uint8Array(data.buffer, data.byteOffset + offset, length));
  }
}

/** SHA-256 of bytes in memory, one piece after the other, hex. */
export async function hashBytes(...pieces: readonly ArrayBufferView[]): Promise<string> {
  const hash = createHash('sha256');
  for (const piece of pieces) await updateHash(hash, piece);
  return hash.digest('hex');
}
