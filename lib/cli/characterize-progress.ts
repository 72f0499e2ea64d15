import cliProgress from 'cli-progress';
import type { CharacterizeProgress } from '../characterize/run/progress.js';
import { clock } from './progress.js';

export interface TrialsDisplay {
  readonly listener: (progress: CharacterizeProgress) => void;
  /** Where the experiment is; undefined before it starts. */
  readonly last: CharacterizeProgress | undefined;
  /** Prints something that the bar must not cover. */
  aside(print: () => void): void;
  stop(): void;
}

/** A bar on a terminal, one line for each finished trial elsewhere; nothing where JSON was asked for. On stderr. */
export function showTrials(json: boolean): TrialsDisplay {
  let last: CharacterizeProgress | undefined;
  const bar = !json && process.stderr.isTTY ? makeBar() : undefined;
  const show = (progress: CharacterizeProgress): void => {
    const line = lineOf(progress);
    if (bar) bar.update(progress);
    else if (!json && line !== undefined) process.stderr.write(`${line}\n`);
  };
  return {
    listener: (progress) => {
      last = progress;
      show(progress);
    },
    get last() {
      return last;
    },
    aside: (print) => (bar ? bar.aside(print) : print()),
    stop: () => bar?.stop(),
  };
}

function lineOf({ event, completed, planned, remaining, trial, result }: CharacterizeProgress): string | undefined {
  if (event === 'start') return `${completed} of ${planned} trials are done; some ${clock(remaining)} to go`;
  if (event !== 'end' || !trial || !result) return undefined;
  const number = `${completed}`.padStart(`${planned}`.length);
  const attempt = trial.attempt > 1 ? `, attempt ${trial.attempt}` : '';
  const about = `[${number}/${planned}] ${trial.id}${attempt}: ${result.seconds.toFixed(1)} s, ETA ${clock(remaining)}`;
  return [about, ...troubles(result)].join('\n');
}

const troubles = ({ error, flags }: NonNullable<CharacterizeProgress['result']>): string[] => [
  ...(error ? [`  failed: ${error.message} (${error.code})`] : []),
  ...flags.map(({ kind, detail }) => `  disturbed, ${kind}: ${detail}`),
];

function makeBar() {
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: '[{bar}] {value}/{total} | {time} | ETA {left} | {now}',
    clearOnComplete: true,
    hideCursor: true,
    barsize: 24,
  });
  let running = false;
  const nowOf = ({ trial, step }: CharacterizeProgress): string => {
    const share = step && step.total > 0 ? ` ${Math.floor((100 * step.completed) / step.total)} %` : '';
    return `${trial?.id ?? 'preparing'}${step ? `: ${step.phase}${share}` : ''}`;
  };
  /** Trials may be silent for long; the clock goes on. */
  let ticking: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (running) bar.stop();
    running = false;
    clearInterval(ticking);
  };
  const aside = (print: () => void): void => {
    stop();
    print();
  };
  return {
    stop,
    aside,
    update: (progress: CharacterizeProgress): void => {
      const { completed, planned, elapsed, remaining, trial, result } = progress;
      const found = result ? troubles(result) : [];
      if (found.length > 0) aside(() => process.stderr.write(`${[trial?.id, ...found].join('\n')}\n`));
      const payload = { time: clock(elapsed), left: clock(remaining), now: nowOf(progress) };
      if (!running) bar.start(planned, completed, payload);
      else bar.update(completed, payload);
      running = true;
      const at = performance.now();
      clearInterval(ticking);
      ticking = setInterval(() => {
        const since = (performance.now() - at) / 1000;
        bar.update({ time: clock(elapsed + since), left: clock(Math.max(0, remaining - since)) });
      }, 1000);
    },
  };
}
