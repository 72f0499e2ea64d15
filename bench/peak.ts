// The machine's limit, measured by a small native program that is compiled when it is first needed.
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './child.js';

const run = promisify(execFile);

/** What a multiply-accumulate loop that touches no memory reaches with all threads. */
interface Arithmetic {
  readonly isa: string;
  readonly macsPerSecond: number;
}

export interface Peak {
  /** Absent where the program knows no instructions of this processor. */
  readonly int8?: Arithmetic;
  readonly fp32?: Arithmetic;
  /** Of one core, from additions that wait for one another; 0 where the program can't tell. */
  readonly hertz: number;
}

/** How long each loop runs: long enough for clocks to settle, short enough to stand between trials. */
const SECONDS = 0.25;

export class PeakMeter {
  readonly #program: string;
  readonly #threads: number;

  private constructor(program: string, threads: number) {
    this.#program = program;
    this.#threads = threads;
  }

  /** Compiles the program; rejects where there is no compiler. */
  static async create(folder: string, threads: number): Promise<PeakMeter> {
    await mkdir(folder, { recursive: true });
    const program = join(folder, 'peak');
    // On x86 the program asks the processor itself; on ARM only the compiler knows how.
    const native = process.arch === 'arm64' ? ['-march=native'] : [];
    const source = join(ROOT, 'bench', 'peak', 'peak.cpp');
    await run(process.env.CXX || 'g++', ['-O2', '-std=c++17', '-pthread', ...native, source, '-o', program]);
    return new PeakMeter(program, threads);
  }

  async measure(): Promise<Peak> {
    return (await this.#run()) as Peak;
  }

  /** Bytes a second that all threads read together, over and over, of so many bytes. */
  async bandwidth(bytes: number): Promise<number> {
    return ((await this.#run(String(bytes))) as { bytesPerSecond: number }).bytesPerSecond;
  }

  async #run(...more: string[]): Promise<unknown> {
    const { stdout } = await run(this.#program, [String(this.#threads), String(SECONDS), ...more]);
    return JSON.parse(stdout);
  }
}
