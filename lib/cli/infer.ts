import { basename, dirname } from 'node:path';
import { Command } from 'commander';
import { loadEngine } from '../engine.js';
import { infer, type Prediction } from '../infer.js';
import { integer, type PreprocessFlags, preprocessOf, preprocessOptions, readLabels } from './arguments.js';
import { type Context, UsageError } from './context.js';
import * as format from './format.js';

interface Flags extends PreprocessFlags {
  readonly top: number;
  readonly labels?: string;
  readonly accuracy?: boolean;
  readonly batchSize?: number;
  readonly threads: number;
  readonly skipBadImages?: boolean;
}

/** Pictures a folder names wrongly can't count as wrong answers. */
interface Accuracy {
  readonly top1: number;
  readonly correct: number;
  readonly total: number;
}

interface Output {
  readonly predictions: readonly Prediction[];
  readonly accuracy?: Accuracy;
}

export function inferCommand(context: () => Context): Command {
  const command = new Command('infer')
    .description('classify pictures with an engine')
    .argument('<engine>', 'engine file')
    .argument('<images...>', 'pictures, or folders of them')
    .option('-k, --top <count>', 'classes to show for each picture', integer(1), 5)
    .option('-l, --labels <file>', "names of the classes, one a line (default: the engine's)")
    .option('--accuracy', 'compare with the name of the folder each picture lies in')
    .option('--batch-size <count>', 'pictures per run', integer(1, 65536))
    .option('-t, --threads <count>', 'threads; 0: physical cores', integer(0, 1024), 0)
    .option('--skip-bad-images', 'go on when a picture can not be decoded');
  for (const option of preprocessOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `
Examples:
  $ presisi infer model.engine cat.jpg dog.jpg --top 3
  $ presisi infer model.engine test-images/ --accuracy
  $ presisi infer model.engine photo.jpg --labels labels.txt --json`,
    )
    .action((engine: string, images: string[], flags: Flags) => run(engine, images, flags, context()));
}

async function run(path: string, images: readonly string[], flags: Flags, context: Context): Promise<void> {
  const given = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  const preprocess = preprocessOf(flags);
  const engine = await loadEngine(path, { threads: flags.threads, signal: context.signal });
  try {
    if (preprocess && engine.metadata.preprocessing) context.warn("the engine's own preprocessing was changed");
    const labels = given ?? engine.metadata.labels;
    if (flags.accuracy && labels === undefined) {
      throw new UsageError('--accuracy needs the names of the classes: the engine has none, so give --labels');
    }
    const predictions = await infer(engine, images, {
      topK: flags.top,
      onBadImage: flags.skipBadImages ? 'skip' : 'error',
      signal: context.signal,
      ...(labels && { labels }),
      ...(preprocess && { preprocess }),
      ...(flags.batchSize !== undefined && { batchSize: flags.batchSize }),
    });
    for (const { error } of predictions) if (error) context.warn(error.message);
    const output: Output = {
      predictions,
      ...(flags.accuracy && labels && { accuracy: measure(predictions, labels) }),
    };
    context.print(output, render);
  } finally {
    await engine.dispose();
  }
}

function measure(predictions: readonly Prediction[], labels: readonly string[]): Accuracy {
  const known = new Set(labels);
  let correct = 0;
  let total = 0;
  for (const { image, top, error } of predictions) {
    if (error) continue;
    const truth = basename(dirname(image));
    if (!known.has(truth)) throw new UsageError(`--accuracy: ${image} lies in no folder named by a label`);
    total += 1;
    if (top[0]?.label === truth) correct += 1;
  }
  if (total === 0) throw new UsageError('--accuracy: there are no pictures');
  return { top1: correct / total, correct, total };
}

function render({ predictions, accuracy }: Output): string {
  if (accuracy) return `top-1 accuracy: ${format.percent(accuracy.top1)} (${accuracy.correct} of ${accuracy.total})`;
  return predictions
    .map(({ image, top, timings }) => {
      const lines = top.map(
        ({ index, label, score }) => `  ${format.percent(score).padStart(7)}  ${label ?? `class ${index}`}`,
      );
      const time = `decode ${format.seconds(timings.decode)}, run ${format.seconds(timings.preprocess + timings.run)}`;
      return [`${image}  (${time})`, ...lines].join('\n');
    })
    .join('\n');
}
