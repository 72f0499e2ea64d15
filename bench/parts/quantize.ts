// Time and memory of quantizing with entropy, from files to a file, beside onnxruntime.quantization; and of calibrating,
// beside running the network on the same pictures and no more.
import { join } from 'node:path';
import { runWorker } from '../child.js';
import { pictures } from '../data.js';
import { type QuantizeCost, quantizeWithPython } from '../python.js';
import type { Cost } from '../workers/measure.js';
import type { CompressResult } from '../workers/tasks.js';
import { CALIBRATION_IMAGES, type Model, type Workspace } from '../workspace.js';

/** Of the calibration, and of the inference it is compared with: `infer()`'s own default. */
const BATCH = 8;

export interface QuantizeTrial extends Pick<CompressResult, 'seconds' | 'phases' | 'peakRssBytes'> {
  /** Of the phases `calibrate` and `solve`. */
  readonly calibrationSeconds: number;
}

export interface QuantizeCase {
  readonly network: string;
  readonly presisi: readonly QuantizeTrial[];
  /** `infer()` in FP32 over the same pictures. */
  readonly inference: readonly Cost[];
  /** Absent where it was not asked for. */
  readonly peer?: readonly QuantizeCost[];
  /** Why onnxruntime.quantization has no trials, or fewer. */
  readonly peerAbsent?: string;
}

export interface QuantizeResults {
  readonly images: number;
  readonly cases: readonly QuantizeCase[];
}

/** One compression with `count` pictures, in a process of its own. */
export async function calibrateOnce(model: Model, count: number, workspace: Workspace): Promise<QuantizeTrial> {
  const { threads, folder } = workspace.options;
  const splits = count > 192 ? (['calibration', 'test'] as const) : (['calibration'] as const);
  const { seconds, phases, peakRssBytes } = await runWorker('compress', {
    model: model.path,
    options: {
      precision: 'int8',
      threads,
      calibration: { images: await pictures(splits, count), samples: count, method: 'entropy', batchSize: BATCH },
      output: join(folder, 'quantize.engine'),
    },
  });
  const phase = (name: string): number => {
    const found = phases[name];
    if (found === undefined) throw new Error(`quantize() has no phase ${name}`);
    return found;
  };
  return { seconds, phases, peakRssBytes, calibrationSeconds: phase('calibrate') + phase('solve') };
}

async function runCase(name: string, workspace: Workspace): Promise<QuantizeCase> {
  const { threads, trials, folder, quantizePeers } = workspace.options;
  const model = await workspace.model(name);
  const engine = await workspace.engine(model, 'fp32');
  const images = await pictures(['calibration'], CALIBRATION_IMAGES);
  const task = await workspace.quantizeTask(model);
  const [presisi, inference, peer]: [QuantizeTrial[], Cost[], QuantizeCost[]] = [[], [], []];
  const asked = quantizePeers.includes(name);
  let peerAbsent = asked && 'reason' in workspace.quantizer ? workspace.quantizer.reason : undefined;
  for (let trial = 0; trial < trials; trial++) {
    const where = `${name}, trial ${trial + 1} of ${trials}`;
    const ours = await calibrateOnce(model, CALIBRATION_IMAGES, workspace);
    presisi.push(ours);
    // Not warmed up, as the calibration isn't.
    inference.push(await runWorker('infer', { engine, images, batchSize: BATCH, threads, warmUp: 0 }));
    console.error(`${where}: presisi quantized in ${ours.seconds.toFixed(2)} s`);
    if (!asked || peerAbsent !== undefined || 'reason' in workspace.quantizer) continue;
    try {
      const output = join(folder, 'quantize.onnx');
      const theirs = await quantizeWithPython(workspace.quantizer, {
        ...task,
        output,
        method: 'Entropy',
        operators: null,
      });
      peer.push(theirs);
      console.error(`${where}: onnxruntime.quantization in ${theirs.seconds.toFixed(2)} s`);
    } catch (error) {
      peerAbsent = (error as Error).message; // it would end so again
      console.error(`${where}: onnxruntime.quantization: ${peerAbsent}`);
    }
  }
  return {
    network: name,
    presisi,
    inference,
    ...(asked && { peer }),
    ...(peerAbsent !== undefined && { peerAbsent }),
  };
}

export async function measureQuantize(workspace: Workspace): Promise<QuantizeResults> {
  const cases: QuantizeCase[] = [];
  for (const name of workspace.options.networks) cases.push(await runCase(name, workspace));
  return { images: CALIBRATION_IMAGES, cases };
}
