// From a model and two folders of pictures to an INT8 engine, and how often it is right about pictures it has never seen.
// The model is an ONNX file or a PyTorch checkpoint; the labels are the names of its classes, one a line, in the order of
// its output. The test folder has a folder for each of them; for calibration, classes don't matter.
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { evaluate, loadEngine, openDataset, quantize } from 'presisi';
import { Failure, program, readArguments, UsageError } from './command.js';

const USAGE =
  'quantize-folder <model> <labels file> <calibration folder> <test folder> [--backend auto] [--output model.engine]';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

await program(USAGE, async (signal) => {
  const { positionals, values } = readArguments(4, {
    backend: { type: 'string', default: 'auto' },
    output: { type: 'string', default: 'model.engine' },
  });
  const [model, names, pictures, unseen] = positionals as [string, string, string, string];
  if (resolve(pictures) === resolve(unseen)) throw new UsageError('an engine is measured with other pictures');
  const labels = (await readFile(names, 'utf8')).trimEnd().split(/\r?\n/);
  const test = await openDataset({ folder: unseen }, { labels });

  const built = await quantize(model, {
    precision: 'int8',
    backend: values.backend,
    calibration: { images: pictures },
    labels,
    output: values.output,
    signal,
  });
  for (const warning of [...test.warnings, ...built.warnings]) console.error(`warning: ${warning}`);
  const kept = built.decisions.filter(({ quantized }) => !quantized).length;
  console.log(`${values.output}: ${built.bytes} bytes of ${built.modelBytes}, ${built.precision} on ${built.backend}`);
  console.log(`${built.decisions.length - kept} nodes quantized, ${kept} kept in floating point`);

  const engine = await loadEngine(values.output);
  try {
    const {
      top1,
      seconds: { compute },
      classes,
    } = await evaluate(engine, test, { signal });
    if (classes !== labels.length) {
      throw new Failure(`the network tells ${classes} classes apart, and ${names} has ${labels.length}`);
    }
    const [low, high] = top1.interval;
    console.log(`right about ${top1.correct} of ${top1.total}: ${percent(top1.share)}`);
    console.log(`95 % interval: ${percent(low)} to ${percent(high)}; ${(1000 * compute).toFixed(2)} ms a picture`);
  } finally {
    await engine.dispose();
  }
});
