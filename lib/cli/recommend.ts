import { Command, InvalidArgumentError } from 'commander';
import { knownTop1 } from '../characterize/summary/accuracy-summary.js';
import { recommend } from '../characterize/summary/recommend.js';
import { speedAtOne } from '../characterize/summary/speed.js';
import { nameOf } from '../characterize/summary/why.js';
import type { Limits, Recommendation, VariantSummary } from '../characterize/summary.js';
import { present } from '../options.js';
import { inPercent } from '../units.js';
import { number } from './arguments.js';
import { type Context, EXIT } from './context.js';
import * as format from './format.js';

export function recommendCommand(context: () => Context): Command {
  return new Command('recommend')
    .description('say what to deploy, from measured results and within limits')
    .argument('<results>', 'results.json of `presisi characterize`, or its folder')
    .option('--latency <ms>', 'median latency at batch 1, at most', atLeastZero)
    .option('--accuracy-drop <points>', 'points of top-1 below the FP32 engine, at most', atLeastZero)
    .option('--accuracy <percent>', 'top-1, at least', percentage)
    .option('--size <bytes>', 'engine file, at most; like 2MB', byteCount)
    .option('--energy <joules>', 'of an inference, at most', atLeastZero)
    .option('--memory <bytes>', 'peak memory while inferring, at most; like 200MB', byteCount)
    .option('--model <name>', 'only this model')
    .addHelpText(
      'after',
      `
The fastest engine that keeps the limits; of those as fast within 2 %, the most accurate. The exit code is ${EXIT.nothing} where
none keeps them: what comes closest is printed then.

Examples:
  $ presisi recommend results.json --latency 5 --accuracy-drop 1
  $ presisi recommend results/ --accuracy 90 --size 2MB --memory 200MB --json`,
    )
    .action((results: string, flags: Limits) => run(results, flags, context()));
}

async function run(results: string, flags: Limits, context: Context): Promise<void> {
  const { latency, accuracyDrop, accuracy, size, energy, memory, model } = flags;
  const limits = present({ latency, accuracyDrop, accuracy, size, energy, memory, model });
  const found = await recommend(results, limits);
  context.print(briefOf(found), () => render(found));
  if (found.best === undefined) process.exitCode = EXIT.nothing;
}

function atLeastZero(text: string): number {
  const value = number(text);
  if (value < 0) throw new InvalidArgumentError('Expected a number of at least 0.');
  return value;
}

function percentage(text: string): number {
  const value = atLeastZero(text);
  if (value > 100) throw new InvalidArgumentError('Expected a percentage between 0 and 100.');
  return value;
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** `2MB`, `1.5 GiB`, `300000` */
function byteCount(text: string): number {
  const [, digits = '', unit = ''] = /^\s*([\d.]+)\s*([a-z]*)\s*$/i.exec(text) ?? [];
  const factor = UNITS[unit.toLowerCase()];
  if (digits === '' || factor === undefined || !Number.isFinite(Number(digits))) {
    throw new InvalidArgumentError('Expected a number of bytes, such as 300000, 2MB or 1.5GiB.');
  }
  return Number(digits) * factor;
}

/** What a scheduler needs of a variant: names, and the figures limits are about, in their units. */
interface Brief extends Omit<Limits, 'model'> {
  readonly id: string;
  readonly model: string;
  readonly label: string;
  readonly precision: string;
  readonly backend?: string;
  readonly calibration?: { readonly method: string; readonly samples: number };
  /** Of the latency, the energy and the memory. */
  readonly threads?: number;
}

function variantBrief({ variant, label, size, accuracy, speeds }: VariantSummary): Brief {
  const { id, model, precision, backend, calibration } = variant;
  const speed = speedAtOne(speeds);
  const top1 = knownTop1({ ...(accuracy && { accuracy }) });
  return {
    id,
    model,
    label,
    precision,
    ...(backend !== undefined && { backend }),
    ...(calibration && { calibration }),
    ...(speed && { threads: speed.threads, latency: speed.p50.value }),
    ...(top1 !== undefined && { accuracy: inPercent(top1) }),
    ...(top1 !== undefined && accuracy?.drop && { accuracyDrop: inPercent(accuracy.drop.value) }),
    ...(size && { size: size.engine }),
    ...(speed?.energy && { energy: speed.energy.value }),
    ...(speed?.peakRss && { memory: speed.peakRss.value }),
  };
}

const briefOf = ({ best, why, candidates, closest }: Recommendation) => ({
  ...(best && { best: variantBrief(best) }),
  why,
  candidates: candidates.map(variantBrief),
  closest: closest.map(({ variant, misses }) => ({ variant: variantBrief(variant), misses })),
});

function render({ best, why, candidates, closest }: Recommendation): string {
  const reasons = why.join('\n');
  if (best === undefined) {
    const near = closest.map(({ variant, misses }) =>
      [nameOf(variant), ...misses.map((miss) => `  ${miss}`)].join('\n'),
    );
    return [reasons, ...(near.length > 0 ? ['Closest:', ...near] : [])].join('\n\n');
  }
  const rows = candidates
    .map(variantBrief)
    .map((brief, index) => [
      nameOf(candidates[index] as VariantSummary),
      shown(brief.latency, (value) => format.seconds(value / 1000)),
      shown(brief.accuracy, (value) => format.percent(value / 100)),
      shown(brief.size, format.bytes),
      shown(brief.energy, format.joules),
      shown(brief.memory, format.bytes),
    ]);
  const header = ['within the limits', 'latency', 'top-1', 'size', 'energy', 'memory'];
  const known = header.map((_, column) => column === 0 || rows.some((row) => row[column] !== ''));
  const kept = (row: readonly string[]): string[] => row.filter((_, column) => known[column]);
  return [`Deploy ${best.variant.id}`, reasons, format.table(kept(header), rows.map(kept))].join('\n\n');
}

const shown = (value: number | undefined, show: (value: number) => string): string =>
  value === undefined ? '' : show(value);
