// What time grows with: a run with multiply-accumulates, over networks and sizes; calibrating with pictures.
import { rm } from 'node:fs/promises';
import { runWorker } from '../child.js';
import { pictures } from '../data.js';
import { STUDY } from '../networks.js';
import { median } from '../workers/measure.js';
import type { Precision, Workspace } from '../workspace.js';
import { calibrateOnce } from './quantize.js';

/** Medians over the trials. */
export interface RunPoint {
  readonly network: string;
  readonly size: number;
  readonly precision: Precision;
  readonly macs: number;
  readonly seconds: number;
}

export interface CalibrationPoint {
  readonly network: string;
  readonly images: number;
  /** Of the phases `calibrate` and `solve`. */
  readonly seconds: number;
  readonly peakRssBytes: number;
}

export interface CostResults {
  readonly runs: readonly RunPoint[];
  readonly calibrations: readonly CalibrationPoint[];
}

/** Networks whose calibration is measured over numbers of pictures. */
const CALIBRATED = ['mobilenet_v3_large', 'resnet50'] as const;

/** Few pictures are enough: kernels don't branch on scales. */
const SCALING_IMAGES = 8;

async function runPoint(network: string, size: number, precision: Precision, workspace: Workspace): Promise<RunPoint> {
  const { threads, seconds, runs, fitTrials } = workspace.options;
  const model = await workspace.model(network, size);
  const engine = `${model.path}.${precision}.cost.engine`;
  const images = await pictures(['calibration'], SCALING_IMAGES);
  await runWorker('compress', {
    model: model.path,
    options: {
      precision,
      output: engine,
      threads,
      maxBatch: 1,
      ...(precision === 'int8' && { calibration: { images, samples: images.length, method: 'minmax' } }),
    },
  });
  const { macs } = await runWorker('inspect', { engine, threads, runs: 1 });
  const times: number[] = [];
  for (let trial = 0; trial < fitTrials; trial++) {
    times.push((await runWorker('speed', { engine, threads, seconds, runs })).medianMs / 1000);
  }
  await rm(engine);
  const point = { network, size, precision, macs, seconds: median(times) };
  console.error(`${network}, ${size} pixels, ${precision}: ${(point.seconds * 1000).toFixed(3)} ms`);
  return point;
}

async function calibrationPoint(network: string, images: number, workspace: Workspace): Promise<CalibrationPoint> {
  const model = await workspace.model(network);
  const trials = [];
  for (let trial = 0; trial < workspace.options.fitTrials; trial++) {
    trials.push(await calibrateOnce(model, images, workspace));
  }
  const seconds = median(trials.map(({ calibrationSeconds }) => calibrationSeconds));
  console.error(`${network}: calibrated with ${images} pictures in ${seconds.toFixed(2)} s`);
  return { network, images, seconds, peakRssBytes: median(trials.map(({ peakRssBytes }) => peakRssBytes)) };
}

export async function measureCost(workspace: Workspace): Promise<CostResults> {
  const { networks, sizes, counts } = workspace.options;
  const runs: RunPoint[] = [];
  for (const network of networks) {
    for (const size of sizes) {
      for (const precision of ['fp32', 'int8'] as const) runs.push(await runPoint(network, size, precision, workspace));
    }
  }
  const calibrations: CalibrationPoint[] = [];
  const chosen = CALIBRATED.filter((network) => networks.includes(network));
  for (const network of chosen.length > 0 ? chosen : [networks[0] ?? STUDY[0]]) {
    for (const count of counts) calibrations.push(await calibrationPoint(network, count, workspace));
  }
  return { runs, calibrations };
}
