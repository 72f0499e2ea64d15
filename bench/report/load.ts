import type { LoadCase, LoadResults } from '../parts/load.js';
import { median, type Resident } from '../workers/measure.js';
import { ABSENT, atMost, digits, geometricMean, megabytes, ratio, type Section, table } from './format.js';

/** presisi's time by ONNX Runtime's. */
function loadRatio({ presisi, ort }: LoadCase): number | undefined {
  if (ort === undefined) return undefined;
  return median(presisi.map(({ loadMs }) => loadMs)) / median(ort.map(({ loadMs }) => loadMs));
}

const bytes = (held: readonly Resident[], part: keyof Resident): number => median(held.map((entry) => entry[part]));

/** What the engine holds by what it needs. */
const heldRatio = ({ held, weightBytes, arenaBytes }: LoadCase): number =>
  bytes(held.presisi, 'total') / (weightBytes + arenaBytes);

const name = ({ network, precision }: LoadCase): string => `${network}, ${precision.toUpperCase()}`;

function loadTable(cases: readonly LoadCase[]): string {
  const show = (results: LoadCase['ort']): string[] =>
    results === undefined
      ? [ABSENT, ABSENT]
      : [median(results.map(({ loadMs }) => loadMs)), median(results.map(({ firstRunMs }) => firstRunMs))].map(digits);
  const rows = cases.map((entry) => {
    const found = loadRatio(entry);
    return [
      name(entry),
      ...show(entry.presisi),
      ...show(entry.ort),
      found === undefined ? ABSENT : `**${ratio(found)}**`,
    ];
  });
  return table(['network', 'presisi: load', 'first run', 'ORT: load', 'first run', 'ratio of loading'], rows);
}

function memoryTable(cases: readonly LoadCase[]): string {
  const rows = cases.map((entry) => [
    name(entry),
    megabytes(entry.weightBytes),
    megabytes(entry.arenaBytes),
    megabytes(bytes(entry.held.presisi, 'total')),
    megabytes(bytes(entry.held.presisi, 'file')),
    `**${ratio(heldRatio(entry))}**`,
    entry.held.ort === undefined ? ABSENT : megabytes(bytes(entry.held.ort, 'total')),
  ]);
  return table(['network', 'weights', 'arena', 'presisi holds', 'of it the file', 'ratio', 'ORT holds'], rows);
}

const largest = (values: readonly number[]): number | undefined =>
  values.length > 0 ? Math.max(...values) : undefined;

export function loadSection({ cases }: LoadResults): Section {
  const ratios = cases.flatMap((entry) => loadRatio(entry) ?? []);
  return {
    title: 'Loading',
    blocks: [
      'Milliseconds of `loadEngine()` and of `InferenceSession.create()` from the same network, the libraries being in ' +
        'memory, and of the first run after it. Medians over the trials.',
      loadTable(cases),
      'MB that a network adds to what its process has resident, after its first run at batch 1, in a process that has ' +
        'run a tiny network before; beside the weights and the arena that the engine says it needs. What is mapped from ' +
        'the engine file counts as far as it was touched.',
      memoryTable(cases),
    ],
    verdicts: [
      atMost('loading ≤ 0.3 of ORT, every network and precision', largest(ratios), 0.3),
      atMost('loading ≤ 0.3 of ORT, geometric mean', geometricMean(ratios), 0.3),
      atMost('resident ≤ 1.3 of weights + arena, every network and precision', largest(cases.map(heldRatio)), 1.3),
    ],
  };
}
