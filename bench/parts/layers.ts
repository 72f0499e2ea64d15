// The roofline, layer by layer: how long each takes, and how long it would at the processor's limit.
import type { Layer } from 'presisi';
import { type Peak, PeakMeter } from '../peak.js';
import type { Precision, Workspace } from '../workspace.js';

export interface LayerTime {
  readonly name: string;
  readonly op: string;
  readonly precision: string;
  readonly kernel: string;
  readonly dims: readonly number[];
  readonly macs: number;
  /** Weights and activations, read and written. */
  readonly bytes: number;
  readonly seconds: number;
  /** At the limit: of arithmetic or of memory, whichever takes longer. */
  readonly leastSeconds: number;
  /** What the limit comes from; none where nothing is computed or moved. */
  readonly bound: 'arithmetic' | 'memory' | 'none';
}

export interface LayersOf {
  readonly precision: Precision;
  /** Of a profiled run; the layers' sum is a little less. */
  readonly seconds: number;
  readonly weightBytes: number;
  readonly arenaBytes: number;
  /** Bytes a second that are read of as much memory as the engine has. */
  readonly bytesPerSecond: number;
  /** In the order they run. */
  readonly layers: readonly LayerTime[];
}

export interface LayersResults {
  readonly network: string;
  readonly peak: Peak;
  readonly engines: readonly LayersOf[];
}

function timeOf(layer: Layer, peak: Peak, bytesPerSecond: number): LayerTime {
  const { name, op, precision, kernel, outputDims, macs, weightBytes, activationBytes, seconds = Number.NaN } = layer;
  const bytes = weightBytes + activationBytes;
  const limit = (precision === 'int8' ? peak.int8 : peak.fp32)?.macsPerSecond;
  const arithmetic = limit === undefined ? 0 : macs / limit;
  const memory = bytes / bytesPerSecond;
  return {
    name,
    op,
    precision,
    kernel,
    dims: outputDims,
    macs,
    bytes,
    seconds,
    leastSeconds: Math.max(arithmetic, memory),
    bound: arithmetic > memory ? 'arithmetic' : memory > 0 ? 'memory' : 'none',
  };
}

export async function measureLayers(network: string, workspace: Workspace): Promise<LayersResults> {
  const { folder, threads } = workspace.options;
  const meter = await PeakMeter.create(folder, threads);
  const model = await workspace.model(network);
  const peak = await meter.measure();
  const engines: LayersOf[] = [];
  for (const precision of ['fp32', 'int8'] as const) {
    const engine = await workspace.engine(model, precision);
    const { layers, seconds, weightBytes, arenaBytes } = await workspace.inspect(engine);
    // Runs one after the other leave in the caches what fits there of both.
    const bytesPerSecond = await meter.bandwidth(weightBytes + arenaBytes);
    engines.push({
      precision,
      seconds,
      weightBytes,
      arenaBytes,
      bytesPerSecond,
      layers: layers.map((layer) => timeOf(layer, peak, bytesPerSecond)),
    });
  }
  return { network, peak, engines };
}
