import { NARROW, renderSpec, WIDE } from './chart.js';
import type { Chart, Figure, LegendItem, Shape, TitledChart } from './document.js';
import { tableHtml } from './html-table.js';
import { escapeHtml } from './html-text.js';

/** Told of what Vega-Lite finds questionable in a chart. */
export type Warn = (message: string) => void;

/** A chart with its caption, its legend, and the numbers that are drawn. */
export async function figureHtml({ id, caption, legend = [], chart, table }: Figure, warn: Warn): Promise<string> {
  const drawn = 'spec' in chart ? await both(chart, warn) : await panels(chart, warn);
  return [
    `<figure id="figure-${escapeHtml(id)}">`,
    legend.length > 0 ? `<ul class="legend">${legend.map(legendHtml).join('')}</ul>` : '',
    drawn,
    `<figcaption>${escapeHtml(caption)}</figcaption>`,
    `<details class="numbers"><summary>Numbers behind this chart</summary>${tableHtml(table)}</details>`,
    '</figure>',
  ].join('\n');
}

/** Drawn for a page and for a phone; the style shows one of the two. */
async function both({ label, spec }: Chart, warn: Warn): Promise<string> {
  const wide = await renderSpec(spec(WIDE), warn);
  const narrow = await renderSpec(spec(NARROW), warn);
  return `<div class="chart" role="img" aria-label="${escapeHtml(label)}"><div class="wide">${wide}</div><div class="narrow">${narrow}</div></div>`;
}

/** Small charts, each as wide as a phone: two beside each other on a page, one below the other on a phone. One alone is wide. */
async function panels(charts: readonly TitledChart[], warn: Warn): Promise<string> {
  const [only] = charts;
  if (only !== undefined && charts.length === 1) {
    return `<p class="panel-title">${escapeHtml(only.title)}</p>${await both(only, warn)}`;
  }
  const drawn: string[] = [];
  for (const { title, label, spec } of charts) {
    const svg = await renderSpec(spec(NARROW), warn);
    drawn.push(
      `<div class="panel"><p class="panel-title">${escapeHtml(title)}</p><div class="chart" role="img" aria-label="${escapeHtml(label)}">${svg}</div></div>`,
    );
  }
  return `<div class="panels">${drawn.join('\n')}</div>`;
}

const SHAPES: Readonly<Record<Shape, string>> = {
  square: '<rect x="1.5" y="1.5" width="9" height="9"/>',
  circle: '<circle cx="6" cy="6" r="5"/>',
  diamond: '<path d="M6 0 12 6 6 12 0 6Z"/>',
  triangle: '<path d="M6 .8 11.6 10.8H.4Z"/>',
  cross: '<path d="M4 .5h4v3.5h3.5v4H8v3.500H4V8H.5V4H4Z"/>',
  line: '<path d="M0 5h12v2H0Z"/>',
};

function legendHtml({ heading, label, colour, shape, number }: LegendItem): string {
  const mark =
    number === undefined
      ? `<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true" focusable="false" fill="var(${colour})">${SHAPES[shape ?? 'square']}</svg>`
      : `<span class="number" style="background:var(${colour})">${number}</span>`;
  const before = heading === undefined ? '' : `<span class="heading">${escapeHtml(heading)}</span>`;
  return `<li>${before}${mark}${escapeHtml(label)}</li>`;
}
