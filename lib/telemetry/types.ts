/**
 * A column of the samples. Names, with their units:
 *
 * | name | unit | what |
 * | --- | --- | --- |
 * | `process.cpu.user`, `process.cpu.system` | s, counter | the process and its children, living and ended |
 * | `process.rss`, `process.pss`, `process.rss.peak` | B | resident memory, its living children's included; shared pages counted by share; the most so far |
 * | `process.switches.voluntary`, `process.switches.involuntary` | count, counter | context switches of the process itself |
 * | `process.faults.minor`, `process.faults.major` | count, counter | page faults, its children's included; major ones wait for a disk |
 * | `process.io.read`, `process.io.written` | B, counter | from and to disks, its children's included |
 * | `process.threads`, `process.children` | count | living now: threads of the process itself; children, and theirs |
 * | `system.cpu.N.user`, `.system`, `.idle`, `.iowait`, `.steal` | s, counter | of core N; steal is what a hypervisor took |
 * | `system.memory.total`, `system.memory.available` | B | |
 * | `system.load` | count | runnable tasks, mean of a minute |
 * | `clock.cpu.N` | Hz | of core N |
 * | `throttle.cpu.N` | count, counter | how often core N was slowed down |
 * | `temperature.NAME` | °C | by the device's own name of the sensor |
 * | `power.NAME` | W | by the device's own name of the rail; NVML's GPUs are `gpu0`, … |
 * | `energy.NAME` | J, counter | by RAPL's name of the domain (`package-0`, …), or NVML's GPU |
 * | `gpu.load` | share | busy share of the GPU; `gpu1.load`, … for further ones |
 * | `gpu.clock` | Hz | |
 * | `gpu.memory.used`, `gpu.memory.total` | B | absent where the GPU shares the system's memory |
 * | `gpu.throttle` | share | 1 where the GPU is being slowed down |
 * | `memory.load` | share | busy share of the memory controller (EMC) |
 */
export interface Quantity {
  readonly name: string;
  readonly unit: 's' | 'B' | 'Hz' | 'W' | 'J' | '°C' | 'share' | 'count';
  /** Of a `counter` only differences mean something. */
  readonly kind: 'gauge' | 'counter';
  /** `process`, `system`, `cpu-clocks`, `temperatures`, `rapl`, `hwmon-power`, `ina3221`, `jetson-gpu`, `tegrastats`, `nvml` */
  readonly source: string;
  /** Where exactly it was read: a path, a rail, a function. */
  readonly sensor: string;
  /** Computed by the device from a model instead of measured. */
  readonly estimated: boolean;
}

/** A source that was looked for: there, or absent for a reason. */
export interface SourceStatus {
  readonly name: string;
  readonly available: boolean;
  readonly reason?: string;
}

/** What the sampler cost and lost. */
export interface SamplerStatistics {
  /** Asked for, samples a second. */
  readonly rate: number;
  readonly samples: number;
  /** Taken, but not drained in time. */
  readonly lost: number;
  /** Due while another was still being taken. */
  readonly missed: number;
  readonly seconds: number;
  /** CPU time of the sampler's thread; divided by `seconds`, its share of a core. */
  readonly cpuSeconds: number;
  readonly sources: readonly { readonly name: string; readonly reads: number; readonly seconds: number }[];
}

/** Samples of a recording, by column. */
export interface Timeline {
  /** Seconds of the monotonic clock at the first sample; `time` counts from here. */
  readonly start: number;
  readonly time: readonly number[];
  /** By quantity; null where it was absent, or not due at that moment. */
  readonly columns: Readonly<Record<string, readonly (number | null)[]>>;
  readonly quantities: readonly Quantity[];
  readonly sources: readonly SourceStatus[];
  readonly sampler: SamplerStatistics;
}

/** One sample of {@link monitor}. */
export interface Sample {
  /** Seconds of the monotonic clock. */
  readonly time: number;
  /** What could be read at that moment, by name. */
  readonly values: Readonly<Record<string, number>>;
}

/**
 * A phase of some work. Phases nest; those of one level follow each other, and what they take adds up to the phase
 * they belong to.
 */
export interface Span {
  readonly name: string;
  /** Seconds of the monotonic clock (`process.hrtime()`). */
  readonly start: number;
  readonly seconds: number;
  /**
   * CPU time of the whole process meanwhile, all threads, and of a child process that did the work; absent where it
   * isn't known.
   */
  readonly cpuSeconds?: number;
  /** Resident memory of the process, the largest at its ends and at those of its parts; absent where it can't be read. */
  readonly rssBytes?: number;
  /** How many times it took place, where not once: the figures are those of all of them, `start` is the first's. */
  readonly count?: number;
  readonly spans: readonly Span[];
}
