#!/usr/bin/env node
import { createRequire } from 'node:module';
import { constants } from 'node:os';
import { Command, CommanderError } from 'commander';
import { backendsCommand } from './backends.js';
import { benchmarkCommand } from './benchmark.js';
import { characterizeCommand } from './characterize.js';
import { compareCommand } from './compare.js';
import { type Context, createContext, EXIT, reportError, UsageError } from './context.js';
import { convertCommand } from './convert.js';
import { doctorCommand } from './doctor.js';
import { engineCommand } from './engine.js';
import { evaluateCommand } from './evaluate.js';
import { inferCommand } from './infer.js';
import { inspectCommand } from './inspect.js';
import { modelsCommand } from './models.js';
import { monitorCommand } from './monitor.js';
import { quantizeCommand } from './quantize.js';
import { recommendCommand } from './recommend.js';
import { reportCommand } from './report.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** Known before the command line is parsed, so that wrong ones are reported in the form asked for, too. */
const json = process.argv.includes('--json');

const COMMANDS = [
  convertCommand,
  modelsCommand,
  quantizeCommand,
  inferCommand,
  evaluateCommand,
  inspectCommand,
  benchmarkCommand,
  engineCommand,
  characterizeCommand,
  compareCommand,
  recommendCommand,
  reportCommand,
  monitorCommand,
  backendsCommand,
  doctorCommand,
];

const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)];

function createProgram(context: () => Context): Command {
  const program = new Command('presisi')
    .description('Compress neural networks on this device: calibrate, quantize, run and measure.')
    .version(version, '-v, --version')
    .showHelpAfterError('(add --help for the options)');
  for (const create of COMMANDS) program.addCommand(create(context));
  for (const command of everyCommand(program)) {
    if (command.commands.length === 0) command.option('--json', 'print JSON, and nothing else, on stdout');
    command.exitOverride();
    if (json) command.configureOutput({ writeErr: () => {} });
  }
  return program;
}

async function main(): Promise<number> {
  const interrupt = new AbortController();
  let interrupted = 0;
  // The first Ctrl-C, or a polite request to end, stops the work in order; a second one ends the process as usual.
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      interrupted ||= 128 + constants.signals[name];
      interrupt.abort();
    });
  }
  const context = createContext(json, interrupt.signal);
  try {
    await createProgram(() => context).parseAsync();
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (interrupt.signal.aborted) {
      process.stderr.write('canceled\n');
      return interrupted;
    }
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT.ok;
      return json ? reportError(new UsageError(error.message.replace(/^error: /, '')), json) : EXIT.usage;
    }
    return reportError(error, json);
  }
}

// A reader that closes the pipe early (`presisi … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

process.exitCode = await main();
