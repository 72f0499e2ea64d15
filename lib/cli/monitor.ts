import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { deviceName } from '../characterize/device/device.js';
import { present } from '../options.js';
import { MONITOR_RATE, watch } from '../telemetry/monitor.js';
import { metricsText, PROMETHEUS_TEXT, serve } from '../telemetry/prometheus.js';
import { checkTelemetry, Sampler } from '../telemetry/telemetry.js';
import type { Sample } from '../telemetry/types.js';
import { integer, number } from './arguments.js';
import type { Context } from './context.js';
import { jsonOutput, lineOutput, type Output, screenOutput, Watched } from './monitor-output.js';

interface Flags {
  readonly rate?: number;
  readonly pid?: number;
  readonly sources?: readonly string[];
  readonly duration?: number;
  readonly root?: string;
  readonly tegrastats?: string;
  readonly nvml?: string;
  readonly prometheus?: number;
  readonly host?: string;
}

const list = (text: string): string[] => text.split(',').map((name) => name.trim());

const between =
  (low: number, high: number) =>
  (text: string): number => {
    const value = number(text);
    if (value < low || value > high) throw new InvalidArgumentError(`Expected a number from ${low} to ${high}.`);
    return value;
  };

export function monitorCommand(context: () => Context): Command {
  return new Command('monitor')
    .description('show what this device does: cores, memory, GPU, clocks, temperatures, power and energy')
    .option('--rate <hertz>', `samples a second, 0.1 to 1000 (default: ${MONITOR_RATE})`, between(0.1, 1000))
    .option('--pid <id>', 'a process to watch, with its children', integer(1, 2 ** 31 - 1))
    .option('--sources <names>', 'read only these, with commas between; see presisi doctor', list)
    .option('--duration <seconds>', 'end by itself (default: with Ctrl-C)', between(0.001, 2_000_000))
    .option('--root <folder>', 'a recorded device: a folder with its proc and sys')
    .option('--tegrastats <command>', 'in place of the one the system finds')
    .option('--nvml <library>', 'in place of libnvidia-ml.so.1')
    .option('--prometheus <port>', 'serve the metrics at /metrics; 0: any port', integer(0, 65535))
    .option('--host <address>', 'with --prometheus (default: 127.0.0.1)')
    .addHelpText(
      'after',
      `
Without a terminal it prints a line for each sample; with --json an object a line: what is read, samples, a summary.

Examples:
  $ presisi monitor
  $ presisi monitor --pid 4711 --rate 10
  $ presisi monitor --sources system,ina3221 --duration 60 --json > device.jsonl
  $ presisi monitor --prometheus 9477 --host 0.0.0.0`,
    )
    .action((flags: Flags) => run(flags, context()));
}

async function run(flags: Flags, context: Context): Promise<void> {
  const { prometheus, host, duration, rate, sources, pid, root = '', tegrastats, nvml } = flags;
  const options = checkTelemetry(present({ rate, sources, pid, root: root || undefined, tegrastats, nvml }));
  const ending = endOf(context.signal, duration);
  const sampler = await Sampler.start({ ...options, signal: ending.signal }, MONITOR_RATE);
  let server: Awaited<ReturnType<typeof serve>> | undefined;
  try {
    const text = () => metricsText(watched.totals, sampler);
    server =
      prometheus === undefined ? undefined : await serve({ contentType: PROMETHEUS_TEXT, text }, prometheus, host);
    const watched = new Watched(sampler, await deviceName(root), pid, root, server?.url);
    const output = outputOf(watched, context.json);
    try {
      for await (const samples of untilEnd(sampler, ending.signal)) {
        for (const sample of samples) output.sample(sample);
        await output.settle();
        if (pid !== undefined && !existsSync(join(root, '/proc', String(pid)))) break;
      }
      await sampler.stop();
      for (const sample of sampler.samples()) output.sample(sample);
    } finally {
      output.close();
    }
    output.summary();
  } finally {
    ending.clear();
    await server?.close();
    await sampler.close();
  }
}

function outputOf(watched: Watched, json: boolean): Output {
  if (json) return jsonOutput(watched);
  return process.stdout.isTTY ? screenOutput(watched) : lineOutput(watched);
}

/** Fires with Ctrl-C, when the time is over, or when the process is asked to end: each an end in good order. */
function endOf(interrupt: AbortSignal, seconds: number | undefined): { readonly signal: AbortSignal; clear(): void } {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  if (interrupt.aborted) end();
  interrupt.addEventListener('abort', end, { once: true });
  const timer = seconds === undefined ? undefined : setTimeout(end, seconds * 1000);
  const signals = ['SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.once(name, end);
  const clear = (): void => {
    clearTimeout(timer);
    interrupt.removeEventListener('abort', end);
    for (const name of signals) process.removeListener(name, end);
  };
  return { signal: ending.signal, clear };
}

async function* untilEnd(sampler: Sampler, signal: AbortSignal): AsyncGenerator<Sample[], void, void> {
  try {
    yield* watch(sampler, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
