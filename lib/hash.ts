import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
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

/** Adds bytes to a hash, letting the event loop turn between pieces. */
export async function updateHash(hash: Hash, data: ArrayBufferView): Promise<void> {
  for (let offset = 0; offset < data.byteLength; offset += PIECE_BYTES) {
    if (offset > 0) await new Promise((resolve) => setImmediate(resolve));
    const length = Math.min(PIECE_BYTES, data.byteLength - offset);
    hash.update(new Uint8Array(data.buffer, data.byteOffset + offset, length));
  }
}

/** SHA-256 of bytes in memory, hex. */
export async function hashBytes(data: ArrayBufferView): Promise<string> {
  const hash = createHash('sha256');
  await updateHash(hash, data);
  return hash.digest('hex');
}
