// Quantizes one model for ONNX Runtime, in a process of its own.
import { readFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { writeModel } from './models/model.js';
import { valueInfoProto } from './models/onnx.js';
import { quantizedActivations, type Range, toOrtForm } from './models/ort-form.js';
import { Message } from './models/protobuf.js';
import { type ModelView, readModel } from './models/reader.js';
import type { QuantizeOrtTask } from './tasks.js';
import { finish, readTask } from './worker.js';

/** The model with more outputs: protobuf merges what is appended, and so adds to the graph's list. */
function expose({ bytes, outputNames }: ModelView, names: readonly string[]): Uint8Array {
  const graph = new Message();
  for (const name of names) if (!outputNames.includes(name)) graph.message(12, valueInfoProto(name, undefined));
  return Buffer.concat([bytes, ...new Message().message(7, graph).pieces]);
}

/** Least and largest value of each activation over all pictures: what ONNX Runtime's quantizer does by default. */
async function findRanges(model: ModelView, task: QuantizeOrtTask): Promise<Map<string, Range>> {
  const names = quantizedActivations(model);
  const [input = ''] = model.inputNames;
  const session = await InferenceSession.create(
    expose(
      model,
      names.filter((name) => name !== input),
    ),
    { intraOpNumThreads: task.threads },
  );
  const ranges = new Map<string, Range>();
  const { buffer, byteOffset, byteLength } = readFileSync(task.inputFile);
  const all = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
  const dims = [1, ...task.dims.slice(1)];
  const size = dims.reduce((product, dim) => product * dim, 1);
  for (let start = 0; start + size <= all.length; start += size) {
    const data = all.slice(start, start + size);
    const results: Record<string, Tensor> = { ...(await session.run({ [input]: new Tensor('float32', data, dims) })) };
    results[input] = new Tensor('float32', data, dims);
    for (const name of names) {
      let [least, most] = ranges.get(name) ?? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      const values = results[name]?.data;
      if (!(values instanceof Float32Array)) throw new TypeError(`Expected float32 for ${name}`);
      for (const value of values) {
        if (value < least) least = value;
        if (value > most) most = value;
      }
      ranges.set(name, [least, most]);
    }
  }
  await session.release();
  return ranges;
}

const task = await readTask<QuantizeOrtTask>();
const model = await readModel(task.model);
await writeModel(task.output, toOrtForm(model, await findRanges(model, task)));
finish({});
