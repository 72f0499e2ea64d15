import { percent } from '../../units.js';
import { range } from '../summary/claims-gain.js';
import { ratio } from '../summary/estimate.js';
import { decided, type Finding, notMeasured } from '../summary/finding.js';
import { type Measured, timedAt } from '../summary/measured.js';
import { totalSeconds } from '../summary/overhead.js';
import { speedAtOne } from '../summary/speed.js';
import type { Claim, Ratio } from '../summary.js';
import type { Match, Side } from './compare.js';

/** What the study found between a Xavier NX with 384 cores and an Orin Nano with 1024. */
const CLAIMS = [
  {
    id: 'overhead-gpu-cores',
    statement: 'The overhead of compressing shrinks with the number of GPU cores',
    study: 'shorter with 2.7 times the cores',
    what: 'time of both phases',
    of: ({ compress }: Measured) => compress.map(totalSeconds),
  },
  {
    id: 'latency-gpu-cores',
    statement: 'The latency of a compressed model shrinks with the number of GPU cores',
    study: 'lower with 2.7 times the cores',
    what: 'latency at batch 1',
    of: (measured: Measured, threads: number) => timedAt(measured, 1, threads).map(({ latency }) => latency.run.p50),
  },
];

/** Whether more GPU cores help, between each device and the next larger one. */
export function gpuCoreClaims(sides: readonly Side[], matches: readonly Match[]): Claim[] {
  const places = sides.map((side, index) => ({ index, label: side.label, cores: side.results.device.gpu?.cores }));
  const unknown = places.filter(({ cores }) => cores === undefined).map(({ label }) => label);
  const steps = stepsOf(places.flatMap(({ index, cores }) => (cores === undefined ? [] : [{ index, cores }])));
  return CLAIMS.map(({ what, of, ...claim }) => {
    const found = (): Finding => {
      if (unknown.length > 0) return notMeasured(`how many GPU cores it has is not known of ${unknown.join(' and ')}`);
      if (steps.length === 0) return notMeasured('the devices have the same number of GPU cores');
      const ratios = steps.flatMap(([few, many]) =>
        matches.flatMap((match) => changeOf(match, few.index, many.index, of)),
      );
      if (ratios.length === 0) return notMeasured(`the ${what} of no engine was measured on both`);
      const shrank = ratios.filter(({ value, beyondNoise }) => value < 1 && beyondNoise !== false).length;
      const times = steps.map(([few, many]) => `${(many.cores / few.cores).toFixed(1)} times`).join(' and ');
      const change = (value: number): string => percent(value - 1).replace(/^(?=\d)/, '+');
      return decided(
        shrank === ratios.length,
        `${what} ${range(
          ratios.map(({ value }) => value),
          change,
        )} with ${times} the cores`,
        `Holds where the ${what} is lower with more GPU cores for every engine that both devices have, by more than noise ` +
          `where there are repeats enough to tell. It is for ${shrank} of ${ratios.length}. Devices differ in more than their cores.`,
      );
    };
    return { ...claim, ...found() };
  });
}

interface Place {
  readonly index: number;
  readonly cores: number;
}

/** Each device and the next one that has more. */
function stepsOf(places: readonly Place[]): (readonly [Place, Place])[] {
  const sorted = [...places].sort((a, b) => a.cores - b.cores);
  return sorted.slice(1).flatMap((many, index) => {
    const few = sorted[index] as Place;
    return many.cores > few.cores ? [[few, many] as const] : [];
  });
}

function changeOf(
  { measured, summaries }: Match,
  few: number,
  many: number,
  of: (measured: Measured, threads: number) => readonly number[],
): Ratio[] {
  const [a, b] = [measured[few], measured[many]];
  if (a === undefined || b === undefined || a.variant.framework !== 'presisi') return [];
  const threads = speedAtOne(summaries[few]?.speeds ?? [])?.threads ?? 0;
  const found = ratio(of(b, threads), of(a, threads));
  return found ? [found] : [];
}
