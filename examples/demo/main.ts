// The main job, end to end: a trained ONNX model is calibrated with real pictures, compressed to FP16 and INT8, and tried on
// pictures it has never seen.
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { backends, loadEngine, type Precision, type QuantizeResult, quantize } from 'presisi';
import { type Card, drawCards } from './figure.js';
import { type Accuracy, accuracy, latency, type TestImage } from './measure.js';
import { wilson } from './statistics.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const data = join(root, 'calibration-data');
const model = join(root, 'models', 'blossom', 'model.onnx');
const out = join(root, '.demo');

interface Row {
  readonly precision: Precision;
  readonly built: QuantizeResult;
  readonly accuracy: Accuracy;
  readonly latency: { readonly median: number; readonly p99: number };
}

async function testImages(): Promise<TestImage[]> {
  const manifest = JSON.parse(await readFile(join(data, 'manifest.json'), 'utf8')) as {
    splits: { test: { file: string; label: number }[] };
  };
  return manifest.splits.test.map(({ file, label }) => ({ path: join(data, file), label }));
}

async function compress(precision: Precision, labels: readonly string[], images: readonly TestImage[]): Promise<Row> {
  const output = join(out, `${precision}.engine`);
  const built = await quantize(model, {
    precision,
    output,
    labels,
    ...(precision === 'int8' && {
      calibration: { images: join(data, 'images', 'calibration') },
      onnxOutput: join(out, 'int8-qdq.onnx'),
    }),
  });
  const engine = await loadEngine(output);
  try {
    return { precision, built, accuracy: await accuracy(engine, images), latency: await latency(engine) };
  } finally {
    await engine.dispose();
  }
}

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

function table(rows: readonly Row[], images: readonly TestImage[]): string[] {
  const baseline = rows[0]?.accuracy.predictions ?? [];
  const lines = [
    '| precision | engine | top-1 (95 % interval) | same answer as FP32 | latency median / p99 | time to make |',
    '| --- | --- | --- | --- | --- | --- |',
  ];
  for (const { precision, built, accuracy: seen, latency: time } of rows) {
    const [low, high] = wilson(seen.correct, images.length);
    const same = seen.predictions.filter((p, i) => p.top[0]?.index === baseline[i]?.top[0]?.index).length;
    const seconds = built.phases.reduce((sum, phase) => sum + phase.seconds, 0);
    lines.push(
      `| ${precision} | ${(built.bytes / 1024).toFixed(0)} KiB | ${percent(seen.correct / images.length)} (${percent(low)} to ${percent(high)}) ` +
        `| ${percent(same / images.length)} | ${time.median.toFixed(2)} / ${time.p99.toFixed(2)} ms | ${seconds.toFixed(2)} s |`,
    );
  }
  return lines;
}

/** Where the engines disagree, or all err, is more telling than where all is well: those first, then a spread of the rest. */
function chooseCards(rows: readonly Row[], images: readonly TestImage[], labels: readonly string[]): Card[] {
  const cards = images.map((image, i): Card & { readonly trouble: boolean } => {
    const lines = rows
      .filter((row) => row.precision !== 'fp16')
      .map((row) => {
        const best = row.accuracy.predictions[i]?.top[0];
        return { engine: row.precision.toUpperCase(), label: best?.label ?? '?', score: best?.score ?? Number.NaN };
      });
    const truth = labels[image.label] ?? String(image.label);
    return { path: image.path, truth, lines, trouble: lines.some((line) => line.label !== truth) };
  });
  const disagreeing = cards.filter((card) => new Set(card.lines.map((line) => line.label)).size > 1).slice(0, 3);
  const wrong = cards.filter((card) => card.trouble && !disagreeing.includes(card)).slice(0, 1);
  const right = cards.filter((card) => !card.trouble);
  const wanted = 12 - disagreeing.length - wrong.length;
  const spread = Array.from({ length: wanted }, (_, i) => right[Math.floor((i * right.length) / wanted)]);
  return [...spread.filter((card) => card !== undefined), ...disagreeing, ...wrong];
}

const labels = (await readFile(join(data, 'labels.txt'), 'utf8')).trim().split('\n');
const images = await testImages();
await mkdir(out, { recursive: true });

const best = (await backends()).find((backend) => backend.available);
console.log(
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${availableParallelism()} threads; backend ${best?.name} (${best?.version})`,
);
console.log(
  `model ${relative(root, model)}, ${((await stat(model)).size / 1024).toFixed(0)} KiB; ${images.length} unseen pictures\n`,
);

const rows: Row[] = [];
for (const precision of ['fp32', 'fp16', 'int8'] as const) rows.push(await compress(precision, labels, images));

const lines = table(rows, images);
console.log(lines.join('\n'));
console.log('\ntime to make the INT8 engine, by phase:');
for (const phase of rows.at(-1)?.built.phases ?? []) {
  console.log(`  ${phase.name.padEnd(12)} ${phase.seconds.toFixed(3)} s`);
}
for (const row of rows) for (const warning of row.built.warnings) console.log(`warning (${row.precision}): ${warning}`);

const cards = chooseCards(rows, images, labels);
console.log('\na few pictures (FP32 | INT8):');
for (const card of cards) {
  const said = card.lines.map((line) => `${line.label} ${percent(line.score)}`).join(' | ');
  console.log(`  ${relative(root, card.path)}: ${said}`);
}
const figure = join(out, 'pictures.svg');
await writeFile(figure, await drawCards('Unseen pictures, classified by the FP32 and the INT8 engine', cards));
console.log(`\npictures: ${relative(root, figure)}; engines and the Q/DQ ONNX beside it`);

if (process.argv.includes('--update-readme')) {
  const readme = join(root, 'README.md');
  const text = await readFile(readme, 'utf8');
  await writeFile(
    readme,
    text.replace(/(<!-- demo -->\n)[\s\S]*(<!-- \/demo -->)/, (_, a, b) => `${a}${lines.join('\n')}\n${b}`),
  );
  await mkdir(join(root, 'docs'), { recursive: true });
  await copyFile(figure, join(root, 'docs', 'pictures.svg'));
}
