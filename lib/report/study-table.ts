import type { ExperimentModel } from '../characterize/results.js';
import type { Summary } from '../characterize/summary.js';
import type { CsvRecord } from './csv.js';
import { type Cell, numeric, type Table, words } from './document.js';
import { ABSENT, estimate, percent, quantity, share } from './numbers.js';
import type { Entry, Group } from './variants.js';

/** What the study calibrated with; of several INT8 variants the nearest to it stands in its table. */
const STUDY_CALIBRATION = { method: 'entropy', samples: 128 };

/** A quantity the study measured: its cell for people, and the same number in a fixed unit for machines. */
interface Measure {
  readonly name: string;
  readonly unit: string;
  readonly cell: (entry: Entry) => Cell;
  readonly value: (entry: Entry) => number | undefined;
  /** Where the original model has it whether or not a framework ran it. */
  readonly original?: {
    readonly cell: (model: ExperimentModel) => Cell;
    readonly value: (model: ExperimentModel) => number;
  };
}

const top1 = ({ summary: { accuracy } }: Entry) => (accuracy?.seeded ? undefined : accuracy?.top1);

const MEASURES: readonly Measure[] = [
  {
    name: 'Size on disk',
    unit: 'bytes',
    value: ({ summary }) => summary.size?.engine,
    cell: ({ summary: { size } }) => (size ? { text: quantity(size.engine, 'B') } : ABSENT),
    original: {
      value: ({ bytes }) => bytes,
      cell: ({ bytes }) => ({ text: quantity(bytes, 'B') }),
    },
  },
  {
    name: 'Top-1 accuracy',
    unit: 'percent',
    value: (entry) => scaled(top1(entry)?.share, 100),
    cell: (entry) => share(top1(entry)),
  },
  {
    name: 'Latency, median at batch 1',
    unit: 'milliseconds',
    value: ({ speed }) => speed?.p50.value,
    cell: ({ speed }) => estimate(speed?.p50, 'ms'),
  },
  {
    name: 'CPU while inferring, 100 % is one core',
    unit: 'percent',
    value: ({ speed }) => scaled(speed?.cores?.value, 100),
    cell: ({ speed }) => (speed?.cores ? { text: percent(speed.cores.value, 0) } : ABSENT),
  },
  {
    name: 'Memory while inferring, peak resident',
    unit: 'bytes',
    value: ({ speed }) => speed?.peakRss?.value,
    cell: ({ speed }) => estimate(speed?.peakRss, 'B'),
  },
  {
    name: 'GPU while inferring',
    unit: 'percent',
    value: ({ speed }) => scaled(speed?.gpuLoad?.value, 100),
    cell: ({ speed }) => (speed?.gpuLoad ? { text: percent(speed.gpuLoad.value, 0) } : ABSENT),
  },
  {
    name: 'Overhead, both phases',
    unit: 'seconds',
    value: ({ summary }) => summary.overhead?.seconds.value,
    cell: ({ summary }) => estimate(summary.overhead?.seconds, 's'),
  },
];

const scaled = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value * by;

/** The three columns of the study, by model. */
interface StudyRow {
  readonly model: ExperimentModel;
  readonly original?: Entry;
  readonly fp16?: Entry;
  readonly int8?: Entry;
}

const COLUMNS = ['original', 'fp16', 'int8'] as const;

/** The first backend's variants; the first framework's of the original model. */
export function studyRows(summary: Summary, groups: readonly Group[]): StudyRow[] {
  const backend = summary.results.variants.find(({ framework }) => framework === 'presisi')?.backend;
  return groups.map(({ model, items }) => {
    const own = items.filter(({ variant }) => variant.framework === 'presisi' && variant.backend === backend);
    const original = items.find(({ series }) => series === 'baseline');
    const fp16 = own.find(({ variant }) => variant.precision === 'fp16');
    const int8 = own
      .filter(({ variant }) => variant.precision === 'int8')
      .sort((a, b) => distance(a) - distance(b))
      .at(0);
    return { model, ...(original && { original }), ...(fp16 && { fp16 }), ...(int8 && { int8 }) };
  });
}

/** How far from the study's calibration: another method is further than any number of pictures. */
function distance({ variant: { calibration } }: Entry): number {
  if (calibration === undefined) return Number.POSITIVE_INFINITY;
  const method = calibration.method === STUDY_CALIBRATION.method ? 0 : 1e9;
  return method + Math.abs(calibration.samples - STUDY_CALIBRATION.samples);
}

type Column = (typeof COLUMNS)[number];

const numberIn = ({ value, original }: Measure, row: StudyRow, column: Column): number | undefined =>
  column === 'original' && original ? original.value(row.model) : row[column] && value(row[column]);

const cellIn = ({ cell, original }: Measure, row: StudyRow, column: Column): Cell => {
  if (column === 'original' && original) return original.cell(row.model);
  return row[column] ? cell(row[column]) : ABSENT;
};

/** A small table for each of the study's quantities; those that nothing told are named by `absent`. */
export function studyTables(rows: readonly StudyRow[]): {
  readonly tables: readonly Table[];
  readonly absent: readonly string[];
} {
  const told = (measure: Measure): boolean =>
    rows.some((row) => COLUMNS.some((column) => numberIn(measure, row, column) !== undefined));
  return {
    tables: MEASURES.filter(told).map((measure) => ({
      caption: measure.name,
      columns: [...words('Model'), ...numeric('Original', 'FP16', 'INT8')],
      rows: rows.map((row) => [row.model.id, ...COLUMNS.map((column) => cellIn(measure, row, column))]),
    })),
    absent: MEASURES.filter((measure) => !told(measure)).map(({ name }) => name),
  };
}

/** The same as plain numbers, a row for each model and quantity; empty where it was not measured. */
export const studyRecords = (rows: readonly StudyRow[]): CsvRecord[] =>
  rows.flatMap((row) =>
    MEASURES.map((measure) => ({
      model: row.model.id,
      measure: measure.name,
      unit: measure.unit,
      ...Object.fromEntries(COLUMNS.map((column) => [column, numberIn(measure, row, column)])),
    })),
  );
