import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Summary, VariantSummary } from '../../lib/characterize/summary.js';
import { buildReport } from '../../lib/report/build.js';
import { DARK, LIGHT } from '../../lib/report/colours.js';
import { renderHtml } from '../../lib/report/html.js';
import { audit, axis, contrasts, type Drawn, drawn, layout, table } from './report-page.js';
import { BOARD, findChromium, HOSTILE, summaryOf } from './report-support.js';
import { temporaryFolder } from './support.js';

const executablePath = findChromium();
if (executablePath === undefined) {
  console.warn(
    'report-browser.test.ts is skipped: there is no chromium, chromium-browser or google-chrome on the PATH',
  );
}

const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

describe.skipIf(executablePath === undefined)('the page in Chromium', () => {
  let browser: Browser;
  let folder: string;
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = await temporaryFolder();
    // Its sandbox needs rights that containers don't give; the pages here are our own.
    browser = await chromium.launch({ executablePath: executablePath as string, args: ['--no-sandbox'] });
  });
  afterAll(() => browser?.close());

  const write = async (name: string, summary: Summary): Promise<string> => {
    const path = join(folder, `${name}.html`);
    await writeFile(path, await renderHtml(buildReport(summary), (message) => complaints.push(message)));
    return pathToFileURL(path).href;
  };

  /** A page that has the report open; what it asks of the network and what it complains about are kept. */
  const open = async (url: string, options: Parameters<Browser['newContext']>[0] = {}) => {
    const context = await browser.newContext({ viewport: WIDE, colorScheme: 'light', ...options });
    const page = await context.newPage();
    const seen: string[] = [];
    page.on('console', (message) => seen.push(`console: ${message.text()}`));
    page.on('pageerror', (error) => seen.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => seen.push(`dialog: ${dialog.message()}`));
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:')) seen.push(`request: ${request.url()}`);
    });
    await page.goto(url);
    return { page, seen, close: () => context.close() };
  };

  describe('a report with everything', () => {
    const summary = summaryOf(BOARD);
    const own = summary.variants.filter(({ variant }) => variant.framework === 'presisi');
    let url: string;
    let page: Page;
    let seen: string[];
    beforeAll(async () => {
      url = await write('everything', summary);
      ({ page, seen } = await open(url));
    });

    test('asks the network for nothing, runs nothing, and nobody complains', async () => {
      await page.waitForLoadState('networkidle');
      expect(seen).toEqual([]);
      expect(complaints).toEqual([]);
      expect(await page.evaluate(() => document.scripts.length)).toBe(0);
    });

    test('has every chart, with as many marks as there are numbers', async () => {
      const speeds = summary.variants.flatMap((variant) => variant.speeds);
      const expected: Readonly<Record<string, readonly [layer: string, marks: number]>> = {
        size: ['bars', own.length + 2],
        overhead: ['segments', own.flatMap(({ overhead }) => overhead?.phases ?? []).length],
        timelines: ['strip', 2 * 7],
        accuracy: ['dots', summary.variants.length],
        'latency-ratio': ['dots', own.length],
        latency: ['medians', summary.variants.length],
        throughput: ['points', speeds.length],
        energy: ['bars', summary.variants.length],
        pareto: ['choices', summary.variants.length],
        'break-even': ['dots', own.filter(({ breakEven }) => breakEven?.time).length],
        audit: ['shares', 2 * own.length],
      };
      const ids = await page.$$eval('figure', (figures) => figures.map(({ id }) => id.replace('figure-', '')));
      expect(ids).toEqual(Object.keys(expected));
      for (const [id, [layer, marks]] of Object.entries(expected)) {
        expect(await drawn(page, id, layer), id).toHaveLength(marks);
      }
    });

    test('draws sizes as long as they are', async () => {
      const bytes = summary.results.models.flatMap(({ id }) => {
        const sizes = own.filter(({ variant }) => variant.model === id).flatMap(({ size }) => size ?? []);
        return [sizes[0]?.checkpoint as number, ...sizes.map(({ engine }) => engine)];
      });
      const bars = await drawn(page, 'size', 'bars');
      proportional(bars, bytes, ({ width }) => width);
      const at = await axis(page, 'size');
      for (const [index, { x, width }] of bars.entries()) {
        expect(Math.abs(at((bytes[index] as number) / 1e6) - (x + width / 2))).toBeLessThan(2);
      }
    });

    test('draws energies as long as they are', async () => {
      const joules = summary.variants.map(({ speeds }) => atOne(speeds)?.energy?.value as number);
      proportional(await drawn(page, 'energy', 'bars'), joules, ({ width }) => width);
    });

    test('draws shares of accuracy and ratios of latency where they belong', async () => {
      const shares = summary.variants.map(({ accuracy }) => accuracy?.top1.share as number);
      const dots = await drawn(page, 'accuracy', 'dots');
      linear(dots, shares);
      const at = await axis(page, 'accuracy');
      for (const [index, { x }] of dots.entries())
        expect(Math.abs(at((shares[index] as number) * 100) - x)).toBeLessThan(2);
      const ratios = own.map(({ speeds }) => Math.log(atOne(speeds)?.againstBaseline?.value as number));
      linear(await drawn(page, 'latency-ratio', 'dots'), ratios);
    });

    test('draws accuracy over latency, the larger the file the larger the mark', async () => {
      const choices = await drawn(page, 'pareto', 'choices');
      const rows = await table(page, 'pareto');
      // Marks are drawn from the largest down, rows listed from the fastest on.
      const sorted = [...choices].sort((a, b) => a.x - b.x);
      linear(
        sorted,
        rows.map((row) => Math.log(number(row[1]))),
        3,
      );
      linear(
        sorted.map((mark) => ({ ...mark, x: -mark.y })),
        rows.map((row) => number(row[2])),
        3,
      );
      const largest = Math.max(...choices.map(({ width }) => width));
      expect(choices[0]?.width).toBe(largest);
      expect(await drawn(page, 'pareto', 'front')).toHaveLength(1);
    });

    test('stacks the steps of the overhead to its whole', async () => {
      const segments = await drawn(page, 'overhead', 'segments');
      const rows = new Map<number, number>();
      for (const { y, width } of segments) rows.set(Math.round(y), (rows.get(Math.round(y)) ?? 0) + width);
      const sums = own.map(({ overhead }) =>
        (overhead?.phases ?? []).reduce((all, { seconds }) => all + seconds.value, 0),
      );
      proportional(
        [...rows.values()].map((width) => ({ x: 0, y: 0, width, height: 0 })),
        sums,
        ({ width }) => width,
        3,
      );
    });

    test('has a table behind every chart, with the numbers of the summary', async () => {
      const first = (of: (variant: VariantSummary) => number | undefined) =>
        summary.variants.map(of).filter((value) => value !== undefined);
      const compare = async (id: string, column: number, expected: readonly number[]): Promise<void> => {
        const rows = await table(page, id);
        const found = rows.map((row) => number(row[column])).filter(Number.isFinite);
        expect(found, id).toHaveLength(expected.length);
        for (const [index, value] of expected.entries())
          expect(found[index] as number, id).toBeCloseToShare(value, 0.006);
      };
      await compare(
        'size',
        4,
        first(({ size }) => size?.engine),
      );
      await compare(
        'accuracy',
        2,
        first(({ accuracy }) => accuracy && accuracy.top1.share * 100),
      );
      await compare(
        'latency',
        4,
        summary.variants.flatMap(({ speeds }) => speeds.map(({ p50 }) => p50.value / 1000)),
      );
      await compare(
        'throughput',
        3,
        summary.variants.flatMap(({ speeds }) => speeds.map(({ throughput }) => throughput.value)),
      );
      await compare(
        'energy',
        3,
        summary.variants.flatMap(({ speeds }) => speeds.flatMap(({ energy }) => energy?.value ?? [])),
      );
      await compare(
        'break-even',
        4,
        first(({ breakEven }) => breakEven?.time?.inferences),
      );
      await compare(
        'latency-ratio',
        2,
        own.map(({ speeds }) => atOne(speeds)?.againstBaseline?.value as number),
      );
      // Steps under half a percent of the whole are left out, and the caption says so.
      const steps = own.flatMap(({ overhead }) =>
        (overhead?.phases ?? [])
          .flatMap(({ seconds, steps: inner }) => [seconds.value, ...inner.map((step) => step.seconds.value)])
          .filter((seconds) => seconds >= 0.005 * (overhead?.seconds.value ?? 0)),
      );
      await compare('overhead', 3, steps);
    });

    test('says first what to deploy, with intervals', async () => {
      const { best } = summary.recommendation;
      const text = (await page.textContent('#summary')) ?? '';
      expect(text).toContain(`Deploy ${best?.variant.model}`);
      const latency = atOne(best?.speeds ?? [])?.p50;
      expect(number((await page.textContent('.tile dd')) ?? '') * 1000).toBeCloseToShare(
        latency?.value as number,
        0.006,
      );
      expect(text).toContain('95\u00a0% interval');
    });

    test('shows what the study claims with a word and a sign', async () => {
      const verdicts = await page.$$eval('#claims tbody tr', (rows) =>
        rows.map((row) => row.children[1]?.textContent?.replaceAll('\u00a0', ' ')),
      );
      const signs = { holds: '✓ holds', 'does not hold': '✗ does not hold', 'not measured': 'not measured' };
      expect(verdicts).toEqual(summary.claims.map(({ verdict }) => signs[verdict]));
    });

    test('is made of headings, landmarks, captions and names for those who do not see it', async () => {
      expect(await page.evaluate(audit)).toEqual([]);
      await page.keyboard.press('Tab');
      expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('To the summary');
    });

    test('has no text cut off, none upon another, and none too small, on a page and on a phone', async () => {
      expect(await page.evaluate(layout)).toEqual([]);
      const phone = await open(url, { viewport: PHONE });
      expect(await phone.page.evaluate(layout)).toEqual([]);
      expect(await phone.page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
      expect(await phone.page.locator('.wide:visible').count()).toBe(0);
      expect(await phone.page.locator('.narrow:visible').count()).toBe(await page.locator('.wide:visible').count());
      await phone.page.$$eval('details', (all) => {
        for (const details of all) details.open = true;
      });
      expect(await phone.page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
      await phone.close();
    });

    test('is readable without JavaScript, on light, on dark and on paper', async () => {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page: shown, close } = await open(url, { colorScheme });
        expect(await shown.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
          rgb(colorScheme === 'dark' ? DARK.page : LIGHT.page),
        );
        expect(await shown.evaluate(contrasts), colorScheme).toEqual([]);
        await shown.emulateMedia({ media: 'print' });
        expect(await shown.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(rgb(LIGHT.page));
        expect(await shown.evaluate(contrasts), 'paper').toEqual([]);
        expect(await shown.locator('nav').isVisible()).toBe(false);
        expect(await shown.locator('.wide:visible').count()).toBeGreaterThan(5);
        await close();
      }
      const { page: plain, close } = await open(url, { javaScriptEnabled: false });
      await plain.locator('#figure-size summary').click();
      expect(await plain.locator('#figure-size table').isVisible()).toBe(true);
      await close();
    });
  });

  test('names that are markup stay names', async () => {
    const summary = summaryOf({ ...BOARD, device: { ...BOARD.device, name: HOSTILE } }, (results) => {
      const [model] = results.models;
      for (const variant of results.variants) if (variant.model === model?.id) variant.model = HOSTILE;
      if (model) Object.assign(model, { id: HOSTILE, source: HOSTILE });
      for (const trial of results.trials) {
        if (trial.kind === 'accuracy' && trial.accuracy?.labels)
          trial.accuracy.labels = trial.accuracy.labels.map(() => HOSTILE);
        const layer = trial.kind === 'compress' ? trial.compress?.layers?.[0] : undefined;
        if (layer) Object.assign(layer, { name: HOSTILE, op: HOSTILE, kernel: HOSTILE });
      }
      results.sources.push({ name: HOSTILE, available: false, reason: HOSTILE });
    });
    const { page, seen, close } = await open(await write('hostile', summary));
    expect(
      await page.evaluate(() => document.querySelectorAll('script, img, iframe, object, [onerror], [onload]').length),
    ).toBe(0);
    expect(await page.textContent('h1')).toBe(HOSTILE);
    expect(await page.textContent('#study tbody th')).toBe(HOSTILE);
    expect(await page.textContent('#figure-size .wide .headings_marks text')).toBe(HOSTILE);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(WIDE.width);
    expect(await page.evaluate(audit)).toEqual([]);
    expect(seen).toEqual([]);
    await close();
  });

  test('an experiment that measured nothing has no empty chart', async () => {
    const nothing = summaryOf({ models: ['densenet201'] }, (results) => {
      results.trials.length = 0;
      results.partial = true;
    });
    const { page, close } = await open(await write('nothing', nothing));
    expect(await page.locator('figure, .chart svg').count()).toBe(0);
    expect(await page.locator('p.absent').count()).toBeGreaterThan(9);
    expect(await page.evaluate(audit)).toEqual([]);
    await close();
  });

  test('the whole study fits into 3 MB', async () => {
    const models = [
      'mobilenet_v3_small',
      'mobilenet_v3_large',
      'efficientnet_b1',
      'efficientnet_b3',
      'densenet169',
      'densenet201',
    ];
    const summary = summaryOf({ ...BOARD, models }, (results) => {
      for (const trial of results.trials) {
        const layers = trial.kind === 'compress' ? trial.compress?.layers : undefined;
        // As many as DenseNet-201 has.
        for (let index = 0; layers?.[0] && index < 400; index += 1)
          layers.push({ ...layers[0], name: `layer ${index}` });
      }
    });
    expect(summary.variants).toHaveLength(24);
    expect(Buffer.byteLength(await renderHtml(buildReport(summary)))).toBeLessThan(3e6);
  });
});

const atOne = (speeds: VariantSummary['speeds']) => speeds.find(({ batch }) => batch === 1);

/** The first number of a cell, in the base unit of what it is. */
function number(cell = ''): number {
  const [, digits = '', unit = ''] =
    /^(−?[\d.\u202f]+)[\u00a0×]?(kB|MB|GB|µs|ms|min|mJ|µJ|kJ)?/.exec(cell.trim()) ?? [];
  const factors: Readonly<Record<string, number>> = {
    kB: 1e3,
    MB: 1e6,
    GB: 1e9,
    µs: 1e-6,
    ms: 1e-3,
    min: 60,
    mJ: 1e-3,
    µJ: 1e-6,
    kJ: 1e3,
  };
  return digits === '' ? Number.NaN : Number(digits.replace('−', '-').replaceAll('\u202f', '')) * (factors[unit] ?? 1);
}

/** Lengths in pixels go like the values, to a pixel or two. */
function proportional(
  marks: readonly Drawn[],
  values: readonly number[],
  of: (mark: Drawn) => number,
  within = 2,
): void {
  expect(marks).toHaveLength(values.length);
  const longest = Math.max(...marks.map(of));
  const most = Math.max(...values);
  for (const [index, value] of values.entries()) {
    expect(Math.abs(of(marks[index] as Drawn) - (value / most) * longest)).toBeLessThan(within);
  }
}

/** Positions in pixels are one straight line over the values. */
function linear(marks: readonly Drawn[], values: readonly number[], within = 2): void {
  expect(marks).toHaveLength(values.length);
  const low = values.indexOf(Math.min(...values));
  const high = values.indexOf(Math.max(...values));
  const [from, to] = [marks[low]?.x as number, marks[high]?.x as number];
  expect(to - from).toBeGreaterThan(100);
  for (const [index, value] of values.entries()) {
    const share = (value - (values[low] as number)) / ((values[high] as number) - (values[low] as number));
    expect(Math.abs((marks[index]?.x as number) - (from + share * (to - from)))).toBeLessThan(within);
  }
}

const rgb = (hex: string): string =>
  `rgb(${[1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)).join(', ')})`;

expect.extend({
  toBeCloseToShare(received: number, expected: number, share: number) {
    const pass = Math.abs(received - expected) <= Math.abs(expected) * share;
    return { pass, message: () => `expected ${received} to be ${expected} but for ${share * 100} %` };
  },
});
declare module 'vitest' {
  interface Matchers {
    toBeCloseToShare(expected: number, share: number): void;
  }
}
