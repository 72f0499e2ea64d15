import { fitPower, type Point, type PowerFit } from '../fit.js';
import type { CalibrationPoint, CostResults, RunPoint } from '../parts/cost.js';
import type { Precision } from '../workspace.js';
import { ABSENT, atMost, digits, megabytes, ratio, type Section, table, type Verdict } from './format.js';

/** An exponent between these is called linear. */
const LINEAR = [0.9, 1.1] as const;
/** Memory of calibrating, between the fewest pictures and the most: more than allocators make of chance. */
const MOST_GROWTH = 1.1;

const showFit = (fit: PowerFit | undefined): string[] => {
  if (fit === undefined) return [ABSENT, ABSENT, ABSENT];
  const { exponent, interval } = fit;
  const residuals = [...fit.residuals.values()];
  return [
    exponent.toFixed(3),
    interval ? interval.map((end) => end.toFixed(3)).join('–') : ABSENT,
    `${ratio(Math.min(...residuals))}–${ratio(Math.max(...residuals))}`,
  ];
};

const groups = <T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> => {
  const found = new Map<string, T[]>();
  for (const item of items) found.set(key(item), [...(found.get(key(item)) ?? []), item]);
  return found;
};

type Fitted<T> = T & Point;

const ofRuns = (points: readonly RunPoint[]): Fitted<RunPoint>[] =>
  points.map((point) => ({ ...point, x: point.macs, y: point.seconds }));
const ofCalibrations = (points: readonly CalibrationPoint[]): Fitted<CalibrationPoint>[] =>
  points.map((point) => ({ ...point, x: point.images, y: point.seconds }));

const byNetwork = <T extends { readonly network: string }>(points: readonly T[]): Map<string, T[]> =>
  groups(points, ({ network }) => network);

function linear(target: string, fit: PowerFit | undefined): Verdict {
  if (fit?.interval === undefined) return { target, found: 'not measured', met: undefined };
  const [low, high] = fit.interval;
  const found = `exponent ${fit.exponent.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
  return { target, found, met: fit.exponent >= LINEAR[0] && fit.exponent <= LINEAR[1] };
}

function exponentTable(runs: readonly RunPoint[], calibrations: readonly CalibrationPoint[]): string {
  const rows: string[][] = [];
  const add = (what: string, fitted: readonly (readonly Point[])[]): void => {
    rows.push([what, String(fitted.flat().length), ...showFit(fitPower(fitted))]);
  };
  for (const [precision, points] of groups(ofRuns(runs), (point) => point.precision)) {
    const what = `run by MACs, ${precision.toUpperCase()}`;
    add(`${what}, all networks and sizes`, [points]);
    add(`${what}, the same, each network with its own factor`, [...byNetwork(points).values()]);
    for (const [network, own] of byNetwork(points)) add(`${what}, ${network} over sizes`, [own]);
  }
  for (const [network, points] of byNetwork(ofCalibrations(calibrations))) {
    add(`calibration by pictures, ${network}`, [points]);
  }
  return table(['time of a', 'points', 'exponent', '95 % interval', 'found by fitted'], rows);
}

/** Time of every run, and that by what the fit over all networks and sizes says. */
function residualTable(runs: readonly RunPoint[]): string {
  const points = ofRuns(runs);
  const residuals = new Map(
    [...groups(points, ({ precision }) => precision).values()].flatMap((own) => [
      ...(fitPower([own])?.residuals ?? []),
    ]),
  );
  const rows = [...groups(points, ({ network, size }) => `${network}, ${size} px`)].map(([name, own]) => {
    const cell = (precision: Precision): string => {
      const point = own.find((entry) => entry.precision === precision);
      if (point === undefined) return ABSENT;
      const residual = residuals.get(point);
      const milliseconds = digits(point.seconds * 1000);
      return residual === undefined ? milliseconds : `${milliseconds} (${ratio(residual)})`;
    };
    return [name, digits((own[0]?.macs ?? Number.NaN) / 1e9), cell('fp32'), cell('int8')];
  });
  return table(['network', 'GMAC', 'FP32, ms', 'INT8, ms'], rows);
}

function calibrationTable(calibrations: readonly CalibrationPoint[]): string {
  const rows = calibrations.map(({ network, images, seconds, peakRssBytes }) => [
    `${network}, ${images}`,
    digits(seconds),
    megabytes(peakRssBytes),
  ]);
  return table(['network, pictures', 'calibrating, s', 'peak RSS, MB'], rows);
}

/** Largest over the networks of what the most pictures take by what the fewest do. */
function growth(calibrations: readonly CalibrationPoint[]): number | undefined {
  const factors = [...byNetwork(calibrations).values()].flatMap((points) => {
    const sorted = [...points].sort((a, b) => a.images - b.images);
    const [first, last] = [sorted[0], sorted.at(-1)];
    return first && last && first !== last ? last.peakRssBytes / first.peakRssBytes : [];
  });
  return factors.length > 0 ? Math.max(...factors) : undefined;
}

export function costSection({ runs, calibrations }: CostResults): Section {
  const verdicts = (['fp32', 'int8'] as const).flatMap((precision) => {
    const points = ofRuns(runs.filter((point) => point.precision === precision));
    const target = `${precision.toUpperCase()}: time linear in MACs`;
    return [
      linear(`${target}, over networks and sizes`, fitPower([points])),
      linear(`${target}, over sizes of each network`, fitPower([...byNetwork(points).values()])),
    ];
  });
  return {
    title: 'What time grows with',
    blocks: [
      'Time as a power of the work, fitted by least squares of logarithms: an exponent of 1 is linear. The last column is ' +
        'the least and the greatest of what was found by what the fit says.',
      exponentTable(runs, calibrations),
      'Every run at batch 1, and by what the fit over all networks and sizes says of its precision:',
      residualTable(runs),
      'Calibrating with more and more pictures:',
      calibrationTable(calibrations),
    ],
    verdicts: [
      ...verdicts,
      ...[...byNetwork(ofCalibrations(calibrations))].map(([network, points]) =>
        linear(`calibrating ${network}: time linear in pictures`, fitPower([points])),
      ),
      atMost(`calibrating: memory grows by ≤ ${MOST_GROWTH} with pictures`, growth(calibrations), MOST_GROWTH),
    ],
  };
}
