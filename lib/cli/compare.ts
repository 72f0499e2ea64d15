import { Command } from 'commander';
import { compare } from '../characterize/compare/compare.js';
import { compareSections, markdownOf, textOf } from './compare-text.js';
import { type Context, UsageError } from './context.js';

interface Flags {
  readonly markdown?: boolean;
}

export function compareCommand(context: () => Context): Command {
  return new Command('compare')
    .description('put measured results side by side: devices, or one device before and after a change')
    .argument(
      '<results...>',
      'results.json files of `presisi characterize`, or their folders; ratios are over the first',
    )
    .option('--markdown', 'print Markdown')
    .addHelpText(
      'after',
      `
Examples:
  $ presisi compare xavier/results.json orin/results.json
  $ presisi compare before/ after/ --markdown > update.md`,
    )
    .action((paths: string[], flags: Flags) => run(paths, flags, context()));
}

async function run(paths: readonly string[], { markdown = false }: Flags, context: Context): Promise<void> {
  if (paths.length < 2) throw new UsageError('compare takes two results at least');
  if (markdown && context.json) throw new UsageError('--markdown and --json exclude each other');
  const comparison = await compare(...paths);
  if (!markdown) for (const warning of comparison.warnings) context.warn(warning);
  context.print(comparison, (found) => {
    const sections = compareSections(found);
    return markdown ? markdownOf(found, sections) : textOf(sections);
  });
}
