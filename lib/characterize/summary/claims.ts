import type { Results } from '../results.js';
import type { Claim, VariantSummary } from '../summary.js';
import { overheadGrowth, overheadOfInt8, resourceUse } from './claims-cost.js';
import { latencyGain, sizeGain, worstDrop } from './claims-gain.js';
import { type Evidence, type Finding, notMeasured } from './finding.js';
import type { Measured } from './measured.js';

/** The study's figures; `find` decides what became of them on this device, and says by which rule. */
const CLAIMS: readonly (Omit<Claim, keyof Finding> & { find(evidence: Evidence): Finding })[] = [
  {
    id: 'size-fp16',
    statement: 'FP16 makes a model up to 58 % smaller',
    study: '58 %, best case',
    find: (evidence) => sizeGain(evidence, 'fp16', 0.58, 0.5),
  },
  {
    id: 'size-int8',
    statement: 'INT8 makes a model up to 77 % smaller',
    study: '77 %, best case',
    find: (evidence) => sizeGain(evidence, 'int8', 0.77, 0.75),
  },
  {
    id: 'accuracy-fp16',
    statement: 'FP16 costs at most 4.5 points of top-1',
    study: '4.5 points, worst case',
    find: (evidence) => worstDrop(evidence, 'fp16', 4.5),
  },
  {
    id: 'accuracy-int8',
    statement: 'INT8 costs at most 13.9 points of top-1',
    study: '13.9 points, worst case',
    find: (evidence) => worstDrop(evidence, 'int8', 13.9),
  },
  {
    id: 'latency',
    statement: 'Quantized, a model answers in 55 % to 67 % less time than run by its framework',
    study: '55 % to 67 % lower',
    find: (evidence) => latencyGain(evidence, 0.55),
  },
  {
    id: 'overhead-int8',
    statement: 'Making an INT8 engine takes longer than making an FP16 one',
    study: 'longer, because of calibration',
    find: overheadOfInt8,
  },
  {
    id: 'overhead-size',
    statement: 'The overhead grows with the size of the model',
    study: 'grows from small to large models',
    find: overheadGrowth,
  },
  {
    id: 'overhead-gpu-cores',
    statement: 'The overhead shrinks with the number of GPU cores',
    study: 'shorter with 2.7 times the cores',
    find: () => notMeasured('one device alone can not show it: `presisi compare` puts two side by side'),
  },
  {
    id: 'memory',
    statement: 'A quantized model uses less memory than the original',
    study: 'less',
    find: (evidence) => resourceUse(evidence, 'memory'),
  },
  {
    id: 'cpu',
    statement: 'A quantized model uses more CPU than the original',
    study: 'more: smaller kernels are launched more often',
    find: (evidence) => resourceUse(evidence, 'cpu'),
  },
  {
    id: 'gpu',
    statement: 'A quantized model uses less GPU than the original',
    study: 'less',
    find: (evidence) => resourceUse(evidence, 'gpu'),
  },
];

/** The study's claims as statements that hold or don't here. */
export function claimsOf(
  results: Results,
  variants: readonly VariantSummary[],
  measured: readonly Measured[],
): Claim[] {
  const evidence: Evidence = { results, variants, measured };
  return CLAIMS.map(({ find, ...claim }) => ({ ...claim, ...find(evidence) }));
}
