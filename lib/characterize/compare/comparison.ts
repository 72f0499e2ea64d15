import type { Share } from '../../statistics.js';
import type { Device, Environment, Variant } from '../results.js';
import type { Accuracy, Claim, Estimate, Ratio } from '../summary.js';

/** One of the results that are compared. Lists elsewhere are in the order of these; the first is what ratios are over. */
export interface ComparedResults {
  /** The device's name; told apart where several have the same. */
  readonly label: string;
  readonly name: string;
  /** ISO 8601. */
  readonly started: string;
  readonly device: Device;
  readonly environment: Environment;
}

export type ComparedQuantity =
  | 'overhead'
  | 'phase 1'
  | 'phase 2'
  | 'latency'
  | 'throughput'
  | 'energy'
  | 'memory'
  | 'size';

/** One quantity of one variant on each device. */
export interface ComparedFigure {
  readonly quantity: ComparedQuantity;
  readonly unit: 's' | 'ms' | '1/s' | 'J' | 'B';
  /** Where it depends on them. */
  readonly batch?: number;
  readonly threads?: number;
  /** Null where it was not measured. */
  readonly values: readonly (Estimate | null)[];
  /** Over the first device's; null for that one itself, and where there is nothing to divide. */
  readonly ratios: readonly (Ratio | null)[];
}

export interface ComparedVariant {
  readonly model: string;
  readonly label: string;
  readonly framework: Variant['framework'];
  readonly precision: Variant['precision'];
  /** By device, what the variant is called in its results. */
  readonly ids: readonly string[];
  readonly figures: readonly ComparedFigure[];
  readonly accuracy?: {
    /** Top-1; null where it was not measured. */
    readonly values: readonly (Share | null)[];
    /** Top-1 of the first less that of this, paired by picture; null where they did not answer the same pictures. */
    readonly drops: readonly (NonNullable<Accuracy['drop']> | null)[];
  };
}

/** Devices side by side, or one device at different times. */
export interface Comparison {
  readonly results: readonly ComparedResults[];
  /** What all of them have. */
  readonly variants: readonly ComparedVariant[];
  /** What only some have, by results. */
  readonly leftOut: readonly (readonly string[])[];
  /** The study's claims about the number of GPU cores. */
  readonly claims: readonly Claim[];
  /** In which circumstances they differ: versions, power modes, what the experiment asked for. */
  readonly differences: readonly { readonly what: string; readonly values: readonly string[] }[];
  /** What makes the comparison doubtful. */
  readonly warnings: readonly string[];
}
