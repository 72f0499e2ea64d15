import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Results } from '../characterize/results.js';
import type { Recommendation, Summary, VariantSummary } from '../characterize/summary.js';
import { atCaller, fileSystemError } from '../errors.js';
import { writeDurably } from '../files.js';
import { check, oneOf, options, present } from '../options.js';
import { buildReport } from './build.js';
import { csvOf } from './csv.js';
import { renderHtml } from './html.js';
import { renderMarkdown } from './markdown.js';
import { layerRecords, trialRecords, variantRecords } from './records.js';
import { studyRecords, studyRows } from './study-table.js';
import { groupsOf } from './variants.js';

export const REPORT_FORMATS = ['html', 'md', 'csv', 'json'] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

export interface ReportOptions {
  /**
   * `html`: one page, complete in itself. `md`: the same as Markdown. `csv`: trials, variants, layers, and the study's table.
   * `json`: what was computed (`summary.json`), and the results where the folder has none. Default: all.
   */
  readonly formats?: readonly ReportFormat[];
}

/** Paths of what was written. */
export interface WrittenReport {
  readonly html?: string;
  readonly markdown?: string;
  readonly csv: readonly string[];
  readonly json: readonly string[];
}

export const SUMMARY_VERSION = 1;

const schema = options({
  formats: z.array(oneOf(REPORT_FORMATS)).min(1, { error: 'at least one format' }).optional(),
});

/**
 * Writes the report of an experiment into a folder, which is made where there is none. Files that are there are replaced, but for
 * `results.json`; each is complete or not there.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT for an unknown format, ERR_PRESISI_FILE_SYSTEM
 */
export function writeReport(summary: Summary, folder: string, given: ReportOptions = {}): Promise<WrittenReport> {
  return atCaller(writeReport, async () => {
    const { formats = REPORT_FORMATS } = check(schema, given, 'options');
    await mkdir(folder, { recursive: true }).catch((error: unknown) => {
      throw fileSystemError('make the folder', folder, error);
    });
    const write = async (name: string, content: string): Promise<string> => {
      const path = join(folder, name);
      await writeDurably(path, content);
      return path;
    };
    const document = buildReport(summary);
    const html = formats.includes('html') ? await write('report.html', await renderHtml(document)) : undefined;
    const markdown = formats.includes('md') ? await write('report.md', renderMarkdown(document)) : undefined;
    const csv: string[] = [];
    for (const [name, records] of formats.includes('csv') ? Object.entries(recordsOf(summary)) : []) {
      csv.push(await write(name, csvOf(records)));
    }
    const json: string[] = [];
    if (formats.includes('json')) {
      json.push(await write('summary.json', `${JSON.stringify(summaryJson(summary), null, 1)}\n`));
      const results = join(folder, 'results.json');
      if (!(await exists(results))) json.push(await write('results.json', `${JSON.stringify(summary.results)}\n`));
    }
    return { ...present({ html, markdown }), csv, json };
  });
}

const recordsOf = (summary: Summary) => ({
  'trials.csv': trialRecords(summary.results),
  'variants.csv': variantRecords(summary),
  'layers.csv': layerRecords(summary),
  'study.csv': studyRecords(studyRows(summary, groupsOf(summary))),
});

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;

/** What was computed, without what results.json holds already: single runs and layers. Variants are named by their id. */
export function summaryJson({ results, variants, recommendation, ...rest }: Summary) {
  const { name, started, finished, partial, device, environment } = results satisfies Results;
  return {
    schema: 'presisi-summary',
    version: SUMMARY_VERSION,
    results: { name, started, finished, partial, device, environment },
    variants: variants.map(({ layers: _, speeds, ...variant }) => ({
      ...variant,
      speeds: speeds.map(({ samples: __, ...speed }) => speed),
    })),
    recommendation: namesOf(recommendation),
    ...rest,
  };
}

const namesOf = ({ best, why, candidates, closest }: Recommendation) => {
  const id = ({ variant }: VariantSummary): string => variant.id;
  return {
    ...(best && { best: id(best) }),
    why,
    candidates: candidates.map(id),
    closest: closest.map(({ variant, misses }) => ({ variant: id(variant), misses })),
  };
};
