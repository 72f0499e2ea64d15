// Memory and time of calibrating with few and with many pictures: memory must not grow with their number.
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileWorkers, runWorker } from './child.js';
import { findModel, pictures } from './data.js';
import { KNOWN_SEED } from './models/model.js';
import type { CompressResult, CompressTask } from './tasks.js';

/** More than the allocator and the garbage collector make of chance. */
const MOST_GROWTH = 1.1;

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'mobilenet-v2' },
    counts: { type: 'string', default: '32,512' },
    threads: { type: 'string', default: '0' },
    folder: { type: 'string', default: join(tmpdir(), 'presisi-bench') },
  },
});

const counts = values.counts.split(',').map(Number);
const [few = Number.NaN, many = Number.NaN] = counts;
if (counts.length !== 2 || !counts.every((count) => Number.isSafeInteger(count) && count > 0) || few >= many) {
  throw new Error(`Expected two increasing numbers of pictures for --counts but received ${values.counts}`);
}

async function calibrate(model: string, count: number, folder: string): Promise<CompressResult> {
  const task: CompressTask = {
    model,
    options: {
      precision: 'int8',
      threads: Number(values.threads),
      calibration: { images: await pictures('calibration', count), samples: count },
      output: join(folder, `${count}.engine`),
    },
  };
  console.error(`calibrating with ${count} pictures`);
  return runWorker('compress', task);
}

await compileWorkers();
await mkdir(values.folder, { recursive: true });
const folder = await mkdtemp(join(values.folder, 'memory-'));
try {
  const model = await findModel(values.model, KNOWN_SEED, values.folder);
  const [small, large] = [await calibrate(model, few, folder), await calibrate(model, many, folder)];
  const row = (count: number, { peakRssBytes, seconds, phases }: CompressResult): string =>
    `| ${count} | ${(peakRssBytes / 1e6).toFixed(1)} | ${(phases.calibrate ?? Number.NaN).toFixed(2)} | ${seconds.toFixed(2)} |`;
  const growth = large.peakRssBytes / small.peakRssBytes;
  console.log(
    [
      `${values.model}, quantize() to INT8:`,
      '',
      '| pictures | peak RSS, MB | calibrate, s | all phases, s |',
      '| ---: | ---: | ---: | ---: |',
      row(few, small),
      row(many, large),
      '',
      `Memory: ${growth.toFixed(3)}× for ${(many / few).toFixed(1)}× the pictures.`,
    ].join('\n'),
  );
  if (growth > MOST_GROWTH) {
    console.error(`memory grew by more than ${MOST_GROWTH}×`);
    process.exitCode = 1;
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
