import { readFileSync } from 'node:fs';
import type { Control, Mark, NativeJob } from '../native.js';
import type { Span } from './types.js';

/** This moment, as native jobs tell theirs. */
export function mark(): Mark {
  const [seconds, nanoseconds] = process.hrtime();
  const { user, system } = process.cpuUsage();
  const time = seconds + nanoseconds / 1e9;
  const cpu = (user + system) / 1e6;
  try {
    return { time, cpu, rss: process.memoryUsage.rss() };
  } catch {
    return { time, cpu }; // no /proc
  }
}

/** Of `/proc/self/stat`, Linux counts in hundredths of a second on every architecture there is. */
const TICKS = 100;

/** CPU seconds of all child processes that have ended so far; NaN where the system doesn't tell. */
export function childCpuSeconds(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    // The process's name, in parentheses, may hold anything; cutime and cstime are the 16th and 17th field.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / TICKS;
  } catch {
    return Number.NaN;
  }
}

/** A phase while it grows: all its times under one name are one. */
class Phase {
  readonly name: string;
  readonly start: number;
  readonly phases = new Map<string, Phase>();
  seconds = 0;
  cpuSeconds = 0;
  rssBytes = Number.NaN;
  count = 0;

  constructor(name: string, start: number) {
    this.name = name;
    this.start = start;
  }

  /** The part of that name, new where there was none. */
  part(name: string, start: number): Phase {
    const known = this.phases.get(name);
    if (known) return known;
    const made = new Phase(name, start);
    this.phases.set(name, made);
    return made;
  }

  add(seconds: number, cpuSeconds: number, count: number, rss: readonly (number | undefined)[]): void {
    this.seconds += seconds;
    this.cpuSeconds += cpuSeconds;
    this.count += count;
    for (const bytes of rss) if (bytes !== undefined && !(bytes <= this.rssBytes)) this.rssBytes = bytes;
  }

  span(): Span {
    const spans = [...this.phases.values()].map((phase) => phase.span());
    const { name, start, seconds, cpuSeconds, count } = this;
    const rss = [this.rssBytes, ...spans.map(({ rssBytes }) => rssBytes ?? Number.NaN)].filter(Number.isFinite);
    return {
      name,
      start,
      seconds,
      // JavaScript's readings are cut off to microseconds, so that next to nothing can come out as less.
      ...(Number.isFinite(cpuSeconds) && { cpuSeconds: Math.max(0, cpuSeconds) }),
      ...(rss.length > 0 && { rssBytes: Math.max(...rss) }),
      ...(count !== 1 && { count }),
      spans,
    };
  }
}

interface Open {
  readonly phase: Phase;
  readonly begin: Mark;
  /** What came before belongs to some part already. */
  accounted: Mark;
}

/**
 * Records the phases of one call. They nest and follow one another. Native jobs bring their own, which become parts of
 * the phase the job was asked for in; what passes between asking and the job's beginning, and between its end and its
 * answer, is `dispatch`.
 */
export class SpanRecorder {
  readonly #open: Open[] = [];

  constructor(name: string) {
    const begin = mark();
    this.#open.push({ phase: new Phase(name, begin.time), begin, accounted: begin });
  }

  /** Runs `body` as a phase. */
  async during<T>(name: string, body: () => Promise<T>): Promise<T> {
    const begin = mark();
    const open = { phase: this.#current.phase.part(name, begin.time), begin, accounted: begin };
    this.#open.push(open);
    try {
      return await body();
    } finally {
      const end = this.#close();
      this.#current.accounted = end;
    }
  }

  /** What passed since the last part ended, up to `until`, was this one; nothing where that part ended later. */
  lap(name: string, until: Mark = mark()): void {
    const { phase, accounted } = this.#current;
    if (until.time <= accounted.time) return;
    const seconds = until.time - accounted.time;
    phase.part(name, accounted.time).add(seconds, until.cpu - accounted.cpu, 1, [accounted.rss, until.rss]);
    this.#current.accounted = until;
  }

  /** Waits for a native job. */
  async job<T>(control: Control, call: (control: Control) => Promise<T>): Promise<T> {
    this.#current.accounted = mark();
    try {
      return await call(this.traced(control));
    } finally {
      this.lap('dispatch');
    }
  }

  /** For a job that isn't waited for: all that passed before it began and is no other part is `dispatch`. */
  traced(control: Control): Control {
    return {
      ...control,
      onSpans: ({ begin, end, spans }: NativeJob) => {
        this.lap('dispatch', begin);
        merge(this.#current.phase, spans);
        if (end.time > this.#current.accounted.time) this.#current.accounted = end;
      },
    };
  }

  /** CPU time of other processes that worked for this phase. */
  charge(cpuSeconds: number): void {
    for (const { phase } of this.#open) phase.cpuSeconds += cpuSeconds;
  }

  /** Ends the call. */
  finish(): Span {
    const { phase } = this.#current;
    this.#close();
    return phase.span();
  }

  get #current(): Open {
    return this.#open.at(-1) as Open;
  }

  #close(): Mark {
    const { phase, begin } = this.#open.pop() as Open;
    const end = mark();
    phase.add(end.time - begin.time, end.cpu - begin.cpu, 1, [begin.rss, end.rss]);
    return end;
  }
}

function merge(into: Phase, spans: readonly Span[]): void {
  for (const { name, start, seconds, cpuSeconds = Number.NaN, rssBytes, count = 1, spans: parts } of spans) {
    const phase = into.part(name, start);
    phase.add(seconds, cpuSeconds, count, [rssBytes]);
    merge(phase, parts);
  }
}
