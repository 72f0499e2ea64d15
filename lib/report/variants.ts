import type { ExperimentModel, Variant } from '../characterize/results.js';
import { frameworkName } from '../characterize/summary/label.js';
import { speedAtOne } from '../characterize/summary/speed.js';
import type { Speed, Summary, VariantSummary } from '../characterize/summary.js';
import type { LegendItem, Shape } from './document.js';

/** What a variant is drawn as, the same in every chart. */
export type Series = 'baseline' | 'fp32' | 'fp16' | 'int8';

export const SERIES: Readonly<Record<Series, { label: string; colour: string; shape: Shape }>> = {
  baseline: { label: 'original framework', colour: '--baseline', shape: 'cross' },
  fp32: { label: 'FP32', colour: '--fp32', shape: 'circle' },
  fp16: { label: 'FP16', colour: '--fp16', shape: 'triangle' },
  int8: { label: 'INT8', colour: '--int8', shape: 'square' },
};

/** By Vega's names. */
export const VEGA_SHAPES: Readonly<Record<Shape, string>> = {
  square: 'square',
  circle: 'circle',
  diamond: 'diamond',
  triangle: 'triangle-up',
  cross: 'cross',
  line: 'stroke',
};

export const seriesOf = (variant: Variant): Series =>
  variant.framework === 'presisi' ? variant.precision : 'baseline';

/** A variant as charts and tables name it, within its model. */
export interface Entry {
  readonly summary: VariantSummary;
  readonly variant: Variant;
  readonly model: ExperimentModel;
  /** Short: only what tells it apart from the model's other variants. */
  readonly label: string;
  readonly series: Series;
  /** At batch 1, with the number of threads that is fastest; else at the smallest batch there is. */
  readonly speed?: Speed;
}

/** A model with its variants, in the experiment's order. */
export interface Group {
  readonly model: ExperimentModel;
  readonly heading: string;
  readonly items: readonly Entry[];
}

export function groupsOf({ results, variants }: Summary): Group[] {
  const name = namer(results.variants);
  return results.models.map((model) => ({
    model,
    heading: model.id,
    items: variants
      .filter(({ variant }) => variant.model === model.id)
      .map((summary) => {
        const { variant } = summary;
        const speed = firstSpeed(summary.speeds);
        return { summary, variant, model, label: name(variant), series: seriesOf(variant), ...(speed && { speed }) };
      }),
  }));
}

/** Says of a variant no more than is needed: the backend where there are several, the calibration where it differs. */
export function namer(variants: readonly Variant[]): (variant: Variant) => string {
  const own = variants.filter(({ framework }) => framework === 'presisi');
  const several = (of: (variant: Variant) => unknown): boolean => new Set(own.map(of).filter(Boolean)).size > 1;
  const backends = several(({ backend }) => backend);
  const methods = several(({ calibration }) => calibration?.method);
  const samples = several(({ calibration }) => calibration?.samples);
  const baselines = new Set(variants.filter(({ framework }) => framework !== 'presisi').map((v) => v.precision)).size;
  return ({ framework, precision, backend, calibration }) => {
    if (framework !== 'presisi') {
      return baselines > 1 ? `${frameworkName(framework)} ${precision.toUpperCase()}` : frameworkName(framework);
    }
    return [
      precision.toUpperCase(),
      methods && calibration?.method,
      samples && calibration?.samples,
      backends && `(${backend})`,
    ]
      .filter(Boolean)
      .join(' ');
  };
}

const firstSpeed = (speeds: readonly Speed[]): Speed | undefined =>
  speedAtOne(speeds) ?? [...speeds].sort((a, b) => a.batch - b.batch)[0];

/** Groups whose entries all have what `of` finds; groups without any are left out. */
export function having<T>(
  groups: readonly Group[],
  of: (entry: Entry) => T | undefined,
): {
  readonly heading: string;
  readonly model: ExperimentModel;
  readonly items: readonly (Entry & { readonly found: T })[];
}[] {
  return groups
    .map(({ heading, model, items }) => ({
      heading,
      model,
      items: items.flatMap((entry) => {
        const found = of(entry);
        return found === undefined ? [] : [{ ...entry, found }];
      }),
    }))
    .filter(({ items }) => items.length > 0);
}

/** The series that occur, in their fixed order. */
export function legendOf(groups: readonly { readonly items: readonly Entry[] }[], shapes: boolean): LegendItem[] {
  const present = new Set(groups.flatMap(({ items }) => items.map(({ series }) => series)));
  const frameworks = new Set(
    groups.flatMap(({ items }) =>
      items.flatMap(({ series, variant }) => (series === 'baseline' ? [variant.framework] : [])),
    ),
  );
  return (Object.keys(SERIES) as Series[])
    .filter((series) => present.has(series))
    .map((series) => ({
      label:
        series === 'baseline'
          ? `original model, run by ${[...frameworks].map(frameworkName).join(', ')}`
          : SERIES[series].label,
      colour: SERIES[series].colour,
      shape: shapes ? SERIES[series].shape : 'square',
    }));
}

/** A colour scale for a field that holds series. */
export const seriesColour = (field = 'series') => ({
  field,
  type: 'nominal',
  legend: null,
  scale: { domain: Object.keys(SERIES), range: Object.values(SERIES).map(({ colour }) => `var(${colour})`) },
});

/** Areas in square pixels: a triangle and a cross look smaller than a square of their size. */
const AREAS: Readonly<Record<Series, number>> = { baseline: 110, fp32: 90, fp16: 120, int8: 80 };

export const seriesArea = (field = 'series') => ({
  field,
  type: 'ordinal',
  legend: null,
  scale: { domain: Object.keys(SERIES), range: Object.values(AREAS) },
});

export const seriesShape = (field = 'series') => ({
  field,
  type: 'nominal',
  legend: null,
  scale: { domain: Object.keys(SERIES), range: Object.values(SERIES).map(({ shape }) => VEGA_SHAPES[shape]) },
});
