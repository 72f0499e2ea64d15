import type { Results } from '../results.js';
import type { Claim, VariantSummary } from '../summary.js';
import type { Measured } from './measured.js';

/** What claims are decided from. */
export interface Evidence {
  readonly results: Results;
  readonly variants: readonly VariantSummary[];
  readonly measured: readonly Measured[];
}

/** What became of a claim here. */
export type Finding = Pick<Claim, 'here' | 'verdict' | 'detail'>;

export const notMeasured = (why: string): Finding => ({ here: 'not measured', verdict: 'not measured', detail: why });

export const decided = (holds: boolean, here: string, detail: string): Finding => ({
  here,
  verdict: holds ? 'holds' : 'does not hold',
  detail,
});
