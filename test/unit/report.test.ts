import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';
import { counting } from '../../lib/characterize/summary/measured.js';
import { buildReport } from '../../lib/report/build.js';
import { fitText, logTicks, renderSpec, textWidth, tickLabel } from '../../lib/report/chart.js';
import { density } from '../../lib/report/charts/latency.js';
import { placeLabels, withFront } from '../../lib/report/charts/pareto.js';
import { DARK, LIGHT } from '../../lib/report/colours.js';
import { csvCell, csvOf } from '../../lib/report/csv.js';
import type { Block, Document } from '../../lib/report/document.js';
import { escapeMarkdown, renderMarkdown } from '../../lib/report/markdown.js';
import { change, points, quantity, ratio, significant } from '../../lib/report/numbers.js';
import { phasesOf } from '../../lib/report/phases.js';
import { writeReport } from '../../lib/report/report.js';
import { studyRecords, studyRows } from '../../lib/report/study-table.js';
import { recordingOf } from '../../lib/report/timeline.js';
import { groupsOf, namer } from '../../lib/report/variants.js';
import { BOARD, HOSTILE, summaryOf } from './report-support.js';
import { cli, presisiRejection, temporaryFolder } from './support.js';

const blocksOf = (document: Document, id: string): readonly Block[] =>
  document.sections.find((section) => section.id === id)?.blocks ?? [];
const figuresOf = (document: Document, id: string) =>
  blocksOf(document, id).flatMap((block) => (block.kind === 'figure' ? [block.figure] : []));
const absentOf = (document: Document, id: string) =>
  blocksOf(document, id).flatMap((block) => (block.kind === 'absent' ? [`${block.what}: ${block.why}`] : []));

describe('numbers', () => {
  test('three significant digits, the unit that fits', () => {
    expect([0, 0.01234, 0.9996, 9.996, 99.96, 999.6, 12345.6].map((value) => significant(value))).toEqual([
      '0',
      '0.0123',
      '1.00',
      '10.0',
      '100',
      '1000',
      '12\u202f346',
    ]);
    expect(quantity(0.0123, 's')).toBe('12.3\u00a0ms');
    expect(quantity(0, 's')).toBe('0\u00a0s');
    expect(quantity(90, 's')).toBe('90.0\u00a0s');
    expect(quantity(750, 's')).toBe('12.5\u00a0min');
    expect(quantity(999_999, 'B')).toBe('1.00\u00a0MB');
    expect(quantity(5e-7, 's')).toBe('0.500\u00a0µs');
  });

  test('changes and points carry their sign, and nothing is no change', () => {
    expect([0.42, 1, 1.0001, 1.2, 26.38].map((value) => change(value))).toEqual([
      '\u221258\u00a0%',
      '±0\u00a0%',
      '±0\u00a0%',
      '+20\u00a0%',
      '26.4×',
    ]);
    expect([-0.006, 0.0001, 0.012].map(points)).toEqual(['\u22120.6', '±0', '+1.2']);
  });

  test('a difference within noise is no gain', () => {
    expect(ratio({ value: 0.9, interval: [0.8, 1.02], beyondNoise: false })).toMatchObject({ mark: 'neutral' });
    expect(ratio({ value: 0.9, interval: [0.8, 0.95], beyondNoise: true })).toMatchObject({ mark: 'good' });
    expect(ratio({ value: 0.9 })).toEqual({ text: '\u221210\u00a0%', detail: 'no interval' });
    expect(ratio(undefined)).toMatchObject({ text: '–', mark: 'absent' });
  });
});

describe('CSV', () => {
  test('quotes, line breaks and formulas', () => {
    expect(csvCell('a,"b"\nc')).toBe('"a,""b""\nc"');
    expect(['=1+1', '+1', '-1', '@SUM(A1)', '\tx'].map(csvCell)).toEqual(["'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx"]);
    expect([-1, 0, true, undefined, Number.NaN].map(csvCell)).toEqual(['-1', '0', 'true', '', '']);
  });

  test('columns are those that any row has', () => {
    expect(csvOf([{ a: 1 }, { a: 2, b: 'x' }])).toBe('a,b\n1,\n2,x\n');
  });
});

describe('Markdown', () => {
  test('text stays text', () => {
    expect(escapeMarkdown('a|b <i> [x](y) `c` *d* $e$ &amp;')).toBe(
      'a\\|b \\<i\\> \\[x\\](y) \\`c\\` \\*d\\* \\$e\\$ \\&amp;',
    );
    expect(escapeMarkdown('mobilenet_v3_small _x_')).toBe('mobilenet_v3_small \\_x\\_');
    expect(['# a', '- a', '12. a', '12.5 ms', 'a\n# b'].map(escapeMarkdown)).toEqual([
      '\\# a',
      '\\- a',
      '12\\. a',
      '12.5 ms',
      'a # b',
    ]);
  });

  test('every table row has as many cells as its head', () => {
    const summary = summaryOf(BOARD, (results) => {
      for (const model of results.models) model.source = HOSTILE;
    });
    const lines = renderMarkdown(buildReport(summary)).split('\n');
    const cells = (line: string): number => line.replaceAll('\\|', '').split('|').length;
    let head = 0;
    let rows = 0;
    for (const [index, line] of lines.entries()) {
      if (!line.startsWith('|')) continue;
      if (!lines[index - 1]?.startsWith('|')) head = cells(line);
      else rows += 1;
      expect(cells(line), line).toBe(head);
    }
    expect(rows).toBeGreaterThan(100);
    expect(lines.join('\n')).not.toMatch(/(?<!\\)<script/);
  });
});

describe('variants', () => {
  test('are called by what tells them apart, and no more', () => {
    const one = summaryOf({ models: ['densenet201'] }).results.variants;
    expect(one.map(namer(one))).toEqual(['ONNX Runtime', 'FP32', 'FP16', 'INT8']);
    const calibrations = [
      { method: 'entropy', samples: 128 },
      { method: 'mse', samples: 128 },
    ];
    const several = summaryOf({ models: ['densenet201'], calibrations }).results.variants;
    expect(several.map(namer(several)).slice(-2)).toEqual(['INT8 entropy', 'INT8 mse']);
  });

  test('nothing beats those on the front', () => {
    const choice = (name: string, latency: number, top1: number) => ({
      name,
      series: 'int8' as const,
      latency,
      top1,
      bytes: 1,
    });
    const choices = [
      choice('fast', 1, 0.8),
      choice('beaten', 3, 0.85),
      choice('twin', 2, 0.9),
      choice('twin too', 2, 0.9),
      choice('slow', 4, 0.9),
    ];
    expect(
      withFront(choices)
        .filter(({ front }) => front)
        .map(({ name }) => name),
    ).toEqual(['fast', 'twin', 'twin too']);
  });

  test('labels neither overlap nor leave the chart', () => {
    const spots = Array.from({ length: 12 }, (_, index) => ({
      x: 50 + index * 14,
      y: 100,
      radius: 6,
      text: `variant ${index}`,
      wanted: index > 9,
    }));
    const labels = placeLabels(spots, 300, 200, [[0, 80, 300, 90]]);
    expect(labels.filter(({ wanted }) => wanted)).toHaveLength(2);
    for (const [index, a] of labels.entries()) {
      expect(a.y < 73 || a.y > 97).toBe(true);
      for (const b of labels.slice(index + 1)) expect(Math.abs(a.y - b.y) >= 14 || Math.abs(a.x - b.x) > 40).toBe(true);
    }
  });
});

describe('axes', () => {
  test('have round numbers on a logarithmic scale, however near its ends are', () => {
    expect(logTicks([0.4, 60], 8)).toEqual([0.5, 1, 2, 5, 10, 20, 50]);
    expect(logTicks([0.4, 60], 5)).toEqual([1, 3, 10, 30]);
    expect(logTicks([1, 1e9], 4)).toEqual([1, 1e3, 1e6, 1e9]);
    expect(logTicks([130, 190], 6)).toEqual([130, 140, 150, 160, 170, 180, 190]);
  });

  test('write numbers with their unit', async () => {
    const svg = await renderSpec({
      width: 300,
      height: 10,
      data: { values: [{ x: 0 }, { x: 30000 }] },
      mark: 'point',
      encoding: {
        x: { field: 'x', type: 'quantitative', axis: { labelExpr: tickLabel('MB'), values: [0.5, 1500, 20000] } },
      },
    });
    expect([...svg.matchAll(/>([^<>]+)<\/text>/g)].map(([, text]) => text)).toEqual(
      expect.arrayContaining(['0.5\u00a0MB', '1500\u00a0MB', '20\u202f000\u00a0MB']),
    );
  });

  test('texts are cut where there is no room, and only there', () => {
    expect(fitText('INT8', 100)).toBe('INT8');
    const cut = fitText('a_very_long_name_of_a_network', 80);
    expect(cut).toMatch(/^a_very_.*…$/);
    expect(textWidth(cut)).toBeLessThanOrEqual(80);
  });
});

describe('phases', () => {
  test('keep their order, and the small ones become one', () => {
    const summary = summaryOf({ models: ['densenet201'] });
    expect(phasesOf(summary).map(({ of, label }) => `${of} ${label}`)).toEqual([
      'phase 1 read',
      'phase 1 simplify',
      'phase 1 write',
      'phase 2 read',
      'phase 2 calibrate',
      'phase 2 build',
      'phase 2 serialize',
    ]);
    const many = summaryOf({ models: ['densenet201'] }, ({ trials }) => {
      for (const trial of trials) {
        const phase2 = trial.kind === 'compress' ? trial.compress?.spans[1] : undefined;
        const first = phase2?.spans[0];
        if (phase2 === undefined || first === undefined) continue;
        const steps = Array.from({ length: 4 }, (_, index) => ({ ...first, name: `tiny ${index}`, seconds: 1e-4 }));
        (phase2 as { spans: unknown }).spans = [...phase2.spans, ...steps];
      }
    });
    const phases = phasesOf(many);
    expect(phases).toHaveLength(8);
    expect(phases.map(({ label }) => label)).not.toContain('tiny 0');
    expect(phases.at(-1)).toMatchObject({ label: 'other steps', number: 8 });
  });
});

describe('timelines', () => {
  const summary = summaryOf(BOARD);
  const variant = 'densenet201/tensorrt-int8-entropy-128';
  const recording = recordingOf(summary.results, variant);
  const track = (unit: string) => recording?.tracks.find((each) => each.unit === unit);

  test('a peak of one sample is drawn', () => {
    const values = (track('B')?.runs.flat() ?? []).map(([, value]) => value);
    expect(Math.max(...values)).toBeCloseTo(1e8 + 77e5 + 5e8, -1);
    expect(values.length).toBeLessThanOrEqual(2 * 131);
  });

  test('CPU time becomes cores, not the ticks it is counted in', () => {
    const values = (track('cores')?.runs.flat() ?? []).map(([, value]) => value);
    expect(values.length).toBeGreaterThan(20);
    for (const value of values) expect(value).toBeGreaterThan(1.8);
    for (const value of values) expect(value).toBeLessThan(2.2);
  });

  test('what was not due is no 0, and what was not read for long is a gap', () => {
    const power = track('W')?.runs ?? [];
    expect(power).toHaveLength(1);
    expect(Math.min(...power.flat().map(([, value]) => value))).toBeGreaterThanOrEqual(7);
    const silent = summaryOf(BOARD, ({ trials }) => {
      for (const trial of trials) {
        const column = trial.kind === 'compress' ? trial.compress?.timeline?.columns['power.VDD_IN'] : undefined;
        column?.fill(null, 200, 500);
      }
    });
    const parts = recordingOf(silent.results, variant)?.tracks.find(({ unit }) => unit === 'W')?.runs ?? [];
    expect(parts).toHaveLength(2);
    expect((parts[0]?.at(-1)?.[0] ?? 0) < 2.01 && (parts[1]?.[0]?.[0] ?? 0) > 4.99).toBe(true);
  });

  test('steps begin where the spans do', () => {
    expect(recording?.steps[0]).toMatchObject({ phase: 'phase 1', name: 'read', start: 0 });
    expect(recording?.steps.map(({ name }) => name)).toContain('calibrate');
  });
});

test('a hill has its top where most runs are, and a single run has none', () => {
  const samples = [...Array.from({ length: 300 }, (_, index) => 10 + (index % 10) / 100), ...Array(20).fill(14)];
  const hill = density(samples);
  const top = hill.reduce((a, b) => (b.share > a.share ? b : a));
  expect(top.share).toBe(1);
  expect(top.at).toBeGreaterThan(9.9);
  expect(top.at).toBeLessThan(10.2);
  expect(density([5])).toEqual([]);
  expect(density([5, 5, 5])).toEqual([]);
});

describe('colours', () => {
  /** Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB. */
  const BLINDNESS = {
    none: [
      [1, 0, 0],
      [0, 1, 0],
      [0, 0, 1],
    ],
    protanopia: [
      [0.152286, 1.052583, -0.204868],
      [0.114503, 0.786281, 0.099216],
      [-0.003882, -0.048116, 1.051998],
    ],
    deuteranopia: [
      [0.367322, 0.860646, -0.227968],
      [0.280085, 0.672501, 0.047413],
      [-0.01182, 0.04294, 0.968881],
    ],
    tritanopia: [
      [1.255528, -0.076749, -0.178779],
      [-0.078411, 0.930809, 0.147602],
      [0.004733, 0.691367, 0.3039],
    ],
  };
  const linear = (hex: string): number[] =>
    [1, 3, 5].map((at) => {
      const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
  const times = (matrix: readonly (readonly number[])[], vector: readonly number[]): number[] =>
    matrix.map((row) =>
      Math.min(
        1,
        Math.max(
          0,
          row.reduce((sum, value, index) => sum + value * (vector[index] as number), 0),
        ),
      ),
    );
  const lab = (colour: readonly number[]): number[] => {
    const white = [0.95047, 1, 1.08883];
    const xyz = [
      [0.4124, 0.3576, 0.1805],
      [0.2126, 0.7152, 0.0722],
      [0.0193, 0.1192, 0.9505],
    ].map((row) => row.reduce((sum, value, index) => sum + value * (colour[index] as number), 0));
    const [x = 0, y = 0, z = 0] = xyz.map((value, index) => {
      const share = value / (white[index] as number);
      return share > 0.008856 ? Math.cbrt(share) : 7.787 * share + 16 / 116;
    });
    return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
  };
  const luminance = (hex: string): number => {
    const [red = 0, green = 0, blue = 0] = linear(hex);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (a: string, b: string): number =>
    (Math.max(luminance(a), luminance(b)) + 0.05) / (Math.min(luminance(a), luminance(b)) + 0.05);
  const palettes = Object.entries({ light: LIGHT, dark: DARK });

  test.each(palettes)('of series differ for every common kind of colour blindness: %s', (_, palette) => {
    const series = [palette.baseline, palette.fp32, palette.fp16, palette.int8];
    for (const [kind, matrix] of Object.entries(BLINDNESS)) {
      for (const [index, a] of series.entries()) {
        for (const b of series.slice(index + 1)) {
          const [p, q] = [a, b].map((hex) => lab(times(matrix, linear(hex)))) as [number[], number[]];
          const distance = Math.hypot(...p.map((value, at) => value - (q[at] as number)));
          expect(distance, `${a} and ${b}, ${kind}`).toBeGreaterThan(24);
        }
      }
    }
  });

  test.each(palettes)('of phases carry their numbers: %s', (_, palette) => {
    for (let number = 1; number <= 8; number += 1) {
      expect(contrast(palette[`phase-${number}` as 'phase-1'], palette['on-phase'])).toBeGreaterThan(4.5);
    }
  });
});

describe('what was not measured', () => {
  test('random weights have no accuracy, and no chart pretends so', () => {
    const document = buildReport(summaryOf({ seeded: true }));
    expect(figuresOf(document, 'accuracy')).toEqual([]);
    expect(absentOf(document, 'accuracy')).toEqual([expect.stringContaining('weights are random')]);
    expect(figuresOf(document, 'pareto')).toEqual([]);
    expect(absentOf(document, 'pareto').join()).toContain('weights are random');
    expect(absentOf(document, 'study').join()).toContain('Top-1 accuracy: the weights are random');
  });

  test('no sensor, no baseline, one batch size: each is said with its reason', () => {
    const document = buildReport(summaryOf({ baseline: 'none', batchSizes: [1] }));
    expect(figuresOf(document, 'energy')).toEqual([]);
    expect(absentOf(document, 'energy').join()).toContain('/sys/class/powercap has no intel-rapl');
    expect(figuresOf(document, 'throughput')).toEqual([]);
    expect(absentOf(document, 'throughput').join()).toContain('one batch size, 1');
    expect(absentOf(document, 'latency').join()).toContain('no baseline');
    expect(figuresOf(document, 'latency').map(({ id }) => id)).toEqual(['latency-ratio', 'latency']);
  });

  test('an experiment that was stopped at once still has a report, without a chart', () => {
    const document = buildReport(
      summaryOf({}, (results) => {
        results.trials.length = 0;
        results.partial = true;
      }),
    );
    expect(document.sections).toHaveLength(15);
    expect(document.sections.flatMap(({ id }) => figuresOf(document, id))).toEqual([]);
    for (const id of [
      'size',
      'overhead',
      'timelines',
      'accuracy',
      'latency',
      'throughput',
      'energy',
      'pareto',
      'break-even',
      'audit',
    ]) {
      expect(absentOf(document, id), id).toHaveLength(1);
    }
    expect(JSON.stringify(blocksOf(document, 'summary'))).toContain('trials were carried out');
  });

  test('disturbed and failed trials are named', () => {
    const summary = summaryOf({}, ({ trials }) => {
      const [first, second] = trials.filter(({ kind }) => kind === 'latency');
      first?.flags.push({ kind: 'steal', detail: 'the hypervisor took 23 %', value: 0.23, limit: 0.1 });
      if (second?.kind === 'latency') {
        second.latency = undefined;
        second.error = { code: 'ERR_PRESISI_OUT_OF_MEMORY', message: 'not enough memory' };
      }
    });
    const text = JSON.stringify(blocksOf(buildReport(summary), 'conditions'));
    expect(text).toContain('the hypervisor took 23 %');
    expect(text).toContain('not enough memory');
  });
});

describe('the study beside', () => {
  test('takes the calibration nearest to the study, and numbers in fixed units', () => {
    const calibrations = [
      { method: 'mse', samples: 128 },
      { method: 'entropy', samples: 500 },
      { method: 'entropy', samples: 100 },
    ];
    const summary = summaryOf({ models: ['densenet201'], calibrations });
    const rows = studyRows(summary, groupsOf(summary));
    expect(rows[0]?.int8?.variant.calibration).toEqual({ method: 'entropy', samples: 100 });
    const size = studyRecords(rows).find(({ unit }) => unit === 'bytes');
    const fp16 = summary.variants.find(({ variant }) => variant.precision === 'fp16');
    expect(size).toMatchObject({ original: summary.results.models[0]?.bytes, fp16: fp16?.size?.engine });
    const gpu = studyRecords(rows).find(({ measure }) => String(measure).startsWith('GPU'));
    expect(gpu).toMatchObject({ original: undefined, fp16: undefined, int8: undefined });
  });
});

describe('writeReport', async () => {
  const temporary = await temporaryFolder();

  test('writes every form, and the CSV files hold what was measured', async () => {
    const folder = join(temporary, 'new', 'folder');
    const summary = summaryOf(BOARD, (results) => {
      const [model] = results.models;
      if (model) model.source = HOSTILE;
      const layer = results.trials.flatMap((trial) =>
        trial.kind === 'compress' ? (trial.compress?.layers ?? []) : [],
      )[0];
      if (layer) layer.name = HOSTILE;
    });
    const written = await writeReport(summary, folder);
    expect(written.csv.map((path) => path.slice(folder.length + 1))).toEqual([
      'trials.csv',
      'variants.csv',
      'layers.csv',
      'study.csv',
    ]);
    const table = async (name: string): Promise<Record<string, string>[]> =>
      parse(await readFile(join(folder, name), 'utf8'), { columns: true });

    const trials = await table('trials.csv');
    expect(trials).toHaveLength(summary.results.trials.length);
    expect(trials.filter(({ counts }) => counts === 'true')).toHaveLength(counting(summary.results.trials).length);
    const timed = summary.results.trials.find(({ kind }) => kind === 'latency');
    const row = trials.find(({ trial }) => trial === timed?.id);
    if (timed?.kind !== 'latency') throw new Error('no latency trial');
    expect(Number(row?.latency_p50_ms)).toBe(timed.latency?.run.p50);
    expect(row?.engine_bytes).toBe('');

    const variants = await table('variants.csv');
    for (const found of summary.variants) {
      const line = variants.find(({ variant }) => variant === found.variant.id);
      const first = found.speeds.find(({ batch }) => batch === 1);
      expect(Number(line?.latency_p50_ms)).toBe(first?.p50.value);
      expect(Number(line?.top1_share)).toBe(found.accuracy?.top1.share);
      expect(line?.engine_bytes).toBe(found.size ? String(found.size.engine) : '');
    }
    const layers = await table('layers.csv');
    expect(layers).toHaveLength(summary.variants.flatMap(({ layers: all }) => all ?? []).length);
    expect(layers[0]?.name).toBe(`'${HOSTILE}`);

    const json = JSON.parse(await readFile(join(folder, 'summary.json'), 'utf8'));
    expect(json).toMatchObject({ schema: 'presisi-summary', version: 1, claims: summary.claims });
    expect(json.recommendation.best).toBe(summary.recommendation.best?.variant.id);
    expect(json.variants[0].speeds[0].p50).toEqual(summary.variants[0]?.speeds[0]?.p50);
    expect(JSON.parse(await readFile(join(folder, 'results.json'), 'utf8'))).toEqual(summary.results);
  });

  test("writes only what was asked for, and leaves the experiment's own results alone", async () => {
    const folder = join(temporary, 'some');
    const summary = summaryOf({ models: ['densenet201'] });
    const written = await writeReport(summary, folder, { formats: ['md', 'json'] });
    expect(written).toEqual({
      markdown: join(folder, 'report.md'),
      csv: [],
      json: [join(folder, 'summary.json'), join(folder, 'results.json')],
    });
    const again = await writeReport(summary, folder, { formats: ['json'] });
    expect(again.json).toEqual([join(folder, 'summary.json')]);
  });

  test('refuses unknown formats and folders that are files', async () => {
    const summary = summaryOf({ models: ['densenet201'] });
    const formats = ['pdf'] as unknown as ['html'];
    const error = await presisiRejection(writeReport(summary, '/tmp', { formats }), 'ERR_PRESISI_INVALID_ARGUMENT');
    expect(error.message).toContain('html, md, csv, json');
    await presisiRejection(writeReport(summary, '/dev/null/x'), 'ERR_PRESISI_FILE_SYSTEM');
  });
});

describe('presisi report', async () => {
  const folder = await temporaryFolder();
  const path = join(folder, 'results.json');
  await writeFile(path, JSON.stringify(summaryOf({ models: ['densenet201'] }).results));

  test('writes beside the results, or where it is told to, and names what it wrote', async () => {
    const written = await cli('report', folder, '--json');
    expect(written).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(written.stdout)).toMatchObject({
      html: join(folder, 'report.html'),
      json: [join(folder, 'summary.json')],
    });
    expect(await readFile(join(folder, 'report.html'), 'utf8')).toContain('densenet201');
    const page = await cli('report', path, '--output', join(folder, 'public'), '--format', 'html,md');
    expect(page.stdout).toBe(`${join(folder, 'public', 'report.html')}\n${join(folder, 'public', 'report.md')}\n`);
  });

  test('says what is wrong', async () => {
    expect(await cli('report', path, '--format', 'html,pdf')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Expected some of html, md, csv, json but received pdf'),
    });
    expect(await cli('report', join(folder, 'none.json'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ERR_PRESISI_FILE_SYSTEM'),
    });
  });
});
