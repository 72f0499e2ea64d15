import type { Share } from '../statistics.js';
import type { AuditedLayer, Flag, Results, Variant } from './results.js';

/** A quantity measured several times: the median of the trials, and the 95 % interval of it where there are enough. */
export interface Estimate {
  readonly value: number;
  readonly interval?: readonly [number, number];
  /** Trials behind it. */
  readonly trials: number;
}

/** One estimate over another. */
export interface Ratio {
  readonly value: number;
  /** 95 %; absent where there are too few trials. */
  readonly interval?: readonly [number, number];
  /** Whether the difference is more than noise: the interval leaves out 1. Absent without an interval. */
  readonly beyondNoise?: boolean;
}

export interface PhaseCost {
  /** `phase 1`, `phase 2` */
  readonly phase: string;
  /** `read`, `calibrate`, `build`, … */
  readonly name: string;
  readonly seconds: Estimate;
  readonly cpuSeconds?: Estimate;
  /** Steps within. */
  readonly steps: readonly PhaseCost[];
}

export interface Overhead {
  readonly seconds: Estimate;
  readonly phase1: Estimate;
  readonly phase2: Estimate;
  readonly phases: readonly PhaseCost[];
  readonly cores?: Estimate;
  readonly peakRss?: Estimate;
  readonly gpuLoad?: Estimate;
  readonly joules?: Estimate & { readonly scope: string };
  /** Builds of the same thing: whether their files are the same, and how much their times vary (standard deviation over mean). */
  readonly builds: { readonly count: number; readonly identical: boolean; readonly variation?: number };
}

export interface Size {
  readonly checkpoint: number;
  readonly onnx: number;
  readonly engine: number;
  readonly weights?: number;
  /** Engine over checkpoint, and over the FP32 engine of the same model and backend. */
  readonly againstCheckpoint: number;
  readonly againstFp32?: number;
}

export interface Accuracy {
  readonly top1: Share;
  readonly top5: Share & { readonly k: number };
  /** How often it answers what FP32 answers. */
  readonly agreement?: Share;
  /** Top-1 of the FP32 engine less this one, share; paired by picture. Negative: it got better. */
  readonly drop?: {
    readonly value: number;
    readonly interval: readonly [number, number];
    readonly beyondNoise: boolean;
  };
  /** Classes by how much they lost against FP32, worst first; pictures right before and now. */
  readonly perClass?: readonly {
    readonly index: number;
    readonly label?: string;
    readonly total: number;
    readonly before: number;
    readonly now: number;
  }[];
  readonly seeded: boolean;
}

/** One batch size and number of threads. */
export interface Speed {
  readonly batch: number;
  readonly threads: number;
  /** Milliseconds of a run. */
  readonly p50: Estimate;
  readonly mean: Estimate;
  readonly p90: Estimate;
  readonly p95: Estimate;
  readonly p99: Estimate;
  readonly jitter: Estimate;
  /** Samples a second. */
  readonly throughput: Estimate;
  readonly loadSeconds: Estimate;
  readonly firstRunSeconds: Estimate;
  readonly cores?: Estimate;
  readonly peakRss?: Estimate;
  readonly gpuLoad?: Estimate;
  /** Joules of a sample, above what the device draws idle where that is known. */
  readonly energy?: Estimate & { readonly scope: string; readonly aboveIdle: boolean };
  /** Median latency over the baseline's, and over FP32's of the same model and backend. */
  readonly againstBaseline?: Ratio;
  readonly againstFp32?: Ratio;
  /** Single runs of all trials, milliseconds, thinned to at most 2000. */
  readonly samples: readonly number[];
}

/** The smallest batch within 2 % of the best throughput, by number of threads. */
export interface Saturation {
  readonly threads: number;
  readonly batch: number;
  /** Samples a second at that batch. */
  readonly throughput: number;
  /** Whether a larger batch was measured and gained less than that; else throughput may still grow. */
  readonly reached: boolean;
}

/** After how many inferences at batch 1 what the compression cost is repaid. */
export interface BreakEven {
  /** Variant it is compared with: the baseline, else the FP32 engine. */
  readonly against: string;
  /** What is repaid, and what one inference saves. Absent with a reason where it never is, or can't be told. */
  readonly time?: { readonly inferences: number; readonly cost: number; readonly savingPerInference: number };
  readonly energy?: { readonly inferences: number; readonly cost: number; readonly savingPerInference: number };
  readonly reasons: { readonly time?: string; readonly energy?: string };
}

export interface VariantSummary {
  readonly variant: Variant;
  /** For people: `INT8, entropy of 192`. */
  readonly label: string;
  readonly size?: Size;
  readonly overhead?: Overhead;
  readonly accuracy?: Accuracy;
  readonly speeds: readonly Speed[];
  /** Where throughput stops growing with the batch; empty where fewer than two batches were measured. */
  readonly saturations: readonly Saturation[];
  readonly breakEven?: BreakEven;
  /** No other variant of any model is at least as good in accuracy, latency and size, and better in one. */
  readonly paretoBest: boolean;
  readonly verdict?: string;
  readonly layers?: readonly AuditedLayer[];
  /** Disturbances of the trials that count. */
  readonly flags: readonly Flag[];
  readonly failures: readonly string[];
}

/** A claim of the study this tool grew out of, recomputed. */
export interface Claim {
  readonly id: string;
  readonly statement: string;
  /** What the study found. */
  readonly study: string;
  /** What was found here. */
  readonly here: string;
  readonly verdict: 'holds' | 'does not hold' | 'not measured';
  /** How it was decided, and over what. */
  readonly detail: string;
}

/** What limits a recommendation must keep; absent: no limit. */
export interface Limits {
  /** Median latency at batch 1, milliseconds. */
  readonly latency?: number;
  /** Points of top-1 below the FP32 engine of the same model, in percent. */
  readonly accuracyDrop?: number;
  /** Top-1, percent. */
  readonly accuracy?: number;
  /** Engine file, bytes. */
  readonly size?: number;
  /** Joules of an inference. */
  readonly energy?: number;
  /** Peak resident memory while inferring, bytes. */
  readonly memory?: number;
  /** Only this model. */
  readonly model?: string;
}

export interface Recommendation {
  /** The best variant that keeps every limit; absent where none does. */
  readonly best?: VariantSummary;
  /** Why it and not another, in sentences. */
  readonly why: readonly string[];
  /** Every variant that keeps the limits and is beaten by no other, best first. */
  readonly candidates: readonly VariantSummary[];
  /** Where none fits: those that miss by the least, and by how much. */
  readonly closest: readonly { readonly variant: VariantSummary; readonly misses: readonly string[] }[];
}

/** Everything computed from results; what reports are drawn from. */
export interface Summary {
  readonly results: Results;
  /** In the order of the experiment: by model, baselines first. */
  readonly variants: readonly VariantSummary[];
  readonly claims: readonly Claim[];
  /** With no limits but that the accuracy lost is at most a point. */
  readonly recommendation: Recommendation;
  /** What a reader must know before believing anything. */
  readonly warnings: readonly string[];
}
