import type { PhaseCost, Summary } from '../characterize/summary.js';
import type { LegendItem } from './document.js';

/** A step of the compression as the report's charts show it: numbered, with a colour of its own. */
export interface Phase {
  readonly key: string;
  /** `phase 1`, `phase 2`; absent of the other steps together. */
  readonly of?: string;
  readonly label: string;
  /** Counts from 1, in the order the steps are done. */
  readonly number: number;
  readonly colour: string;
}

/** More would have colours nobody tells apart. */
const MOST = 8;

/** A step that takes a smaller share of the whole is left out of tables; results.json has all of them. */
export const NOTABLE = 0.005;

export const phaseKey = ({ phase, name }: Pick<PhaseCost, 'phase' | 'name'>): string => `${phase}/${name}`;

/**
 * The steps worth a colour: those that took the largest shares of any variant's time. The others are one last `other`.
 */
export function phasesOf({ variants }: Summary): Phase[] {
  const shares = new Map<string, { cost: PhaseCost; share: number }>();
  for (const { overhead } of variants) {
    for (const cost of overhead?.phases ?? []) {
      const share = cost.seconds.value / (overhead?.seconds.value || 1);
      const known = shares.get(phaseKey(cost));
      shares.set(phaseKey(cost), { cost: known?.cost ?? cost, share: Math.max(share, known?.share ?? 0) });
    }
  }
  const all = inOrder(variants.flatMap(({ overhead }) => (overhead ? [overhead.phases.map(phaseKey)] : [])));
  const largest = [...all].sort((a, b) => (shares.get(b)?.share ?? 0) - (shares.get(a)?.share ?? 0));
  const shown = new Set(all.length <= MOST ? all : largest.slice(0, MOST - 1));
  const phases = all
    .flatMap((key) => (shown.has(key) ? (shares.get(key) ?? []) : []))
    .map(({ cost: { phase, name } }, index) => {
      const key = phaseKey({ phase, name });
      return { key, of: phase, label: name, number: index + 1, colour: `--phase-${index + 1}` };
    });
  if (shown.size === all.length) return phases;
  return [...phases, { key: OTHER, label: 'other steps', number: MOST, colour: `--phase-${MOST}` }];
}

const OTHER = 'other';

/** The phase a step is shown as. */
export const phaseOf = (phases: readonly Phase[], key: string): Phase | undefined =>
  phases.find((phase) => phase.key === key) ?? phases.find((phase) => phase.key === OTHER);

/**
 * One order that keeps the order of every sequence, where they don't contradict each other: a step that only some
 * variants have stands before the step that follows it there.
 */
function inOrder(sequences: readonly (readonly string[])[]): string[] {
  const order: string[] = [];
  for (const sequence of sequences) {
    for (const [index, key] of sequence.entries()) {
      if (order.includes(key)) continue;
      const next = sequence.slice(index + 1).find((later) => order.includes(later));
      order.splice(next === undefined ? order.length : order.indexOf(next), 0, key);
    }
  }
  return order;
}

export const phaseLegend = (phases: readonly Phase[]): LegendItem[] =>
  phases.map(({ of, label, number, colour }, index) => ({
    ...(of !== undefined &&
      of !== phases[index - 1]?.of && { heading: `${of.charAt(0).toUpperCase()}${of.slice(1)}:` }),
    label,
    number,
    colour,
  }));

export const phaseColour = (phases: readonly Phase[]) => ({
  field: 'phase',
  type: 'nominal',
  legend: null,
  scale: { domain: phases.map(({ number }) => number), range: phases.map(({ colour }) => `var(${colour})`) },
});
