import { once } from 'node:events';
import { native } from '../native.js';
import { Live } from '../telemetry/live.js';
import { resourcesOver } from '../telemetry/resources.js';
import type { Sampler } from '../telemetry/telemetry.js';
import { Totals } from '../telemetry/totals.js';
import type { Sample } from '../telemetry/types.js';
import { absences, renderLine, renderSummary } from './monitor-text.js';
import { renderView } from './monitor-view.js';
import { type Process, processTree } from './processes.js';
import { coloured, plain, Screen } from './terminal.js';

/** What is watched, and what is known of it so far. */
export class Watched {
  readonly totals: Totals;
  readonly live: Live;

  constructor(
    readonly sampler: Sampler,
    readonly device: string,
    /** Absent: the monitor itself, or what a recorded device has for that. */
    readonly pid: number | undefined,
    readonly root: string,
    /** Where the metrics are served. */
    readonly metrics: string | undefined,
  ) {
    this.totals = new Totals(sampler.quantities);
    this.live = new Live(this.totals);
  }

  /** What the figures of a process are called. */
  get label(): string {
    if (this.pid !== undefined) return `process ${this.pid}`;
    return this.root === '' ? 'itself' : 'process';
  }
}

/** One way of showing it. */
export interface Output {
  sample(sample: Sample): void;
  /** After all samples there were. */
  settle(): Promise<void>;
  /** Whatever happened. */
  close(): void;
  summary(): void;
}

/** An object a line: what is read, the samples, what is known in the end. */
export function jsonOutput(watched: Watched): Output {
  const { sampler, totals } = watched;
  const write = (value: object): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
  write({
    type: 'start',
    version: native().version,
    device: watched.device,
    rate: sampler.rate,
    ...(watched.root === '' && { pid: watched.pid ?? process.pid }),
    ...(watched.metrics !== undefined && { metrics: watched.metrics }),
    quantities: sampler.quantities,
    sources: sampler.sources,
  });
  return {
    sample: (sample) => {
      totals.add(sample);
      write({ type: 'sample', ...sample });
    },
    settle: flushed,
    close: () => {},
    summary: () => write({ type: 'summary', resources: resourcesOver(totals), sampler: sampler.statistics() }),
  };
}

/** A line a sample. */
export function lineOutput(watched: Watched): Output {
  const { sampler, totals, live } = watched;
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  write(`# ${watched.device}, ${sampler.rate} samples a second`);
  for (const absence of absences(sampler.sources)) write(`# absent: ${absence}`);
  if (watched.metrics !== undefined) write(`# metrics: ${watched.metrics}`);
  return {
    sample: (sample) => {
      totals.add(sample);
      live.look();
      write(renderLine(totals, live, watched.pid !== undefined));
    },
    settle: flushed,
    close: () => {},
    summary: () => write(renderSummary(totals, sampler.statistics(), watched.label)),
  };
}

/** Milliseconds between two pictures, at least: more often than that nobody reads. */
const PICTURE = 400;

/** A picture drawn over itself. */
export function screenOutput(watched: Watched): Output {
  const { sampler, totals, live, pid, root } = watched;
  const screen = new Screen(process.stdout);
  const paint = process.env.NO_COLOR ? plain : coloured;
  let drawn = Number.NEGATIVE_INFINITY;
  let before = new Map<number, { readonly cpuSeconds: number; readonly time: number }>();
  const processes = async (): Promise<(Process & { cores?: number })[]> => {
    if (pid === undefined) return [];
    const found = await processTree(pid, root);
    const time = performance.now() / 1000;
    const seen = before;
    before = new Map(found.map((one) => [one.pid, { cpuSeconds: one.cpuSeconds, time }]));
    return found.map((one) => {
      const then = seen.get(one.pid);
      return then ? { ...one, cores: (one.cpuSeconds - then.cpuSeconds) / (time - then.time) } : one;
    });
  };
  const draw = async (): Promise<void> => {
    live.look();
    const view = {
      device: watched.device,
      totals,
      live,
      watched: watched.label,
      rate: sampler.rate,
      sources: sampler.sources,
      statistics: sampler.statistics(),
      processes: await processes(),
      metrics: watched.metrics,
    };
    screen.draw(renderView(view, screen.columns, paint));
  };
  return {
    sample: (sample) => totals.add(sample),
    settle: async () => {
      if (performance.now() - drawn < PICTURE) return;
      drawn = performance.now();
      await draw();
    },
    close: () => screen.close(),
    summary: () => {
      // In full, which the picture has no room for.
      const absent = absences(sampler.sources).map((absence) => `absent: ${absence}`);
      const lines = ['', renderSummary(totals, sampler.statistics(), watched.label), ...absent];
      process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    },
  };
}

/** Waits for who reads more slowly than samples come. */
async function flushed(): Promise<void> {
  if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain');
}
