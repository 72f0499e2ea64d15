import { type Agreement, LEAST_COSINE } from './compare.js';
import type { Machine } from './machine.js';
import { median } from './measure.js';
import type { TrialResult } from './tasks.js';

/** In the order in which trials alternate. */
export const VARIANTS = [
  { name: 'presisi fp32', runtime: 'presisi', precision: 'fp32' },
  { name: 'onnxruntime fp32', runtime: 'onnxruntime', precision: 'fp32' },
  { name: 'presisi int8', runtime: 'presisi', precision: 'int8' },
  { name: 'onnxruntime int8', runtime: 'onnxruntime', precision: 'int8' },
] as const;
export type Variant = (typeof VARIANTS)[number]['name'];

export type Trial = Omit<TrialResult, 'outputs'>;

/** One model at one batch. */
export interface Case {
  readonly model: string;
  readonly modelSha256: string;
  readonly batch: number;
  /** In the order they ran. */
  readonly trials: Readonly<Record<Variant, readonly Trial[]>>;
  readonly agreement: {
    /** Of the two runtimes. */
    readonly fp32: Agreement;
    /** Of each runtime's INT8 with its quantized ONNX file executed node by node, as it is written. */
    readonly asWritten: { readonly presisi: Agreement; readonly onnxruntime: Agreement };
    /** Of each runtime's INT8 with its own FP32. */
    readonly precisions: { readonly presisi: Agreement; readonly onnxruntime: Agreement };
  };
}

export interface Results {
  readonly machine: Machine;
  readonly threads: number;
  readonly trials: number;
  readonly seed: number;
  readonly unsignedActivations: boolean;
  readonly ortInt8: 'own' | 'export';
  /** Mean of a minute, before the first trial and after the last. */
  readonly loads: readonly [number, number];
  readonly cases: readonly Case[];
}

export interface Summary {
  /** Median over the trials, and the extremes. */
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function summarize(trials: readonly Trial[], of: (trial: Trial) => number): Summary {
  const values = trials.map(of);
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** Where outputs differ so much that the latencies mean nothing. */
export function disagreements({ cases }: Pick<Results, 'cases'>): string[] {
  return cases.flatMap(({ model, batch, agreement: { fp32, asWritten, precisions } }) => {
    const wrong: [string, Agreement][] = [];
    if (fp32.cosine < LEAST_COSINE.fp32 || fp32.sameTop < fp32.pictures) wrong.push(['presisi and ORT, FP32', fp32]);
    // Deep networks with random weights amplify every sum that is rounded the other way, in any correct kernel; but
    // that must stay small beside what 8 bits cost at all. A wrong kernel is as far from its file as from FP32.
    const least = Math.min(LEAST_COSINE.int8, 1 - (1 - precisions.presisi.cosine) / 2);
    if (!(asWritten.presisi.cosine >= least)) wrong.push(['presisi INT8 and its file', asWritten.presisi]);
    return wrong.map(([what, { cosine, sameTop, pictures }]) => {
      const found = `cosine ${cosine.toFixed(5)}, best class equal for ${sameTop} of ${pictures}`;
      return `${model}, batch ${batch}: outputs of ${what} differ (${found})`;
    });
  });
}
