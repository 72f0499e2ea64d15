import { GraphBuilder, type Value } from './graph.js';
import type { BuiltModel } from './model.js';
import { Random } from './random.js';

/** Table 2 of Sandler et al. 2018. */
const STAGES = [
  { expansion: 1, channels: 16, blocks: 1, stride: 1 },
  { expansion: 6, channels: 24, blocks: 2, stride: 2 },
  { expansion: 6, channels: 32, blocks: 3, stride: 2 },
  { expansion: 6, channels: 64, blocks: 4, stride: 2 },
  { expansion: 6, channels: 96, blocks: 3, stride: 1 },
  { expansion: 6, channels: 160, blocks: 3, stride: 2 },
  { expansion: 6, channels: 320, blocks: 1, stride: 1 },
] as const;

/** Makes up for the half of the mean square that a ReLU removes, and one layer on, of the variance. */
const AFTER_RELU = 2;
/** Bottlenecks end without a ReLU. */
const AFTER_LINEAR = 1;

/** MobileNetV2, width 1.0, for 1000 classes (Sandler et al. 2018), batch normalisation folded, random weights. */
export function mobilenetV2(seed: number): BuiltModel {
  const graph = new GraphBuilder(new Random(seed));
  const input: Value = { name: 'input', channels: 3 };
  const stem = graph.conv('features.0', input, { channels: 32, kernel: 3, stride: 2, gain: 1 });
  let x = graph.relu6('features.0.relu', stem);
  let index = 1;
  for (const { expansion, channels, blocks, stride } of STAGES) {
    for (let block = 0; block < blocks; block++, index++) {
      x = invertedResidual(graph, `features.${index}`, x, { expansion, channels, stride: block === 0 ? stride : 1 });
    }
  }
  x = graph.conv(`features.${index}`, x, { channels: 1280, gain: AFTER_LINEAR });
  x = graph.relu6(`features.${index}.relu`, x);
  const logits = graph.linear('logits', graph.averagePool('avgpool', x), 1000, AFTER_RELU);
  const proto = graph.model(
    'mobilenet-v2',
    { name: 'input', dims: ['batch', 3, 224, 224] },
    { value: logits, dims: ['batch', 1000] },
  );
  return { proto, parameters: graph.parameters };
}

interface Block {
  readonly expansion: number;
  readonly channels: number;
  readonly stride: number;
}

function invertedResidual(graph: GraphBuilder, name: string, input: Value, block: Block): Value {
  const { expansion, channels, stride } = block;
  const width = input.channels * expansion;
  let x = input;
  if (expansion !== 1) {
    x = graph.conv(`${name}.expand`, x, { channels: width, gain: AFTER_LINEAR });
    x = graph.relu6(`${name}.expand.relu`, x);
  }
  x = graph.conv(`${name}.depthwise`, x, { channels: width, kernel: 3, stride, depthwise: true, gain: AFTER_RELU });
  x = graph.relu6(`${name}.depthwise.relu`, x);
  x = graph.conv(`${name}.project`, x, { channels, gain: AFTER_RELU });
  return stride === 1 && input.channels === channels ? graph.add(`${name}.add`, input, x) : x;
}
