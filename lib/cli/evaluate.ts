import { basename } from 'node:path';
import { Command } from 'commander';
import type { Dataset } from '../datasets/dataset.js';
import { openDataset } from '../datasets/open.js';
import { loadEngine } from '../engine.js';
import { type ClassResult, type Evaluation, evaluate } from '../evaluate.js';
import type { Share } from '../statistics.js';
import {
  datasetSource,
  integer,
  type PreprocessFlags,
  preprocessOf,
  preprocessOptions,
  readLabels,
} from './arguments.js';
import type { Context } from './context.js';
import * as format from './format.js';
import { showProgress } from './progress.js';

interface Flags extends PreprocessFlags {
  readonly labels?: string;
  readonly limit?: number;
  readonly batchSize?: number;
  readonly threads: number;
  readonly skipBadImages?: boolean;
  readonly perClass?: boolean;
}

/** Classes and skipped pictures shown unless all are asked for. */
const SHOWN = 5;

export function evaluateCommand(context: () => Context): Command {
  const command = new Command('evaluate')
    .description('measure how often an engine is right about a data set')
    .argument('<engine>', 'engine file')
    .argument('<dataset>', 'a path, or FORM:PATH with folder, manifest, imagenet, cifar10, cifar100 or flowers102')
    .option('-l, --labels <file>', "names of the network's classes, one a line (default: the engine's)")
    .option('-n, --limit <count>', 'how many pictures to use at most, evenly spread (default: all)', integer(1))
    .option('--batch-size <count>', 'pictures per run', integer(1, 65536))
    .option('-t, --threads <count>', 'threads; 0: physical cores', integer(0, 1024), 0)
    .option('--skip-bad-images', 'leave out what is missing or can not be decoded')
    .option('--per-class', `show every class, not the ${SHOWN} worst`);
  for (const option of preprocessOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `
Examples:
  $ presisi evaluate model.engine photos/
  $ presisi evaluate model.engine list.csv --labels classes.txt --per-class
  $ presisi evaluate model.engine manifest:data/manifest.json#test
  $ presisi evaluate model.engine cifar100:cifar-100-binary/test.bin --limit 2000
  $ presisi evaluate model.engine flowers102:flowers#test --json`,
    )
    .action((engine: string, dataset: string, flags: Flags) => run(engine, dataset, flags, context()));
}

async function run(path: string, text: string, flags: Flags, context: Context): Promise<void> {
  const evaluation = await evaluateFile(path, text, flags, context);
  context.print(evaluation, (found) => renderEvaluation(found, basename(path), flags.perClass ?? false));
}

/** Measures an engine file with a data set named on the command line. */
export async function evaluateFile(path: string, text: string, flags: Flags, context: Context): Promise<Evaluation> {
  const source = datasetSource(text);
  const given = flags.labels === undefined ? undefined : await readLabels(flags.labels);
  const preprocess = preprocessOf(flags);
  const onBadImage = flags.skipBadImages ? 'skip' : 'error';
  const engine = await loadEngine(path, { threads: flags.threads, signal: context.signal });
  const progress = showProgress(context.json);
  let evaluation: Evaluation;
  try {
    if (preprocess && engine.metadata.preprocessing) context.warn("the engine's own preprocessing was changed");
    const labels = given ?? engine.metadata.labels;
    const dataset: Dataset = await openDataset(source, {
      onBadImage,
      ...(labels && { labels }),
      ...(flags.limit !== undefined && { limit: flags.limit }),
    });
    evaluation = await evaluate(engine, dataset, {
      onBadImage,
      signal: context.signal,
      ...(preprocess && { preprocess }),
      ...(flags.batchSize !== undefined && { batchSize: flags.batchSize }),
      ...(progress.listener && { onProgress: progress.listener }),
    });
  } finally {
    progress.stop();
    await engine.dispose();
  }
  for (const warning of evaluation.warnings) context.warn(warning);
  return evaluation;
}

const counted = ({ correct, total, share, interval: [low, high] }: Share): string =>
  `${format.percent(share)} (${correct} of ${total}; 95 % interval ${format.percent(low)} to ${format.percent(high)})`;

export function renderEvaluation(evaluation: Evaluation, file: string, everyClass: boolean): string {
  const { dataset, engine, top1, top5, seconds, skipped, classes } = evaluation;
  const lines = [
    format.facts({
      engine: `${file}, ${engine.precision} on ${engine.backend}, ${classes} classes`,
      'data set': `${dataset.name} (${dataset.format}), ${top1.total} pictures`,
      'top-1': counted(top1),
      [`top-${top5.k}`]: top5.k > 1 ? counted(top5) : undefined,
      'a picture': Object.entries(seconds)
        .map(([part, value]) => `${part} ${format.seconds(value)}`)
        .join(', '),
      skipped: skipped.length > 0 ? skipped.length : undefined,
    }),
  ];
  const ranked = [...evaluation.perClass].sort(
    (a, b) => a.correct / a.total - b.correct / b.total || a.index - b.index,
  );
  const shown = everyClass ? evaluation.perClass : ranked.slice(0, SHOWN).filter((row) => row.correct < row.total);
  if (shown.length > 0) {
    const header = [everyClass ? 'class' : 'worst classes', 'right', 'of', 'share', 'mostly taken for'];
    lines.push(format.table(header, shown.map(classRow)));
  }
  if (skipped.length > 0) {
    const listed = skipped.slice(0, SHOWN).map(({ name, reason }) => `  ${name}: ${reason}`);
    if (skipped.length > listed.length) listed.push(`  and ${skipped.length - listed.length} more`);
    lines.push(['skipped:', ...listed].join('\n'));
  }
  return lines.join('\n\n');
}

function classRow({ index, label, correct, total, taken }: ClassResult): string[] {
  const wrong = taken.find((other) => other.index !== index);
  const confusion = wrong === undefined ? '' : `${wrong.label ?? className(wrong.index)} (${wrong.count})`;
  return [label ?? className(index), `${correct}`, `${total}`, format.percent(correct / total), confusion];
}

const className = (index: number): string => (index < 0 ? 'nothing' : `class ${index}`);
