import { Command } from 'commander';
import { extractPlan } from '../plan.js';
import type { Context } from './context.js';
import * as format from './format.js';

export function engineCommand(context: () => Context): Command {
  const extract = new Command('extract')
    .description("take the backend's own plan out of an engine file, as trtexec and Triton read it")
    .argument('<engine>', 'engine file')
    .requiredOption('-o, --output <path>', 'where the plan is written')
    .addHelpText('after', '\nExamples:\n  $ presisi engine extract model.engine -o model.plan')
    .action(async (engine: string, { output }: { output: string }) => {
      const extracted = await extractPlan(engine, output);
      context().print(
        { output, ...extracted },
        ({ backend, bytes }) => `${output}: ${format.bytes(bytes)}, a plan of the backend ${backend}`,
      );
    });
  return new Command('engine').description('what is inside engine files').addCommand(extract);
}
