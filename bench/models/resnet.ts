import { GraphBuilder, type Value } from './graph.js';
import type { BuiltModel } from './model.js';
import { Random } from './random.js';

/** Width of the 3x3 convolutions, and blocks, of each stage; blocks are four times as wide outside. */
const STAGES = [
  { width: 64, blocks: 3 },
  { width: 128, blocks: 4 },
  { width: 256, blocks: 6 },
  { width: 512, blocks: 3 },
] as const;
const EXPANSION = 4;

/** Restores the variance, which a ReLU leaves (1 - 1/pi) / 2 of: filters of mean 0 see nothing else. */
const AFTER_RELU = 2 / (1 - 1 / Math.PI);
/** Of a residual branch's last convolution: what it adds to the shortcut stays small beside it. */
const BRANCH = 0.5;

/**
 * ResNet-50 v1.5 for 1000 classes (He et al. 2016, with the stride in the 3x3 convolution), batch normalisation folded,
 * random weights.
 */
export function resnet50(seed: number): BuiltModel {
  const graph = new GraphBuilder(new Random(seed));
  const input: Value = { name: 'input', channels: 3 };
  let x = graph.conv('conv1', input, { channels: 64, kernel: 7, stride: 2, gain: 1 });
  x = graph.maxPool('maxpool', graph.relu('relu', x));
  for (const [stage, { width, blocks }] of STAGES.entries()) {
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      x = bottleneck(graph, `layer${stage + 1}.${block}`, x, width, stride);
    }
  }
  const logits = graph.linear('logits', graph.averagePool('avgpool', x), 1000, AFTER_RELU);
  const proto = graph.model(
    'resnet50',
    { name: 'input', dims: ['batch', 3, 224, 224] },
    { value: logits, dims: ['batch', 1000] },
  );
  return { proto, parameters: graph.parameters };
}

function bottleneck(graph: GraphBuilder, name: string, input: Value, width: number, stride: number): Value {
  const channels = width * EXPANSION;
  const shortcut =
    input.channels === channels
      ? input
      : graph.conv(`${name}.downsample`, input, { channels, stride, gain: AFTER_RELU });
  let x = graph.conv(`${name}.conv1`, input, { channels: width, gain: AFTER_RELU });
  x = graph.relu(`${name}.relu1`, x);
  x = graph.conv(`${name}.conv2`, x, { channels: width, kernel: 3, stride, gain: AFTER_RELU });
  x = graph.relu(`${name}.relu2`, x);
  x = graph.conv(`${name}.conv3`, x, { channels, gain: BRANCH });
  return graph.relu(name, graph.add(`${name}.add`, x, shortcut));
}
