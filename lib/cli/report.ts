import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { readResults } from '../characterize/read.js';
import { summarize } from '../characterize/summary/summarize.js';
import { REPORT_FORMATS, type ReportFormat, writeReport } from '../report/report.js';
import type { Context } from './context.js';

interface Flags {
  readonly output?: string;
  readonly format: readonly ReportFormat[];
}

export function reportCommand(context: () => Context): Command {
  return new Command('report')
    .description('write the report of measured results: a page, Markdown, CSV, JSON')
    .argument('<results>', 'results.json of `presisi characterize`, or its folder')
    .option('-o, --output <folder>', 'where the files go (default: where the results are)')
    .option('-f, --format <formats>', 'html, md, csv and json, commas between', formats, REPORT_FORMATS)
    .addHelpText(
      'after',
      `
Writes report.html (complete in itself), report.md, trials.csv, variants.csv, layers.csv, study.csv and summary.json, and
replaces older ones.

Examples:
  $ presisi report results/
  $ presisi report results.json --output public/ --format html`,
    )
    .action((results: string, flags: Flags) => run(results, flags, context()));
}

function formats(text: string): readonly ReportFormat[] {
  const given = text.split(',').map((name) => name.trim());
  const unknown = given.find((name) => !(REPORT_FORMATS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new InvalidArgumentError(`Expected some of ${REPORT_FORMATS.join(', ')} but received ${unknown}.`);
  }
  return given as ReportFormat[];
}

async function run(path: string, { output, format }: Flags, context: Context): Promise<void> {
  const results = await readResults(path);
  const folder = output ?? ((await stat(path)).isDirectory() ? path : dirname(path));
  const written = await writeReport(summarize(results), folder, { formats: format });
  context.print(written, ({ html, markdown, csv, json }) =>
    [html, markdown, ...csv, ...json].filter((file) => file !== undefined).join('\n'),
  );
}
