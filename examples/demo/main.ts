// The main job, end to end, on every network of the zoo: a PyTorch checkpoint becomes ONNX, is calibrated with real
// pictures, compressed to FP16 and INT8, and tried on pictures it has never seen.
import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Benchmark,
  backends,
  benchmark,
  type ConvertResult,
  convert,
  type Dataset,
  type Evaluation,
  evaluate,
  loadEngine,
  openDataset,
  type Precision,
  type QuantizeResult,
  quantize,
} from 'presisi';
import { chooseCards, drawCards } from './figure.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const data = join(root, 'calibration-data');
const zoo = join(root, 'models', 'zoo');
const out = join(root, '.demo');

const PRECISIONS = ['fp32', 'fp16', 'int8'] as const;

/** Whose pictures are shown. */
const SHOWN = 'mobilenet_v3_large';

interface Engine {
  readonly built: QuantizeResult;
  readonly evaluation: Evaluation;
  readonly latency: Benchmark;
}

interface Row {
  readonly network: string;
  readonly checkpointBytes: number;
  readonly converted: ConvertResult;
  readonly engines: Readonly<Record<Precision, Engine>>;
}

async function compress(
  onnx: string,
  precision: Precision,
  labels: readonly string[],
  dataset: Dataset,
  reference?: Evaluation,
): Promise<Engine> {
  const output = onnx.replace(/onnx$/, `${precision}.engine`);
  const built = await quantize(onnx, {
    precision,
    output,
    labels,
    ...(precision === 'int8' && { calibration: { images: join(data, 'images', 'calibration') } }),
  });
  const engine = await loadEngine(output);
  try {
    const evaluation = await evaluate(engine, dataset, { predictions: true, ...(reference && { reference }) });
    return { built, evaluation, latency: await benchmark(engine, { duration: 1, iterations: 200 }) };
  } finally {
    await engine.dispose();
  }
}

async function run(network: string, labels: readonly string[], dataset: Dataset): Promise<Row> {
  const checkpoint = join(zoo, `${network}.pth`);
  const onnx = join(out, `${network}.onnx`);
  const converted = await convert(checkpoint, { output: onnx });
  const fp32 = await compress(onnx, 'fp32', labels, dataset);
  const fp16 = await compress(onnx, 'fp16', labels, dataset, fp32.evaluation);
  const int8 = await compress(onnx, 'int8', labels, dataset, fp32.evaluation);
  return { network, checkpointBytes: (await stat(checkpoint)).size, converted, engines: { fp32, fp16, int8 } };
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(2)} MiB`;
const total = ({ seconds }: { readonly seconds: number }) => `${seconds.toFixed(2)} s`;

const HEADER = [
  '| network | phase 1: checkpoint to ONNX | phase 2: INT8 engine | size: checkpoint / FP16 / INT8 | top-1: FP32 / FP16 / INT8 | INT8 says what FP32 says | median latency: FP32 / INT8 |',
  '| --- | --- | --- | --- | --- | --- | --- |',
];

function line({ network, checkpointBytes, converted, engines }: Row): string {
  const { fp32, fp16, int8 } = engines;
  const cells = [
    network,
    total(converted.span),
    total(int8.built.span),
    [checkpointBytes, fp16.built.bytes, int8.built.bytes].map(mebibytes).join(' / '),
    [fp32, fp16, int8].map(({ evaluation }) => percent(evaluation.top1.share)).join(' / '),
    percent(int8.evaluation.agreement?.share ?? Number.NaN),
    `${fp32.latency.endToEnd.median.toFixed(2)} / ${int8.latency.endToEnd.median.toFixed(2)} ms`,
  ];
  return `| ${cells.join(' | ')} |`;
}

function details({ network, converted, engines }: Row): string[] {
  const lines = [`${network}: ${converted.parameters.toLocaleString('en')} parameters`];
  for (const precision of PRECISIONS) {
    const { top1 } = engines[precision].evaluation;
    const [low, high] = top1.interval;
    lines.push(
      `  ${precision}: ${top1.correct} of ${top1.total} right, 95 % interval ${percent(low)} to ${percent(high)}`,
    );
    for (const warning of engines[precision].built.warnings) lines.push(`  warning (${precision}): ${warning}`);
  }
  const phases = engines.int8.built.span.spans.map(({ name, seconds }) => `${name} ${seconds.toFixed(3)} s`);
  return [...lines, `  int8 by phase: ${phases.join(', ')}`];
}

async function updateReadme(table: readonly string[], figure: string): Promise<void> {
  const readme = join(root, 'README.md');
  const text = await readFile(readme, 'utf8');
  const marked = /(<!-- demo -->\n)[\s\S]*(<!-- \/demo -->)/;
  await writeFile(
    readme,
    text.replace(marked, (_, before: string, after: string) => `${before}${table.join('\n')}\n${after}`),
  );
  await mkdir(join(root, 'docs'), { recursive: true });
  await copyFile(figure, join(root, 'docs', 'pictures.svg'));
}

const NETWORKS = (await readdir(zoo))
  .filter((name) => name.endsWith('.pth'))
  .map((name) => basename(name, '.pth'))
  .sort();
const labels = (await readFile(join(data, 'labels.txt'), 'utf8')).trim().split('\n');
const dataset = await openDataset({ folder: join(data, 'images', 'test') }, { labels });
await mkdir(out, { recursive: true });

const best = (await backends()).find((backend) => backend.available);
console.log(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads; backend ${best?.name} (${best?.version})`,
);
console.log(`${NETWORKS.length} checkpoints of ${relative(root, zoo)}; ${dataset.samples.length} unseen pictures\n`);
console.log(HEADER.join('\n'));

const rows: Row[] = [];
for (const network of NETWORKS) {
  const row = await run(network, labels, dataset);
  rows.push(row);
  console.log(line(row));
}
console.log(`\n${rows.flatMap(details).join('\n')}`);

const shown = rows.find(({ network }) => network === SHOWN) as Row;
const { fp32, int8 } = shown.engines;
const cards = chooseCards(dataset, labels, { FP32: fp32.evaluation, INT8: int8.evaluation });
const figure = join(out, 'pictures.svg');
await writeFile(figure, await drawCards(`Unseen pictures, classified by ${SHOWN} as FP32 and as INT8`, cards));
console.log(`\npictures: ${relative(root, figure)}; ONNX files and engines beside it`);

if (process.argv.includes('--update-readme')) await updateReadme([...HEADER, ...rows.map(line)], figure);
