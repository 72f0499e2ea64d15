import type { LayersOf, LayersResults, LayerTime } from '../parts/layers.js';
import { ABSENT, digits, percent, table } from './format.js';

/** Layers that are shown one by one: the others together lose little. */
const SHOWN = 40;

const lost = ({ seconds, leastSeconds }: LayerTime): number => seconds - leastSeconds;
const microseconds = (seconds: number): string => (seconds * 1e6).toFixed(1);

function row(layer: LayerTime, total: number): string[] {
  const { name, op, precision, kernel, dims, macs, bytes, seconds, leastSeconds, bound } = layer;
  return [
    name,
    op,
    dims.join('×'),
    precision,
    kernel,
    microseconds(seconds),
    macs > 0 ? digits(macs / seconds / 1e9) : ABSENT,
    digits(bytes / seconds / 1e9),
    bound,
    percent(leastSeconds / seconds),
    microseconds(lost(layer)),
    percent(lost(layer) / total),
  ];
}

function engineBlocks({ precision, seconds, weightBytes, arenaBytes, bytesPerSecond, layers }: LayersOf): string[] {
  const header = [
    'layer',
    'op',
    'output',
    'runs in',
    'kernel',
    'µs',
    'GMAC/s',
    'GB/s',
    'bound by',
    'of the limit',
    'lost, µs',
    'of the run',
  ];
  const sum = layers.reduce((total, layer) => total + layer.seconds, 0);
  const least = layers.reduce((total, layer) => total + layer.leastSeconds, 0);
  const sorted = [...layers].sort((a, b) => lost(b) - lost(a));
  const rest = sorted.slice(SHOWN);
  const more =
    rest.length > 0 ? [`${rest.length} more lose ${microseconds(rest.reduce((t, l) => t + lost(l), 0))} µs.`] : [];
  return [
    `${precision.toUpperCase()}: a profiled run takes ${microseconds(seconds)} µs, its ${layers.length} layers ` +
      `${microseconds(sum)} µs, and at the limit ${microseconds(least)} µs. Weights ${digits(weightBytes / 1e6)} MB, ` +
      `arena ${digits(arenaBytes / 1e6)} MB, read at most at ${digits(bytesPerSecond / 1e9)} GB/s. By lost time:`,
    table(
      header,
      sorted.slice(0, SHOWN).map((layer) => row(layer, sum)),
    ),
    ...more,
  ];
}

/** Each layer beside the roofline (Williams et al. 2009), those that lose most first. */
export function layersMarkdown({ network, peak, engines }: LayersResults): string {
  const limits = (['int8', 'fp32'] as const).flatMap((precision) => {
    const found = peak[precision];
    return found ? [`${precision.toUpperCase()} ${digits(found.macsPerSecond / 1e9)} GMAC/s by ${found.isa}`] : [];
  });
  return [`## ${network}, layer by layer`, `The limit: ${limits.join(', ')}.`, ...engines.flatMap(engineBlocks)].join(
    '\n\n',
  );
}
