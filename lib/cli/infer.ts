import { Command } from 'commander';
import type { Prediction } from '../classifier.js';
import { loadEngine } from '../engine.js';
import { infer } from '../infer.js';
import { integer, type PreprocessFlags, preprocessOf, preprocessOptions, readLabels } from './arguments.js';
import type { Context } from './context.js';
import * as format from './format.js';

interface Flags extends PreprocessFlags {
  readonly top: number;
  readonly labels?: string;
  readonly batchSize?: number;
  readonly threads: number;
  readonly skipBadImages?: boolean;
}

interface Output {
  readonly predictions: readonly Prediction[];
}

export function inferCommand(context: () => Context): Command {
  const command = new Command('infer')
    .description('classify pictures with an engine')
    .argument('<engine>', 'engine file')
    .argument('<images...>', 'pictures, or folders of them')
    .option('-k, --top <count>', 'classes to show for each picture', integer(1), 5)
    .option('-l, --labels <file>', "names of the classes, one a line (default: the engine's)")
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
  $ presisi infer model.engine photos/ --skip-bad-images
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
    const predictions = await infer(engine, images, {
      topK: flags.top,
      onBadImage: flags.skipBadImages ? 'skip' : 'error',
      signal: context.signal,
      ...(labels && { labels }),
      ...(preprocess && { preprocess }),
      ...(flags.batchSize !== undefined && { batchSize: flags.batchSize }),
    });
    for (const { error } of predictions) if (error) context.warn(error.message);
    const output: Output = { predictions };
    context.print(output, render);
  } finally {
    await engine.dispose();
  }
}

function render({ predictions }: Output): string {
  return predictions
    .map(({ image, top, timings }) => {
      const lines = top.map(
        ({ index, label, score }) => `  ${format.percent(score).padStart(7)}  ${label ?? `class ${index}`}`,
      );
      const { decode, preprocess, h2d = 0, compute, d2h = 0 } = timings;
      const time = `decode ${format.seconds(decode)}, run ${format.seconds(preprocess + h2d + compute + d2h)}`;
      return [`${image}  (${time})`, ...lines].join('\n');
    })
    .join('\n');
}
