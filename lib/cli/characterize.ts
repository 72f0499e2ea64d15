import { Command, Option } from 'commander';
import { characterize } from '../characterize/characterize.js';
import { PRESETS, type Preset } from '../characterize/experiment/presets.js';
import type { Trial } from '../characterize/results.js';
import type { Characterization } from '../characterize/run/run.js';
import { withoutEnding } from '../files.js';
import { present } from '../options.js';
import { integer, number } from './arguments.js';
import { showTrials } from './characterize-progress.js';
import { type Context, EXIT, UsageError } from './context.js';
import * as format from './format.js';

interface Flags {
  readonly preset?: Preset;
  readonly output?: string;
  readonly resume?: boolean;
  readonly retryFailed?: boolean;
  readonly repeats?: number;
  readonly models?: readonly string[];
  readonly quick?: boolean;
  readonly timeLimit?: number;
}

/** Failures shown; the report has all of them. */
const SHOWN = 5;

export function characterizeCommand(context: () => Context): Command {
  return new Command('characterize')
    .description('measure what compression costs on this device, and what it gives')
    .argument(
      '[experiment]',
      'YAML or JSON file: models, precisions, data, repeats; docs/characterize.md lists every key',
    )
    .addOption(new Option('--preset <name>', 'in place of a file: the networks of the study').choices(PRESETS))
    .option('-o, --output <folder>', 'where everything goes (default: characterize-NAME)')
    .option('--resume', 'go on with what the folder holds')
    .option('--retry-failed', 'with --resume: try trials once more that failed')
    .option('--repeats <count>', "in place of the experiment's own", integer(1, 1000))
    .option('--models <ids...>', 'only these models')
    .option('--quick', 'a first look: two repeats, batch 1, nothing repeated that was disturbed')
    .option('--time-limit <minutes>', 'refuse what can not be done in that time', number)
    .addHelpText(
      'after',
      `
Ctrl-C ends it with a partial report; --resume goes on, also after a crash or a loss of power.

Examples:
  $ presisi characterize --preset study
  $ presisi characterize experiment.yaml --output measured
  $ presisi characterize experiment.yaml --models densenet169 --quick
  $ presisi characterize --resume --output measured`,
    )
    .action((experiment: string | undefined, flags: Flags) => run(experiment, flags, context()));
}

async function run(experiment: string | undefined, flags: Flags, context: Context): Promise<void> {
  const { preset, resume, retryFailed, repeats, models, quick, timeLimit } = flags;
  if (experiment !== undefined && preset !== undefined) throw new UsageError('give a file or --preset, not both');
  const output = flags.output ?? defaultOutput(experiment ?? preset);
  const progress = showTrials(context.json);
  try {
    const done = await characterize({
      ...present({ experiment, preset, resume, retryFailed, repeats, models, quick }),
      ...(timeLimit !== undefined && { timeLimit: timeLimit * 60 }),
      output,
      signal: context.signal,
      onProgress: progress.listener,
      onWarning: (message) => progress.aside(() => context.warn(message)),
    });
    progress.stop();
    const report = reportOf(done);
    context.print(report, () => render(report));
    if (report.failed.length > 0) process.exitCode = EXIT.failure;
  } catch (error) {
    progress.stop();
    if (context.signal.aborted && progress.last && !context.json) {
      const { completed, planned } = progress.last;
      process.stderr.write(
        `stopped after ${completed} of ${planned} trials; what is done is in ${output}\ngo on with: presisi characterize --resume --output ${output}\n`,
      );
    }
    throw error;
  } finally {
    progress.stop();
  }
}

/** `characterize-study`, `characterize-experiment` of `configs/experiment.yaml`. */
function defaultOutput(name: string | undefined): string {
  if (name === undefined) throw new UsageError('give an experiment, --preset, or --resume with --output');
  return `characterize-${withoutEnding(name.replace(/^.*\//, '')).replace(/\.(ya?ml|json)$/i, '')}`;
}

const naming = ({ id, attempt, error, flags }: Trial) => ({
  ...{ id, attempt },
  ...(error && { error }),
  ...(flags.length > 0 && { flags }),
});

/** What the command says of an experiment; everything else is in the files. */
function reportOf({ results, resultsPath, folder, reports }: Characterization) {
  const attempts = new Map(results.trials.map((trial) => [trial.id, trial]));
  const last = [...attempts.values()];
  return {
    ...{ folder, results: resultsPath, reports, partial: results.partial, planned: results.planned },
    completed: last.filter(({ error }) => !error).length,
    failed: last.filter(({ error }) => error).map(naming),
    disturbed: last.filter(({ flags, error }) => !error && flags.length > 0).map(naming),
  };
}

function render(report: ReturnType<typeof reportOf>): string {
  const { completed, planned, failed, disturbed, results, reports } = report;
  const facts = format.facts({
    results,
    report: reports.find((path) => path.endsWith('.html')),
    trials: `${completed} of ${planned}`,
    disturbed: disturbed.length > 0 ? `${disturbed.length}, in spite of repeating; the report marks them` : undefined,
    failed: failed.length > 0 ? failed.length : undefined,
  });
  const shown = failed.slice(0, SHOWN).map(({ id, error }) => `  ${id}: ${error?.message} (${error?.code})`);
  const more = failed.length > SHOWN ? [`  and ${failed.length - SHOWN} more`] : [];
  return [facts, ...shown, ...more].join('\n');
}
