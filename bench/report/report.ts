import { type Activity, disturbance } from '../machine.js';
import { PARTS, type Part } from '../options.js';
import type { Measured, Results, Settings } from '../results.js';
import { costSection } from './cost.js';
import { type Section, verdictTable } from './format.js';
import { disagreements, latencySection } from './latency.js';
import { loadSection } from './load.js';
import { overheadSection } from './overhead.js';
import { pipelineSection } from './pipeline.js';
import { quantizeSection } from './quantize.js';

type Found = Results['parts'];

const SECTIONS: { readonly [P in Part]: (found: NonNullable<Found[P]>['found']) => Section } = {
  latency: latencySection,
  load: loadSection,
  overhead: overheadSection,
  quantize: quantizeSection,
  pipeline: pipelineSection,
  cost: costSection,
};

interface Shown {
  readonly section: Section;
  readonly measured: Measured<unknown>;
}

function show<P extends Part>(part: P, parts: Found): Shown | undefined {
  const measured = parts[part];
  // TypeScript doesn't see that both are of the same part.
  return measured && { section: SECTIONS[part](measured.found as never), measured };
}

function activityLine({ date, minutes, load, clocksMHz, others, steal }: Activity): string {
  const [before, after] = clocksMHz.map((clocks) => [...new Set(clocks)].join(', '));
  const shares = [
    ...(others === undefined ? [] : [`${(others * 100).toFixed(1)} % of the cores' time went to other processes`]),
    ...(steal === undefined ? [] : [`${(steal * 100).toFixed(1)} % to the hypervisor`]),
  ];
  return [
    `${date}, ${minutes.toFixed(0)} minutes; load average ${load[0].toFixed(2)} before, ${load[1].toFixed(2)} after`,
    ...(before ? [`clocks ${before} MHz before, ${after} MHz after, as the kernel shows them`] : []),
    ...(shares.length > 0 ? [shares.join(', ')] : []),
  ].join('; ');
}

function settingsLine(part: Part, { threads, trials, fitTrials }: Settings): string {
  return `${threads} threads, ${part === 'cost' ? fitTrials : trials} trials`;
}

function machineLine({ machine }: Results): string {
  const versions = Object.entries(machine.versions).map(([name, version]) => `${name} ${version}`);
  const governor = machine.governor === undefined ? '' : `, governor ${machine.governor}`;
  return (
    `${machine.cpu}, ${machine.cores} logical cores${governor}, ${(machine.memoryBytes / 1e9).toFixed(0)} GB; INT8 by ` +
    `${machine.int8Isa}. ${versions.join(', ')}.`
  );
}

/** The results as Markdown. */
export function markdown(results: Results): string {
  const shown = PARTS.flatMap((part) => {
    const found = show(part, results.parts);
    return found ? { part, ...found } : [];
  });
  const verdicts = shown.flatMap(({ section }) => section.verdicts);
  return [
    machineLine(results),
    ...(verdicts.length > 0 ? [verdictTable(verdicts)] : []),
    ...shown.flatMap(({ part, section, measured }) => {
      const problem = disturbance(measured);
      return [
        `### ${section.title}`,
        `${settingsLine(part, measured.settings)}; ${activityLine(measured)}.`,
        ...(problem === undefined ? [] : [`**Not to be relied on: ${problem}.**`]),
        ...section.blocks,
      ];
    }),
  ].join('\n\n');
}

/** Whether the runtimes compute the same. */
export const agree = ({ parts: { latency } }: Results): boolean =>
  latency === undefined || disagreements(latency.found).length === 0;
