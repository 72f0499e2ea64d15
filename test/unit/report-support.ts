import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Results, resultsSchema } from '../../lib/characterize/results.js';
import { summarize } from '../../lib/characterize/summary/summarize.js';
import type { Summary } from '../../lib/characterize/summary.js';
import { type SyntheticOptions, syntheticResults } from './results-support.js';

/** A device that tells everything: board power, a GPU, every batch size; a hundred samples a second while compressing. */
export const BOARD: SyntheticOptions = {
  name: 'report',
  energy: 'board',
  models: ['mobilenet_v3_small', 'densenet201'],
  batchSizes: [1, 2, 4, 8],
  device: { name: 'Jetson Orin Nano', cpu: 'Cortex-A78AE', gpu: { name: 'Orin', cores: 1024 } },
};

export const summaryOf = (options: SyntheticOptions = {}, edit: (results: Results) => void = () => {}): Summary => {
  const results = sampled(syntheticResults(options));
  edit(results);
  return summarize(resultsSchema.parse(results));
};

/** Something between 0 and 1 that goes up and down. */
const busy = (index: number): number => ((index * 37) % 101) / 101;

/** Timelines as a sampler records them: CPU time in hundredths of a second, sources that are not due at every moment. */
function sampled(results: Results): Results {
  for (const trial of results.trials) {
    const timeline = trial.kind === 'compress' ? trial.compress?.timeline : undefined;
    const start = trial.kind === 'compress' ? trial.compress?.spans[0]?.start : undefined;
    if (timeline === undefined || start === undefined) continue;
    const count = Math.round((timeline.time.at(-1) ?? 0) * 100);
    const at = (of: (index: number) => number | null) => Array.from({ length: count }, (_, index) => of(index));
    timeline.time = at((index) => index / 100) as number[];
    timeline.columns = {
      'process.cpu.user': at((index) => Math.floor(index * 1.8) / 100),
      'process.cpu.system': at((index) => Math.floor(index * 0.2) / 100),
      'process.rss': at((index) => 1e8 + index * 1e5 + (index === 77 ? 5e8 : 0)),
      ...(timeline.columns['power.VDD_IN'] && {
        'power.VDD_IN': at((index) => (index % 4 === 0 ? 7 + busy(index) : null)),
        'gpu.load': at((index) => (index % 2 === 0 ? busy(index) : null)),
      }),
    };
  }
  return results;
}

/** Where a browser is, by the names distributions give it; undefined where there is none. */
export function findChromium(): string | undefined {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // the next one
      }
    }
  }
  return undefined;
}

/** Names that would be markup, a cell, a heading or a formula where they are not escaped. */
export const HOSTILE = `=1+1|<script>alert("x")</script><img src=x onerror='alert(2)'> & \`code\` *b* {{7*7}} \${1}`;
