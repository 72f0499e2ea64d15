import { writeFile } from 'node:fs/promises';
import { modelProto, nodeProto, tensorProto, valueInfoProto } from './models/onnx.js';

const SIDE = 16;
const CHANNELS = 8;

/** A classifier of three layers, for what a run takes besides computing. Writes it as ONNX. */
export async function writeTinyNetwork(path: string): Promise<void> {
  const weights = (count: number): Float32Array => Float32Array.from({ length: count }, (_, i) => Math.sin(i + 1) / 4);
  const model = modelProto({
    name: 'tiny',
    nodes: [
      nodeProto('conv', 'Conv', ['input', 'filters'], ['features'], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
      nodeProto('relu', 'Relu', ['features'], ['active']),
      nodeProto('pool', 'GlobalAveragePool', ['active'], ['pooled']),
      nodeProto('flat', 'Flatten', ['pooled'], ['flat'], { axis: 1 }),
      nodeProto('classes', 'Gemm', ['flat', 'weights'], ['logits'], { transB: 1 }),
    ],
    initializers: [
      tensorProto('filters', [CHANNELS, 3, 3, 3], weights(CHANNELS * 27)),
      tensorProto('weights', [CHANNELS, CHANNELS], weights(CHANNELS * CHANNELS)),
    ],
    inputs: [valueInfoProto('input', ['batch', 3, SIDE, SIDE])],
    outputs: [valueInfoProto('logits', ['batch', CHANNELS])],
  });
  await writeFile(path, Buffer.concat(model.pieces));
}
