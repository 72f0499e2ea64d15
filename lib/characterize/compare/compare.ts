import { atCaller, PresisiError } from '../../errors.js';
import { readResults } from '../read.js';
import type { Results, Variant } from '../results.js';
import { knownTop1, pairedDrop } from '../summary/accuracy-summary.js';
import { type EnergyMeter, meterOf } from '../summary/energy.js';
import { backendsOf } from '../summary/label.js';
import { type Measured, measuredOf } from '../summary/measured.js';
import { summarize } from '../summary/summarize.js';
import type { Summary, VariantSummary } from '../summary.js';
import { differencesOf, doubtsOf } from './compare-conditions.js';
import { figuresOf } from './compare-figures.js';
import { gpuCoreClaims } from './compare-gpu.js';
import type { ComparedVariant, Comparison } from './comparison.js';

/** Results with everything that a comparison needs of them. */
export interface Side {
  readonly label: string;
  readonly results: Results;
  readonly summary: Summary;
  readonly meter: EnergyMeter | undefined;
  readonly measured: ReadonlyMap<string, Measured>;
}

/** A variant that every side has. */
export interface Match {
  readonly sides: readonly Side[];
  readonly measured: readonly Measured[];
  readonly summaries: readonly VariantSummary[];
}

/**
 * Puts results of several devices, or of one device at different times, side by side: for each variant that all of them have
 * the ratios to the first one's figures, with 95 % intervals where three trials or more stand behind both, and whether a
 * difference is more than noise. Variants are the same where model, framework, backend, precision and calibration are; where
 * every file has one backend, different ones are compared.
 *
 * @param sources results, or paths of `results.json` or of its folder; two at least
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_INVALID_RESULTS, ERR_PRESISI_FILE_SYSTEM
 */
export function compare(...sources: readonly (string | Results)[]): Promise<Comparison> {
  return atCaller(compare, async () => {
    if (sources.length < 2) {
      throw new PresisiError(
        'ERR_PRESISI_INVALID_ARGUMENT',
        `Expected at least two results but received ${sources.length}`,
      );
    }
    const all: Results[] = [];
    for (const source of sources) all.push(typeof source === 'string' ? await readResults(source) : source);
    return compareResults(all);
  });
}

export function compareResults(all: readonly Results[]): Comparison {
  const labels = labelsOf(all);
  const sides = all.map((results, index): Side => {
    const measured = measuredOf(results);
    return {
      label: labels[index] as string,
      results,
      summary: summarize(results),
      meter: meterOf(results, measured),
      measured: new Map(measured.map((each) => [each.variant.id, each])),
    };
  });
  const acrossBackends = all.every((results) => backendsOf(results).length <= 1);
  const keyOf = ({ model, framework, backend, precision, calibration }: Variant): string =>
    JSON.stringify([
      model,
      framework,
      acrossBackends ? '' : backend,
      precision,
      calibration?.method,
      calibration?.samples,
    ]);
  const byKey = sides.map(({ summary }) => new Map(summary.variants.map((each) => [keyOf(each.variant), each])));
  const keys = [...(byKey[0]?.keys() ?? [])].filter((key) => byKey.every((variants) => variants.has(key)));
  const matches = keys.map((key): Match => {
    const summaries = byKey.map((variants) => variants.get(key) as VariantSummary);
    const measured = summaries.map(({ variant }, index) => sides[index]?.measured.get(variant.id) as Measured);
    return { sides, summaries, measured };
  });
  const variants = matches.map(variantOf);
  return {
    results: sides.map(({ label, results: { name, started, device, environment } }) => ({
      label,
      name,
      started,
      device,
      environment,
    })),
    variants,
    leftOut: byKey.map((found) =>
      [...found].filter(([key]) => !keys.includes(key)).map(([, { variant }]) => variant.id),
    ),
    claims: gpuCoreClaims(sides, matches),
    differences: differencesOf(all),
    warnings: doubtsOf(sides, matches),
  };
}

function variantOf(match: Match): ComparedVariant {
  const [first] = match.summaries as [VariantSummary, ...VariantSummary[]];
  const { model, framework, precision } = first.variant;
  const known = match.summaries.map((summary) => (knownTop1(summary) === undefined ? undefined : summary.accuracy));
  const [reference] = match.measured;
  const drops = match.measured.map((each, index) =>
    index === 0 || !known[0] || !known[index] ? null : (pairedDrop(reference as Measured, each) ?? null),
  );
  return {
    model,
    label: first.label,
    framework,
    precision,
    ids: match.summaries.map(({ variant }) => variant.id),
    figures: figuresOf(match),
    ...(known.some(Boolean) && { accuracy: { values: known.map((accuracy) => accuracy?.top1 ?? null), drops } }),
  };
}

/** Names of the devices; where one comes twice, with the experiment's name, else the time, else a number. */
function labelsOf(all: readonly Results[]): string[] {
  const forms: ((results: Results, index: number) => string)[] = [
    ({ device }) => device.name,
    ({ device, name }) => `${device.name}, ${name}`,
    ({ device, started }) => `${device.name}, ${started.slice(0, 16).replace('T', ' ')}`,
    ({ device }, index) => `${device.name} (${index + 1})`,
  ];
  const distinct = forms.map((form) => all.map(form)).find((labels) => new Set(labels).size === all.length);
  return distinct ?? all.map(({ device }, index) => `${device.name} (${index + 1})`);
}
