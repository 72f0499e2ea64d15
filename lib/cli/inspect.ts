import { Command } from 'commander';
import type { PrecisionAudit, Shares } from '../audit.js';
import { type Inspection, loadEngine } from '../engine.js';
import { showDims } from '../tensor.js';
import { integer } from './arguments.js';
import type { Context } from './context.js';
import * as format from './format.js';

interface Flags {
  readonly profile?: boolean;
  readonly runs: number;
  readonly threads: number;
}

export function inspectCommand(context: () => Context): Command {
  return new Command('inspect')
    .description("show an engine's layers, the precision each really runs in, and their times")
    .argument('<engine>', 'engine file')
    .option('--profile', 'run the engine and time every layer')
    .option('--runs <count>', 'how many runs the medians are of', integer(1, 10_000), 10)
    .option('-t, --threads <count>', 'threads; 0: physical cores', integer(0, 1024), 0)
    .addHelpText(
      'after',
      `
Examples:
  $ presisi inspect model.engine
  $ presisi inspect model.engine --profile --runs 50`,
    )
    .action((engine: string, flags: Flags) => run(engine, flags, context()));
}

async function run(path: string, { profile = false, runs, threads }: Flags, { signal, print }: Context): Promise<void> {
  const engine = await loadEngine(path, { threads, signal });
  try {
    print(await engine.inspect({ profile, runs, signal }), render);
  } finally {
    await engine.dispose();
  }
}

function render(inspection: Inspection): string {
  const { metadata, layers } = inspection;
  const timed = inspection.seconds !== undefined;
  const tensors = (infos: Inspection['inputs']): string =>
    infos.map(({ name, type, dims }) => `${name}: ${type} ${showDims(dims)}`).join(', ');
  const about = format.facts({
    model: metadata.model?.name,
    precision: inspection.precision,
    backend: `${inspection.backend}${metadata.backendVersion ? ` (${metadata.backendVersion})` : ''}`,
    device: metadata.device,
    inputs: tensors(inspection.inputs),
    outputs: tensors(inspection.outputs),
    'max batch': metadata.maxBatch,
    weights: format.bytes(inspection.weightBytes),
    calibration: metadata.calibration && `${metadata.calibration.method}, ${metadata.calibration.samples} samples`,
    activations: inspection.arenaBytes === undefined ? undefined : format.bytes(inspection.arenaBytes),
    time: inspection.seconds === undefined ? undefined : `${format.seconds(inspection.seconds)} at batch 1`,
  });
  const header = ['layer', 'operator', 'precision', 'kernel', 'weights', ...(timed ? ['time'] : [])];
  const rows = layers.map((layer) => [
    layer.name,
    layer.op,
    layer.precision === layer.requested ? layer.precision : `${layer.precision} (asked ${layer.requested})`,
    layer.kernel,
    format.bytes(layer.weightBytes),
    ...(timed ? [format.seconds(layer.seconds ?? 0)] : []),
  ]);
  return [about, format.table(header, rows), renderAudit(inspection.audit)].join('\n\n');
}

const shares = (of: Shares): string =>
  Object.entries(of)
    .map(([precision, share]) => `${precision} ${format.percent(share)}`)
    .join(', ');

function renderAudit({ macs, time, reformats, reformatTime, fallbacks, verdict }: PrecisionAudit): string {
  return format.facts({
    'multiply-accumulates': macs && shares(macs),
    time: time && shares(time),
    reformats: `${reformats}${reformatTime === undefined ? '' : `, ${format.percent(reformatTime)} of the time`}`,
    fallbacks: fallbacks.length > 0 ? `${fallbacks.length} layers` : undefined,
    verdict: verdict.join('; '),
  });
}
