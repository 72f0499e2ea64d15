// JPEG files to labels, against what decoding alone and inference alone predict for cores they share.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { runWorker } from '../child.js';
import { enlarged, pictures, writeInput } from '../data.js';
import type { Cost } from '../workers/measure.js';
import type { Precision, Workspace } from '../workspace.js';
import { extents } from './latency.js';

const BATCH = 8;
/** Longer side of the pictures: as they are, and as cameras give them. */
const SIDES = [256, 1024] as const;
/** One that takes less time than decoding, and one that takes more. */
const SUBJECTS = [
  ['mobilenet_v3_small', 'int8'],
  ['resnet50', 'int8'],
] as const;

/** Seconds a picture. */
export interface PipelineTrial {
  /** CPU time of decoding alone. */
  readonly decodeCpu: number;
  /** Wall time of inference alone, with all threads. */
  readonly inference: number;
  /** Wall and CPU time of both together: `infer()`. */
  readonly wall: number;
  readonly cpu: number;
}

export interface PipelineCase {
  readonly network: string;
  readonly precision: Precision;
  /** Longer side of the pictures, in pixels. */
  readonly side: number;
  readonly trials: readonly PipelineTrial[];
}

export interface PipelineResults {
  readonly cores: number;
  readonly pictures: number;
  readonly batch: number;
  readonly cases: readonly PipelineCase[];
}

async function trialOf(engine: string, inputFile: string, images: readonly string[], workspace: Workspace) {
  const { options } = workspace;
  const { threads } = options;
  const { inputs } = await workspace.inspect(engine);
  const dims = [BATCH, ...(inputs[0]?.dims.slice(1) ?? [])];
  const warmUp = 4 * BATCH;
  const each = (seconds: number): number => seconds / images.length;
  const decode = await runWorker('decode', { engine, images, warmUp });
  const inference = await runWorker('latency', {
    subject: { runtime: 'presisi', file: engine, threads },
    inputFile,
    dims,
    ...extents(options),
    collectOutputs: false,
  });
  const both: Cost = await runWorker('infer', { engine, images, batchSize: BATCH, threads, warmUp });
  return {
    decodeCpu: each(decode.cpuSeconds),
    inference: inference.medianMs / 1000 / BATCH,
    wall: each(both.seconds),
    cpu: each(both.cpuSeconds),
  } satisfies PipelineTrial;
}

export async function measurePipeline(workspace: Workspace): Promise<PipelineResults> {
  const { folder, trials: count } = workspace.options;
  const originals = await pictures(['test'], workspace.options.pictures);
  const cases: PipelineCase[] = [];
  for (const side of SIDES) {
    const images = side === SIDES[0] ? originals : await enlarged(originals, side, join(folder, `pictures-${side}`));
    for (const [network, precision] of SUBJECTS) {
      const engine = await workspace.engine(await workspace.model(network), precision);
      const inputFile = join(folder, 'pipeline.input');
      await writeInput(inputFile, (await workspace.inspect(engine)).inputs[0], originals.slice(0, BATCH));
      const trials: PipelineTrial[] = [];
      for (let trial = 0; trial < count; trial++) {
        const result = await trialOf(engine, inputFile, images, workspace);
        trials.push(result);
        const rate = (1 / result.wall).toFixed(1);
        console.error(`${network}, ${precision}, ${side} pixels, trial ${trial + 1} of ${count}: ${rate} pictures/s`);
      }
      cases.push({ network, precision, side, trials });
    }
  }
  return { cores: availableParallelism(), pictures: originals.length, batch: BATCH, cases };
}
