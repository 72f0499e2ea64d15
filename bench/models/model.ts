import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mobilenetV2 } from './mobilenet.js';
import type { Message } from './protobuf.js';
import { resnet50 } from './resnet.js';

export interface BuiltModel {
  readonly proto: Message;
  readonly parameters: number;
}

/** Networks that are made, not read. */
export const ARCHITECTURES: Readonly<Record<string, (seed: number) => BuiltModel>> = {
  resnet50,
  'mobilenet-v2': mobilenetV2,
};

/** SHA-256 of what each architecture gives for seed 1: results are only comparable while these hold. */
export const KNOWN: Readonly<Record<string, string>> = {
  resnet50: '14235ba2e20991970c48b03e9ea157d8f76b3f7edb9614a3f859f4f387fed2dd',
  'mobilenet-v2': '7c0b8036f123ba506d1f916e7be62550a62d8119d932a433b761b2386150a67e',
};
export const KNOWN_SEED = 1;

/** Part of the file name: a file made by an older builder isn't taken for this one's. To be raised with {@link KNOWN}. */
const REVISION = 1;

/** SHA-256 of a message, hex. */
export function digest(message: Message): string {
  const hash = createHash('sha256');
  for (const piece of message.pieces) hash.update(piece);
  return hash.digest('hex');
}

/** The network, in memory. The same seed gives the same bytes. */
export function buildModel(name: string, seed: number): BuiltModel {
  const build = ARCHITECTURES[name];
  if (build !== undefined) return build(seed);
  throw new Error(`Expected one of ${Object.keys(ARCHITECTURES).join(', ')} for the model but received ${name}`);
}

/** Path of the ONNX file, which is made unless it is there. */
export async function ensureModel(name: string, seed: number, folder: string): Promise<string> {
  const path = join(folder, `${name}-r${REVISION}-seed${seed}.onnx`);
  const exists = await access(path).then(
    () => true,
    () => false,
  );
  if (exists) return path;
  await mkdir(folder, { recursive: true });
  await writeModel(path, buildModel(name, seed).proto);
  return path;
}

/** The file is complete or absent: it gets its name last. */
export async function writeModel(path: string, message: Message): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  const file = await open(temporary, 'wx');
  try {
    // Small pieces are gathered, or a thousand field headers would be a thousand system calls.
    let gathered: Uint8Array[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      await file.writeFile(Buffer.concat(gathered));
      gathered = [];
      bytes = 0;
    };
    for (const piece of message.pieces) {
      gathered.push(piece);
      bytes += piece.length;
      if (bytes >= 1 << 20) await flush();
    }
    await flush();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
}
