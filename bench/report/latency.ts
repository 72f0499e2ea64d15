import { ratioInterval } from '../../lib/statistics.js';
import { type Agreement, LEAST_COSINE } from '../compare.js';
import { STUDY } from '../networks.js';
import type { LatencyCase, LatencyResults, Variant } from '../parts/latency.js';
import { median } from '../workers/measure.js';
import { ORT_FORMS } from '../workspace.js';
import {
  ABSENT,
  atMost,
  digits,
  geometricMean,
  megabytes,
  ratio,
  type Section,
  table,
  type Verdict,
} from './format.js';
import { limitBlocks, limitVerdicts } from './limit.js';
import { latency, times } from './trials.js';

const ORT_INT8 = ORT_FORMS.map(({ name }) => `ort int8 ${name}` as const);
const TITLES: Readonly<Record<Variant, string>> = {
  'presisi fp32': 'presisi FP32',
  'ort fp32': 'ORT FP32',
  'presisi int8': 'presisi INT8',
  'ort int8 all': 'ORT INT8, all it can',
  'ort int8 conv': 'ORT INT8, Conv and Gemm',
};

/** ONNX Runtime's fastest column. */
function best(entry: LatencyCase): Variant {
  return (['ort fp32', ...ORT_INT8] as const).reduce((a, b) => (latency(entry, b) < latency(entry, a) ? b : a));
}

/** presisi's time by ONNX Runtime's: in FP32, and INT8 by the better of all columns. */
const fp32Ratio = (entry: LatencyCase): number => latency(entry, 'presisi fp32') / latency(entry, 'ort fp32');
const int8Ratio = (entry: LatencyCase): number => latency(entry, 'presisi int8') / latency(entry, best(entry));

function range(values: readonly number[]): string {
  if (values.length === 0) return ABSENT;
  return `${digits(median(values))} (${digits(Math.min(...values))}–${digits(Math.max(...values))})`;
}

function ratioOf(entry: LatencyCase, ours: Variant, theirs: Variant): string {
  const value = latency(entry, ours) / latency(entry, theirs);
  const interval = ratioInterval(times(entry, ours), times(entry, theirs));
  return `**${ratio(value)}**${interval ? ` (${interval.map((end) => end.toFixed(2)).join('–')})` : ''}`;
}

function latencyTable(cases: readonly LatencyCase[]): string {
  const header = [
    'network',
    TITLES['presisi fp32'],
    TITLES['ort fp32'],
    'ratio',
    TITLES['presisi int8'],
    ...ORT_INT8.map((variant) => TITLES[variant]),
    'ratio to the best of ORT',
  ];
  const rows = cases.map((entry) => [
    entry.network,
    range(times(entry, 'presisi fp32')),
    range(times(entry, 'ort fp32')),
    ratioOf(entry, 'presisi fp32', 'ort fp32'),
    ...(['presisi int8', ...ORT_INT8] as const).map((variant) => range(times(entry, variant))),
    ratioOf(entry, 'presisi int8', best(entry)),
  ]);
  const study = studyCases(cases);
  const mean = (of: (entry: LatencyCase) => number): string => `**${ratio(geometricMean(study.map(of)))}**`;
  const blanks = ORT_INT8.map(() => '');
  const name = study.length === STUDY.length ? 'geometric mean of the six' : `geometric mean of ${study.length}`;
  const last = [name, '', '', mean(fp32Ratio), '', ...blanks, mean(int8Ratio)];
  return table(header, study.length > 1 ? [...rows, last] : rows);
}

const studyCases = (cases: readonly LatencyCase[]): LatencyCase[] =>
  cases.filter(({ network }) => (STUDY as readonly string[]).includes(network));

function verdictsAt(batch: number, all: readonly LatencyCase[], results: LatencyResults): Verdict[] {
  const cases = all.filter((entry) => entry.batch === batch);
  const study = studyCases(cases);
  const six = study.length === STUDY.length ? study : [];
  const resnet = cases.find(({ network }) => network === 'resnet50');
  // Without ONNX Runtime's INT8 the better of its two isn't known.
  const int8 = results.ortInt8Absent === undefined ? six.map(int8Ratio) : [];
  const resnetRatio = resnet && results.ortInt8Absent === undefined ? int8Ratio(resnet) : undefined;
  const fp32 = six.map(fp32Ratio);
  const at = `batch ${batch}`;
  return [
    atMost(`INT8, ${at}: geometric mean of the six ≤ 0.40`, geometricMean(int8), 0.4),
    atMost(`INT8, ${at}: none of the six above 0.60`, largest(int8), 0.6),
    atMost(`INT8, ${at}: ResNet-50 ≤ 0.75`, resnetRatio, 0.75),
    atMost(`FP32, ${at}: geometric mean of the six ≤ 0.85`, geometricMean(fp32), 0.85),
    atMost(`FP32, ${at}: none of the six above 1.0`, largest(fp32), 1),
  ];
}

const largest = (values: readonly number[]): number | undefined =>
  values.length > 0 ? Math.max(...values) : undefined;

function memoryTable(cases: readonly LatencyCase[]): string {
  const variants = ['presisi fp32', 'ort fp32', 'presisi int8', ...ORT_INT8] as const;
  const peak = ({ trials }: LatencyCase, variant: Variant): string => {
    const found = (trials[variant] ?? []).map(({ peakRssBytes }) => peakRssBytes);
    return found.length > 0 ? megabytes(median(found)) : ABSENT;
  };
  const rows = cases.map((entry) => [
    `${entry.network}, batch ${entry.batch}`,
    ...variants.map((variant) => peak(entry, variant)),
  ]);
  return table(['network', ...variants.map((variant) => TITLES[variant])], rows);
}

function agreementTable(cases: readonly LatencyCase[]): string {
  const columns = ['presisi int8', ...ORT_INT8] as const;
  const show = (found: Agreement | undefined): string =>
    found ? `${found.cosine.toFixed(4)}, ${found.sameTop}/${found.pictures}` : ABSENT;
  const rows = cases.map(({ network, batch, agreement: { fp32, asWritten, precisions } }) => [
    `${network}, batch ${batch}`,
    show(fp32),
    ...columns.map((variant) => show(asWritten[variant])),
    ...columns.map((variant) => show(precisions[variant])),
  ]);
  const header = [
    'network',
    'FP32: presisi, ORT',
    ...columns.map((variant) => `${TITLES[variant]}: its file`),
    ...columns.map((variant) => `${TITLES[variant]}: FP32`),
  ];
  return table(header, rows);
}

/** Where outputs differ so much that the latencies mean nothing. */
export function disagreements({ cases }: LatencyResults): string[] {
  return cases.flatMap(({ network, batch, agreement: { fp32, asWritten, precisions } }) => {
    const wrong: [string, Agreement][] = [];
    if (!(fp32.cosine >= LEAST_COSINE.fp32) || fp32.sameTop < fp32.pictures)
      wrong.push(['presisi and ORT, FP32', fp32]);
    // Deep networks with random weights amplify every sum that is rounded the other way, in any correct kernel; but
    // that must stay small beside what 8 bits cost at all, or beside what it makes of ORT's kernels. A wrong kernel is
    // as far from its file as from FP32.
    const own = asWritten['presisi int8'];
    const distance = (found: Agreement | undefined): number => 1 - (found?.cosine ?? 1);
    const allowed = Math.max(
      1 - LEAST_COSINE.int8,
      distance(precisions['presisi int8']) / 2,
      ...ORT_INT8.map((variant) => 2 * distance(asWritten[variant])),
    );
    if (own && !(distance(own) <= allowed)) wrong.push(['presisi INT8 and its file', own]);
    return wrong.map(([what, { cosine, sameTop, pictures }]) => {
      const found = `cosine ${cosine.toFixed(5)}, best class equal for ${sameTop} of ${pictures}`;
      return `${network}, batch ${batch}: outputs of ${what} differ (${found})`;
    });
  });
}

export function latencySection(results: LatencyResults): Section {
  const { cases, ortInt8Absent } = results;
  const batches = [...new Set(cases.map(({ batch }) => batch))];
  const tables = batches.flatMap((batch) => [
    `Milliseconds of one run at batch ${batch}: median over the trials (fastest–slowest). A ratio is presisi's time by ` +
      "ORT's, with its 95 % interval; less than 1 means that presisi is faster.",
    latencyTable(cases.filter((entry) => entry.batch === batch)),
  ]);
  return {
    title: 'Latency',
    blocks: [
      ...disagreements(results).map((problem) => `**${problem}.**`),
      ...(ortInt8Absent === undefined ? [] : [`**No INT8 of ONNX Runtime: ${ortInt8Absent}.**`]),
      ...tables,
      ...limitBlocks(results),
      'Peak resident memory of the process in MB, Node.js and the pictures included, medians over the trials:',
      memoryTable(cases),
      'Agreement of outputs: least cosine over the pictures, pictures with the same best class. *Its file* is the ' +
        'quantized ONNX file executed node by node, without optimisation.',
      agreementTable(cases),
    ],
    verdicts: [...batches.flatMap((batch) => verdictsAt(batch, cases, results)), ...limitVerdicts(results)],
  };
}
