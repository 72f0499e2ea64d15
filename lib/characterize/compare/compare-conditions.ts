import type { Results } from '../results.js';
import type { Match, Side } from './compare.js';
import type { Comparison } from './comparison.js';

/** A value as a table shows it. */
const shown = (value: unknown): string => {
  if (value === undefined) return 'not known';
  if (Array.isArray(value)) return value.map(shown).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};

/** A part of the experiment as it was asked for, by its path. */
function asked({ experiment }: Results, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], experiment);
}

/** Settings that change what is measured: what differs in them isn't compared like with like. */
const METHOD: readonly (readonly [what: string, ...path: string[]])[] = [
  ['seconds measured', 'latency', 'duration'],
  ['milliseconds of warm-up', 'latency', 'warmUp'],
  ['least runs measured', 'latency', 'iterations'],
  ['calibration methods', 'calibration', 'methods'],
  ['calibration pictures', 'calibration', 'samples'],
  ["TensorRT's own calibration", 'calibration', 'implicit'],
];

/** Settings that only change how sure the figures are. */
const EFFORT: typeof METHOD = [
  ['repeats', 'repeats'],
  ['cool-down, seconds', 'coolDown'],
  ['samples a second', 'telemetry', 'rate'],
];

interface Difference {
  readonly what: string;
  readonly values: readonly string[];
}

const differing = (rows: readonly Difference[]): Difference[] => rows.filter(({ values }) => new Set(values).size > 1);

const settings = (all: readonly Results[], list: typeof METHOD): Difference[] =>
  differing(list.map(([what, ...path]) => ({ what, values: all.map((results) => shown(asked(results, ...path))) })));

const names = (all: readonly Results[], of: (results: Results) => Readonly<Record<string, string>>): string[] => [
  ...new Set(all.flatMap((results) => Object.keys(of(results)))),
];

/** Everything in which the results' circumstances differ, with each one's value. */
export function differencesOf(all: readonly Results[]): Comparison['differences'] {
  const row = (what: string, of: (results: Results) => unknown): Difference => ({
    what,
    values: all.map((results) => shown(of(results))),
  });
  const backends = ({ environment }: Results) => environment.backends;
  const frameworks = ({ environment }: Results) => environment.frameworks;
  return [
    ...differing([
      row('presisi', ({ environment }) => environment.presisi),
      ...names(all, backends).map((name) => row(`backend ${name}`, (results) => backends(results)[name])),
      ...names(all, frameworks).map((name) => row(name, (results) => frameworks(results)[name])),
      row('Node.js', ({ environment }) => environment.node),
      row('operating system', ({ environment }) => environment.os),
      row('kernel', ({ environment }) => environment.kernel),
      row('CPU', ({ device }) => device.cpu),
      row('CPU cores', ({ device }) => device.cores),
      row('instruction set', ({ device }) => device.isa),
      row('GPU', ({ device }) => device.gpu?.name),
      row('GPU cores', ({ device }) => device.gpu?.cores),
      row('power mode', ({ device }) => device.powerMode),
    ]),
    ...settings(all, METHOD),
    ...settings(all, EFFORT),
  ];
}

/** What makes the comparison doubtful, what weighs most first. */
export function doubtsOf(sides: readonly Side[], matches: readonly Match[]): string[] {
  const all = sides.map(({ results }) => results);
  const listed = (values: readonly string[]): string =>
    values.map((value, index) => `${value} (${sides[index]?.label})`).join(', ');
  return [
    ...(matches.length === 0 ? ['They have no variant in common: nothing can be compared.'] : []),
    ...otherModels(all),
    ...otherBackends(matches),
    ...settings(all, METHOD).map(({ what, values }) => `The experiments differ in ${what}: ${listed(values)}.`),
    ...otherPictures(matches),
    ...otherMeters(sides),
    ...sides.flatMap(({ label, summary }) => summary.warnings.map((warning) => `${label}: ${warning}`)),
  ];
}

function otherModels(all: readonly Results[]): string[] {
  const ids = [...new Set(all.flatMap(({ models }) => models.map(({ id }) => id)))];
  const other = ids.filter((id) => {
    const hashes = all.flatMap(({ models }) => models.filter((model) => model.id === id).map(({ sha256 }) => sha256));
    return new Set(hashes).size > 1;
  });
  return other.length === 0 ? [] : [`Not the same files, though called the same: ${other.join(', ')}.`];
}

function otherBackends(matches: readonly Match[]): string[] {
  const pairs = matches.map(({ summaries }) => [...new Set(summaries.map(({ variant }) => variant.backend))]);
  const different = pairs.find((backends) => backends.length > 1);
  return different ? [`Different backends are compared: ${different.join(' and ')}.`] : [];
}

/** Accuracies of different pictures are no loss or gain. */
function otherPictures(matches: readonly Match[]): string[] {
  const pictures = matches.map(({ measured }) =>
    measured.flatMap(({ accuracy }) =>
      accuracy.slice(-1).map(({ accuracy: { dataset, truth } }) => `${dataset} ${truth}`),
    ),
  );
  return pictures.some((each) => new Set(each).size > 1)
    ? ['Accuracy was not measured with the same pictures: it is shown, but not compared.']
    : [];
}

function otherMeters(sides: readonly Side[]): string[] {
  const metered = sides.filter(({ meter }) => meter !== undefined);
  const scopes = metered.map(({ label, meter }) => `${meter?.scope} (${label})`);
  return new Set(metered.map(({ meter }) => meter?.scope)).size > 1
    ? [`Their energies cover different things and are not compared: ${scopes.join(', ')}.`]
    : [];
}
