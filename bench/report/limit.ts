// Shares of the processor's limit, from latencies and what the register-only loop reached around them.
import type { LatencyCase, LatencyResults } from '../parts/latency.js';
import type { Peak } from '../peak.js';
import { median } from '../workers/measure.js';
import type { Precision } from '../workspace.js';
import { ABSENT, atLeast, digits, percent, table, type Verdict } from './format.js';
import { latency } from './trials.js';

/** ResNet-50, of all that the processor's multipliers could do. */
const LEAST_SHARE = 0.62;

const rates = (peaks: readonly Peak[], precision: Precision): number[] =>
  peaks.flatMap((peak) => peak[precision]?.macsPerSecond ?? []);

/** Multiply-accumulates a second, and by what was the limit then. */
function speed(entry: LatencyCase, precision: Precision): { macsPerSecond: number; share: number | undefined } {
  const macsPerSecond = entry.macs / (latency(entry, `presisi ${precision}`) / 1000);
  const limits = rates(entry.peaks, precision);
  return { macsPerSecond, share: limits.length > 0 ? macsPerSecond / median(limits) : undefined };
}

function shareTable(cases: readonly LatencyCase[]): string {
  const cells = (entry: LatencyCase, precision: Precision): string[] => {
    const { macsPerSecond, share } = speed(entry, precision);
    return [digits(macsPerSecond / 1e9), share === undefined ? ABSENT : percent(share)];
  };
  const rows = cases.map((entry) => [
    `${entry.network}, batch ${entry.batch}`,
    digits(entry.macs / 1e9),
    ...cells(entry, 'int8'),
    ...cells(entry, 'fp32'),
  ]);
  return table(['network', 'GMAC', 'INT8 GMAC/s', 'share', 'FP32 GMAC/s', 'share'], rows);
}

function limitOf(peaks: readonly Peak[], precision: Precision): string | undefined {
  const found = rates(peaks, precision).map((rate) => rate / 1e9);
  const isa = peaks.find((peak) => peak[precision])?.[precision]?.isa;
  if (found.length === 0) return undefined;
  const range = `${digits(Math.min(...found))}–${digits(Math.max(...found))}`;
  return `${precision.toUpperCase()} ${digits(median(found))} GMAC/s (${range}) by ${isa}`;
}

export function limitBlocks({ cases, peakAbsent }: LatencyResults): string[] {
  const peaks = cases.flatMap((entry) => entry.peaks);
  if (peaks.length === 0) return [`The processor's limit is not known: ${peakAbsent ?? 'nothing was measured'}.`];
  const limits = (['int8', 'fp32'] as const).flatMap((precision) => limitOf(peaks, precision) ?? []);
  const clocks = peaks.map(({ hertz }) => hertz / 1e9).filter((gigahertz) => gigahertz > 0);
  const clock = clocks.length > 0 ? ` The clock of a core was ${digits(median(clocks))} GHz.` : '';
  return [
    `The limit, from loops in registers before, between and after the trials, median (least–most): ${limits.join(', ')}.` +
      `${clock} presisi's share of it, over whole runs:`,
    shareTable(cases),
  ];
}

export function limitVerdicts({ cases }: LatencyResults): Verdict[] {
  const resnet = cases.find(({ network, batch }) => network === 'resnet50' && batch === 1);
  return (['int8', 'fp32'] as const).map((precision) =>
    atLeast(
      `${precision.toUpperCase()}, ResNet-50, batch 1: ≥ 62 % of the processor's limit`,
      resnet && speed(resnet, precision).share,
      LEAST_SHARE,
    ),
  );
}
