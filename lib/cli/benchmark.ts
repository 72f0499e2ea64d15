import { Command } from 'commander';
import { type Benchmark, benchmark, type Latency } from '../benchmark.js';
import { loadEngine } from '../engine.js';
import { present } from '../options.js';
import type { TensorRtSessionOptions } from '../tensorrt.js';
import { integer, jsonObject, number } from './arguments.js';
import type { Context } from './context.js';
import * as format from './format.js';

interface Flags {
  readonly batch: number;
  readonly warmUp?: number;
  readonly duration?: number;
  readonly iterations?: number;
  readonly threads: number;
  readonly tensorrt?: TensorRtSessionOptions;
}

export function benchmarkCommand(context: () => Context): Command {
  return new Command('benchmark')
    .description("measure an engine's latency and throughput by trtexec's rules")
    .argument('<engine>', 'engine file, or a plan of TensorRT')
    .option('--batch <count>', 'samples per run', integer(1, 65536), 1)
    .option('--warm-up <ms>', 'runs that are not counted (default: 200)', number)
    .option('--duration <seconds>', 'how long is measured at least (default: 3)', number)
    .option('--iterations <count>', 'how many runs are measured at least (default: 10)', integer(1))
    .option('-t, --threads <count>', 'threads; 0: physical cores', integer(0, 1024), 0)
    .option('--tensorrt <json>', 'how TensorRT runs, such as {"cudaGraph": true}', jsonObject)
    .addHelpText(
      'after',
      `
Examples:
  $ presisi benchmark model.engine
  $ presisi benchmark model.engine --batch 8 --duration 10 --json`,
    )
    .action((engine: string, flags: Flags) => run(engine, flags, context()));
}

async function run(path: string, flags: Flags, context: Context): Promise<void> {
  const { threads, tensorrt, ...measured } = flags;
  const engine = await loadEngine(path, { threads, signal: context.signal, ...present({ tensorrt }) });
  try {
    const { batch, warmUp, duration, iterations } = measured;
    const result = await benchmark(engine, {
      signal: context.signal,
      ...present({ batch, warmUp, duration, iterations }),
    });
    for (const warning of result.warnings) context.warn(warning);
    context.print(result, render);
  } finally {
    await engine.dispose();
  }
}

const COLUMNS = ['min', 'median', 'p90', 'p95', 'p99', 'max'] as const;

function render(result: Benchmark): string {
  const row = (name: string, latency: Latency): string[] => [
    name,
    ...COLUMNS.map((column) => format.seconds(latency[column] / 1000)),
  ];
  const about = format.facts({
    engine: `${result.precision} on ${result.backend}, batch ${result.batch}`,
    measured: `${result.runs} runs in ${format.seconds(result.seconds)}`,
    throughput: `${result.throughput.toFixed(1)} samples a second`,
    conditions: Object.entries(result.conditions)
      .map(([name, value]) => `${name} ${value}`)
      .join(', '),
  });
  const rows = [
    row('end to end', result.endToEnd),
    row('run', result.run),
    ...Object.entries(result.stages).map(([name, latency]) => row(name, latency)),
  ];
  return `${about}\n\n${format.table(['latency', ...COLUMNS], rows)}`;
}
