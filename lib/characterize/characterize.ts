import { resolve } from 'node:path';
import { z } from 'zod';
import { atCaller, invalidArgument } from '../errors.js';
import { check, flag, integer, listener, number, oneOf, options, present, signal, strings, text } from '../options.js';
import { type Cancelable, stoppable } from '../signal.js';
import { PRESETS, type Preset, presetOptions } from './experiment/presets.js';
import type { ExperimentOptions } from './experiment.js';
import type { Results } from './results.js';
import { machine } from './run/machine.js';
import type { CharacterizeProgress } from './run/progress.js';
import { type Characterization, runExperiment } from './run/run.js';

export interface CharacterizeOptions extends Cancelable {
  /**
   * What is measured: the path of a YAML or JSON file, or the same as an object. Relative paths start at the file's folder;
   * in an object, at the current working directory. Left out with `resume`: what the folder holds.
   */
  readonly experiment?: ExperimentOptions | string;
  /**
   * In place of `experiment`, what the repository holds: `study`, its trained networks with accuracy; `study-full`, the
   * study's six networks at full size with random weights.
   */
  readonly preset?: Preset;
  /** Folder for everything that is measured and built; made where it isn't there. */
  readonly output: string;
  /** Go on with the experiment in `output`, which must be the same on the same device. Default false. */
  readonly resume?: boolean;
  /** With `resume`: trials that failed are tried once more. Default false. */
  readonly retryFailed?: boolean;
  /** In place of the experiment's own. */
  readonly repeats?: number;
  /** Only the models with these ids. */
  readonly models?: readonly string[];
  /** A first look: two repeats, batch 1 for 0.2 s each, nothing repeated that was disturbed. Default false. */
  readonly quick?: boolean;
  /** Seconds there are; an experiment that can't be done in them is refused. Default: any. */
  readonly timeLimit?: number;
  /** What it throws stops the work. */
  readonly onProgress?: (progress: CharacterizeProgress) => void;
  /** Called with what is no failure but should be known, as it is found. */
  readonly onWarning?: (message: string) => void;
}

const schema = options({
  experiment: z.custom<ExperimentOptions | string>().optional(),
  preset: oneOf(PRESETS).optional(),
  output: text('a path'),
  resume: flag().optional(),
  retryFailed: flag().optional(),
  repeats: integer(1, 1000).optional(),
  models: strings().min(1, { error: 'an array of strings' }).optional(),
  quick: flag().optional(),
  timeLimit: number('seconds, more than 0', (value) => value > 0).optional(),
  onProgress: listener<(progress: CharacterizeProgress) => void>().optional(),
  onWarning: listener<(message: string) => void>().optional(),
  signal: signal().optional(),
});

/**
 * Carries out an experiment: compresses every model in every precision on this device, measures what that costs and what
 * it gives, each time in a fresh process, and writes `results.json` and reports. Each finished trial outlives a crash and
 * a loss of power; see docs/characterize.md.
 *
 * @example
 * const { results } = await characterize({ experiment: 'experiment.yaml', output: 'measured' });
 * @throws PresisiError `ERR_PRESISI_INVALID_EXPERIMENT` for what is wrong with the experiment or its folder, or where disk,
 *   memory or time are clearly not enough; the reason of `signal` once that is aborted, when the results so far have been
 *   written. A trial that fails is no error: it is among the results.
 */
export function characterize(given: CharacterizeOptions): Promise<Characterization> {
  return atCaller(characterize, async () => {
    const checked = check(schema, given, 'options');
    const { preset, output, resume = false, retryFailed = false, repeats, models, quick = false, timeLimit } = checked;
    if (preset !== undefined && checked.experiment !== undefined) {
      throw invalidArgument('nothing, with an experiment,', 'options.preset', preset);
    }
    const experiment = preset === undefined ? checked.experiment : presetOptions(preset);
    if (experiment === undefined) {
      if (!resume) throw invalidArgument('an experiment, or a preset', 'options.experiment', experiment);
      // What the folder holds is gone on with as it is.
      for (const [name, value] of Object.entries({ repeats, models, quick: quick || undefined })) {
        if (value !== undefined) throw invalidArgument('nothing, without an experiment,', `options.${name}`, value);
      }
    }
    return stoppable(checked.signal, async (signal, guarded) =>
      runExperiment(
        {
          output: resolve(output),
          resume,
          retryFailed,
          change: (options) => changed(options, quick, repeats),
          signal,
          onProgress: guarded(checked.onProgress),
          onWarning: guarded(checked.onWarning),
          report: writeReports,
          ...present({ experiment, models, timeLimit }),
        },
        machine,
      ),
    );
  });
}

function changed(options: ExperimentOptions, quick: boolean, repeats: number | undefined): ExperimentOptions {
  const first: ExperimentOptions = quick
    ? {
        ...options,
        repeats: 2,
        idle: Math.min(1, options.idle ?? 1),
        latency: { ...options.latency, batchSizes: [1], warmUp: 100, duration: 0.2 },
        disturbance: { ...options.disturbance, retries: 0 },
      }
    : options;
  return repeats === undefined ? first : { ...first, repeats };
}

/** What reports take to draw is loaded when there is something to draw. */
async function writeReports(results: Results, folder: string): Promise<readonly string[]> {
  const [{ summarize }, { writeReport }] = await Promise.all([
    import('./summary/summarize.js'),
    import('../report/report.js'),
  ]);
  const { html, markdown, csv, json } = await writeReport(summarize(results), folder);
  return [html, markdown, ...csv, ...json].filter((path) => path !== undefined);
}
