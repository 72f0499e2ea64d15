import type { PipelineCase, PipelineResults, PipelineTrial } from '../parts/pipeline.js';
import { median } from '../workers/measure.js';
import { atLeast, digits, percent, type Section, table } from './format.js';

const of = ({ trials }: PipelineCase, value: (trial: PipelineTrial) => number): number => median(trials.map(value));

/** Pictures a second, were the cores always busy with one or the other and nothing else to be done. */
const predicted = (entry: PipelineCase, cores: number): number =>
  of(entry, ({ decodeCpu, inference }) => 1 / (decodeCpu / cores + inference));
const rate = (entry: PipelineCase): number => of(entry, ({ wall }) => 1 / wall);
/** Both of one trial, since clocks change between trials. */
const reached = (entry: PipelineCase, cores: number): number =>
  of(entry, ({ decodeCpu, inference, wall }) => (decodeCpu / cores + inference) / wall);
const busy = (entry: PipelineCase, cores: number): number => of(entry, ({ wall, cpu }) => cpu / (wall * cores));

export function pipelineSection({ cases, cores, pictures, batch }: PipelineResults): Section {
  const rows = cases.map((entry) => [
    `${entry.network}, ${entry.precision.toUpperCase()}, ${entry.side} px`,
    digits(of(entry, ({ decodeCpu }) => decodeCpu * 1000)),
    digits(of(entry, ({ inference }) => inference * 1000)),
    digits(predicted(entry, cores)),
    digits(rate(entry)),
    `**${percent(reached(entry, cores))}**`,
    `**${percent(busy(entry, cores))}**`,
  ]);
  const header = [
    'network',
    'decode, CPU ms',
    'inference, ms',
    'predicted/s',
    'reached/s',
    'of predicted',
    'cores busy',
  ];
  return {
    title: 'From files to labels',
    blocks: [
      `\`infer()\` over ${pictures} JPEG files at batch ${batch} on ${cores} cores, pictures a second. *Predicted* is ` +
        'what cores would reach that do nothing but decode (CPU time a picture of decoding alone, on all cores) and ' +
        'infer (wall time a picture of inference alone, with all threads). *Busy* is CPU time of the process by wall ' +
        'time and cores.',
      table(header, rows),
    ],
    verdicts: [
      atLeast(
        'files to labels: ≥ 90 % of what decoding and inference alone predict',
        Math.min(...cases.map((entry) => reached(entry, cores))),
        0.9,
      ),
      atLeast('files to labels: cores ≥ 90 % busy', Math.min(...cases.map((entry) => busy(entry, cores))), 0.9),
    ],
  };
}
