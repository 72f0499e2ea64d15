import { rankCorrelation } from '../../statistics.js';
import { bytes, counted, percent } from '../../units.js';
import type { Resources } from '../results.js';
import { hasBaseline, NO_BASELINE, range } from './claims-gain.js';
import { noGpu } from './energy.js';
import { ratio } from './estimate.js';
import { decided, type Evidence, type Finding, notMeasured } from './finding.js';
import { backendsOf, labelOf } from './label.js';
import { baselineOf, type Measured, timedAt } from './measured.js';
import { phaseSeconds } from './overhead.js';
import { speedAtOne } from './speed.js';

/** Phase 2 of every INT8 variant over that of FP16 of the same model and backend. */
export function overheadOfInt8({ measured }: Evidence): Finding {
  const phase2 = (each: Evidence['measured'][number]): number[] =>
    each.compress.map((trial) => phaseSeconds(trial, 'phase 2'));
  const ratios = measured.flatMap((int8) => {
    const { model, backend, framework, precision } = int8.variant;
    if (framework !== 'presisi' || precision !== 'int8') return [];
    const half = measured.find(
      ({ variant }) =>
        variant.framework === 'presisi' &&
        variant.precision === 'fp16' &&
        variant.model === model &&
        variant.backend === backend,
    );
    return half ? (ratio(phase2(int8), phase2(half)) ?? []) : [];
  });
  if (ratios.length === 0) return notMeasured('no model was made into both an FP16 and an INT8 engine');
  const longer = ratios.filter(({ value, beyondNoise }) => value > 1 && beyondNoise !== false).length;
  return decided(
    longer === ratios.length,
    `${range(
      ratios.map(({ value }) => value),
      (value) => value.toFixed(2),
    )} times as long`,
    'Holds where phase 2 takes longer in INT8 than in FP16 for every model and calibration, by more than noise where there ' +
      `are repeats enough to tell. It does in ${longer} of ${counted(ratios.length, 'pair')}.`,
  );
}

/** With fewer models an order is luck: two agree half the time. */
const LEAST_MODELS = 3;
const CLEAR = 0.8;

/** Rank correlation of the overhead with the checkpoint's size, by precision. */
export function overheadGrowth({ results, variants }: Evidence): Finding {
  const groups = new Map<string, { size: number; macs: number | undefined; seconds: number }[]>();
  for (const { variant, overhead } of variants) {
    const model = results.models.find(({ id }) => id === variant.model);
    if (overhead === undefined || model === undefined) continue;
    const label = labelOf(variant, backendsOf(results).length > 1);
    const row = { size: model.bytes, macs: model.macs, seconds: overhead.seconds.value };
    groups.set(label, [...(groups.get(label) ?? []), row]);
  }
  const judged = [...groups].flatMap(([label, rows]) => {
    const found = rankCorrelation(rows.map(({ size, seconds }) => [size, seconds]));
    if (rows.length < LEAST_MODELS || found === undefined) return [];
    const work = rankCorrelation(
      rows.flatMap(({ macs, seconds }): [number, number][] => (macs === undefined ? [] : [[macs, seconds]])),
    );
    return [{ label, found, work, rows }];
  });
  const [first] = judged;
  if (first === undefined) return notMeasured(`it takes ${LEAST_MODELS} models of different size; there are fewer`);
  const sizes = first.rows.map(({ size }) => size);
  const work = judged.flatMap((each) => each.work ?? []);
  const alsoWork =
    work.length === judged.length
      ? ` With the multiply-accumulates of an inference in place of the size: ${range(work, (rho) => rho.toFixed(2))}.`
      : '';
  return decided(
    judged.every(({ found }) => found >= CLEAR),
    `rank correlation ${judged.map(({ label, found }) => `${found.toFixed(2)} (${label})`).join(', ')}`,
    `Holds where Spearman's rank correlation of both phases' time with the checkpoint's size is at least ${CLEAR} in every ` +
      `precision. Over ${counted(first.rows.length, 'model')} of ${range(sizes, bytes)}.${alsoWork}`,
  );
}

const RESOURCES = {
  memory: { what: 'peak resident memory', less: true, of: ({ memory }: Resources) => memory?.peakRss },
  cpu: { what: 'busy cores', less: false, of: ({ cpu }: Resources) => cpu?.cores },
  gpu: { what: 'GPU load', less: true, of: ({ gpu }: Resources) => gpu?.meanLoad },
};

/** What the process uses while inferring at batch 1, over what the framework's does. */
export function resourceUse({ results, variants, measured }: Evidence, resource: keyof typeof RESOURCES): Finding {
  const { what, less, of } = RESOURCES[resource];
  if (!hasBaseline(variants)) return notMeasured(NO_BASELINE);
  const ratios = measured.flatMap((own) => {
    const { variant } = own;
    const speeds = variants.find((summary) => summary.variant === variant)?.speeds ?? [];
    const threads = speedAtOne(speeds)?.threads;
    const baseline = baselineOf(variant, measured);
    if (variant.framework !== 'presisi' || variant.precision === 'fp32' || !baseline || threads === undefined)
      return [];
    const values = (each: Measured) => timedAt(each, 1, threads).map((trial) => trial.resources && of(trial.resources));
    return ratio(values(own), values(baseline)) ?? [];
  });
  if (ratios.length === 0)
    return notMeasured(resource === 'gpu' ? noGpu(results) : `${what} could not be read of both`);
  const agree = ratios.filter(
    ({ value, beyondNoise }) => beyondNoise !== false && (less ? value < 1 : value > 1),
  ).length;
  const change = (value: number): string => percent(value - 1).replace(/^(?=\d)/, '+');
  return decided(
    agree === ratios.length,
    `${range(
      ratios.map(({ value }) => value),
      change,
    )} ${what}`,
    `Holds where every FP16 and INT8 engine has ${less ? 'less' : 'more'} ${what} than the framework while inferring at batch 1, ` +
      `by more than noise where there are repeats enough to tell. ${agree} of ${ratios.length} have.`,
  );
}
