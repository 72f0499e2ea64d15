import { counted, percent } from '../../units.js';
import type { Variant } from '../results.js';
import type { VariantSummary } from '../summary.js';
import { decided, type Evidence, type Finding, notMeasured } from './finding.js';
import { speedAtOne } from './speed.js';

const ofPrecision = ({ variants }: Evidence, precision: Variant['precision']): VariantSummary[] =>
  variants.filter(({ variant }) => variant.framework === 'presisi' && variant.precision === precision);

const modelsIn = (variants: readonly VariantSummary[]): number =>
  new Set(variants.map(({ variant }) => variant.model)).size;

/** `12.0 %`, or `12.0 % to 34.5 %` */
export function range(values: readonly number[], show: (value: number) => string): string {
  const [low, high] = [show(Math.min(...values)), show(Math.max(...values))];
  return low === high ? low : `${low} to ${high}`;
}

export const NO_BASELINE = 'no framework ran the original models: `baselines` names one';

export const hasBaseline = (variants: readonly VariantSummary[]): boolean =>
  variants.some(({ variant, speeds }) => variant.framework !== 'presisi' && speeds.length > 0);

/** `weights` is the share that narrower weights alone save. */
export function sizeGain(evidence: Evidence, precision: 'fp16' | 'int8', study: number, weights: number): Finding {
  const kind = precision.toUpperCase();
  const built = ofPrecision(evidence, precision).flatMap((summary) =>
    summary.size ? [{ summary, gain: 1 - summary.size.againstCheckpoint }] : [],
  );
  const [best] = [...built].sort((a, b) => b.gain - a.gain);
  if (best === undefined) return notMeasured(`no ${kind} engine was built`);
  const gains = built.map(({ gain }) => gain);
  return decided(
    // In whole percents, as the study gives it.
    Math.round(best.gain * 100) >= Math.round(study * 100),
    `${percent(best.gain)} (${best.summary.variant.model})`,
    `Holds where the best ${kind} engine is at least ${(study * 100).toFixed(0)} % smaller than its checkpoint. ` +
      `Over ${counted(modelsIn(built.map(({ summary }) => summary)), 'model')}: ${range(gains, percent)} smaller. ` +
      `Narrower weights alone give ${(weights * 100).toFixed(0)} %; more than that means that the checkpoint carries something else.`,
  );
}

export function worstDrop(evidence: Evidence, precision: 'fp16' | 'int8', study: number): Finding {
  const kind = precision.toUpperCase();
  const all = ofPrecision(evidence, precision);
  if (all.length === 0) return notMeasured(`no ${kind} engine was built`);
  const seeded = evidence.results.models.every((model) => model.seeded);
  if (seeded) return notMeasured('the weights are random, so accuracy means nothing');
  const answered = all.flatMap((summary) =>
    summary.accuracy?.drop && !summary.accuracy.seeded
      ? [{ summary, accuracy: summary.accuracy, drop: summary.accuracy.drop }]
      : [],
  );
  // The study calibrated by entropy; other methods are only looked at where that one was not tried.
  const entropy = answered.filter(({ summary }) => summary.variant.calibration?.method === 'entropy');
  const judged = entropy.length > 0 ? entropy : answered;
  const [worst] = [...judged].sort((a, b) => b.drop.value - a.drop.value);
  if (worst === undefined) {
    return notMeasured(`no ${kind} engine's accuracy was measured beside that of its FP32 engine`);
  }
  const points = (share: number): string => (share * 100).toFixed(2);
  const { drop, accuracy, summary } = worst;
  const calibrated =
    precision === 'int8' ? `, ${entropy.length > 0 ? 'calibrated by entropy' : 'however calibrated'}` : '';
  return decided(
    // To a tenth of a point, as the study gives it.
    Number((drop.value * 100).toFixed(1)) <= study,
    `${points(drop.value)} points (${summary.variant.model}; 95 % interval ${points(drop.interval[0])} to ${points(drop.interval[1])})`,
    `Holds where no network loses more than ${study} points of top-1 against its FP32 engine${calibrated}. ` +
      `Over ${counted(modelsIn(judged.map((each) => each.summary)), 'model')}, on ${counted(accuracy.top1.total, 'picture')}.`,
  );
}

export function latencyGain(evidence: Evidence, least: number): Finding {
  const { variants, results } = evidence;
  if (!hasBaseline(variants)) return notMeasured(NO_BASELINE);
  const rows = results.models.flatMap(({ id }) => {
    const ratios = [...ofPrecision(evidence, 'fp16'), ...ofPrecision(evidence, 'int8')]
      .filter(({ variant }) => variant.model === id)
      .flatMap(({ speeds }) => speedAtOne(speeds)?.againstBaseline?.value ?? []);
    return ratios.length > 0 ? [{ id, gain: 1 - Math.min(...ratios) }] : [];
  });
  if (rows.length === 0) return notMeasured('no quantized engine was timed at batch 1 beside its framework');
  const gains = rows.map(({ gain }) => gain);
  const kept = rows.filter(({ gain }) => Math.round(gain * 100) >= Math.round(least * 100)).length;
  return decided(
    kept === rows.length,
    `${range(gains, (gain) => percent(Math.abs(gain) < 0.0005 ? 0 : gain))} lower`,
    `Holds where each model's fastest quantized engine has a median latency at batch 1 at least ${(least * 100).toFixed(0)} % below ` +
      `the framework's. It has for ${kept} of ${counted(rows.length, 'model')}; negative figures are slower ones.`,
  );
}
