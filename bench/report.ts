import {
  type Case,
  disagreements,
  type Results,
  type Summary,
  summarize,
  type Trial,
  VARIANTS,
  type Variant,
} from './results.js';

const latency = (entry: Case, variant: Variant): Summary => summarize(entry.trials[variant], (trial) => trial.medianMs);

/** Three significant digits; all of those before the point. */
const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
const range = ({ median, least, most }: Summary): string => `${digits(median)} (${digits(least)}–${digits(most)})`;
const times = (value: number): string => `**${value.toFixed(2)}×**`;
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = header.map((_, column) => (column === 0 ? '---' : '---:'));
  return [header, rule, ...rows].map(line).join('\n');
}

function latencyTable(cases: readonly Case[]): string {
  const header = [
    'model',
    'batch',
    'presisi FP32',
    'ORT FP32',
    'faster',
    'presisi INT8',
    'ORT INT8',
    'faster than ORT',
  ];
  const rows = cases.map((entry) => {
    const ours = latency(entry, 'presisi fp32');
    const theirs = latency(entry, 'onnxruntime fp32');
    const ours8 = latency(entry, 'presisi int8');
    const theirs8 = latency(entry, 'onnxruntime int8');
    return [
      entry.model,
      String(entry.batch),
      range(ours),
      range(theirs),
      times(theirs.median / ours.median),
      range(ours8),
      range(theirs8),
      times(Math.min(theirs.median, theirs8.median) / ours8.median),
    ];
  });
  return table(header, rows);
}

const COLUMNS = ['presisi FP32', 'ORT FP32', 'presisi INT8', 'ORT INT8'];

/** One cell for each variant. */
function overview(cases: readonly Case[], show: (trials: readonly Trial[]) => string): string {
  const rows = cases.map(({ model, batch, trials }) => [
    model,
    String(batch),
    ...VARIANTS.map(({ name }) => show(trials[name])),
  ]);
  return table(['model', 'batch', ...COLUMNS], rows);
}

function start(trials: readonly Trial[]): string {
  const loaded = summarize(trials, (trial) => trial.loadMs).median;
  return `${digits(loaded)} + ${digits(summarize(trials, (trial) => trial.firstRunMs).median)}`;
}

const peak = (trials: readonly Trial[]): string => megabytes(summarize(trials, (trial) => trial.peakRssBytes).median);

function agreementTable(cases: readonly Case[]): string {
  const header = [
    'model',
    'batch',
    'FP32: presisi, ORT',
    'presisi INT8, its file',
    'ORT INT8, its file',
    'presisi: INT8, FP32',
    'ORT: INT8, FP32',
  ];
  const rows = cases.map(({ model, batch, agreement: { fp32, asWritten, precisions } }) => [
    model,
    String(batch),
    ...[fp32, asWritten.presisi, asWritten.onnxruntime, precisions.presisi, precisions.onnxruntime].map(
      ({ cosine, sameTop, pictures }) => `${cosine.toFixed(5)}, ${sameTop}/${pictures}`,
    ),
  ]);
  return table(header, rows);
}

/** The results as Markdown. */
export function markdown(results: Results): string {
  const { machine, threads, trials, seed, unsignedActivations, ortInt8, loads, cases } = results;
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const runs = cases.flatMap((entry) => Object.values(entry.trials).flatMap((all) => all.map((trial) => trial.runs)));
  const problems = disagreements(results);
  return [
    `${machine.date}. ${machine.cpu}, ${machine.cores} logical cores, ${(machine.memoryBytes / 1e9).toFixed(0)} GB; ` +
      `INT8 by ${machine.int8Isa}. ${versions.join(', ')}. ${threads} threads, seed ${seed}, ` +
      `${unsignedActivations ? 'unsigned' : 'signed'} INT8 activations, ` +
      `ORT INT8 from ${ortInt8 === 'own' ? 'a file in its own form' : "presisi's export"}, ${trials} trials each, ` +
      `${Math.min(...runs)} to ${Math.max(...runs)} runs a trial; load average ${loads.map((l) => l.toFixed(2)).join(' before, ')} after.`,
    ...(Math.max(...loads) > machine.cores + 1
      ? ['**Other work kept the machine busy during this run: the numbers are not to be relied on.**']
      : []),
    ...problems.map((problem) => `**${problem}.**`),
    'Latency of one run in ms: median over the trials (fastest–slowest trial). The last column compares with the better ' +
      "of ORT's two precisions; more than 1 means that presisi is faster.",
    latencyTable(cases),
    'Loading + first run in ms, medians over the trials:',
    overview(cases, start),
    'Peak resident memory of the process in MB, medians over the trials:',
    overview(cases, peak),
    'Agreement of outputs: least cosine over the pictures, pictures with the same best class. *Its file* is the ' +
      'quantized ONNX file executed node by node, without optimisation.',
    agreementTable(cases),
  ].join('\n\n');
}
