import cliProgress from 'cli-progress';
import type { Progress } from '../native.js';
import type { ProgressListener } from '../signal.js';

export interface ProgressDisplay {
  readonly listener?: ProgressListener;
  stop(): void;
}

/** A bar on stderr, one phase after the other. Nothing where stderr is no terminal, or JSON was asked for. */
export function showProgress(json: boolean): ProgressDisplay {
  if (json || !process.stderr.isTTY) return { stop: () => {} };
  const bar = new cliProgress.SingleBar({
    stream: process.stderr,
    format: '{phase} [{bar}] {percentage} % | {elapsed} | ETA {remaining}',
    clearOnComplete: true,
    hideCursor: true,
    barsize: 30,
  });
  let phase = '';
  let started = 0;
  const listener = ({ phase: current, completed, total }: Progress): void => {
    if (current !== phase) {
      if (phase === '') bar.start(1, 0, { phase: current.padEnd(9), elapsed: '', remaining: '' });
      phase = current;
      started = performance.now();
    }
    const elapsed = (performance.now() - started) / 1000;
    const share = total > 0 ? Math.min(1, completed / total) : 0;
    bar.update(share, {
      phase: phase.padEnd(9),
      elapsed: clock(elapsed),
      remaining: share > 0 ? clock((elapsed * (1 - share)) / share) : '?',
    });
  };
  return { listener, stop: () => bar.stop() };
}

/** `4:07`, minutes and seconds. */
export const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
