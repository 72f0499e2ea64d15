/** A Vega-Lite specification; its own type is checked when it is compiled. */
export type Spec = Readonly<Record<string, unknown>>;

/** Widths every chart is drawn for: a page, and a phone or a column of a page. Pixels. */
export const WIDE = 720;
export const NARROW = 328;

/** The page's own colours, so that one drawing is readable on light, on dark and on paper. */
export const INK = {
  text: 'var(--ink)',
  muted: 'var(--muted)',
  grid: 'var(--grid)',
  page: 'var(--page)',
} as const;

export const FONT_SIZE = 12;

const AXIS = {
  labelColor: INK.muted,
  labelFontSize: FONT_SIZE,
  titleColor: INK.muted,
  titleFontSize: FONT_SIZE,
  titleFontWeight: 'normal',
  gridColor: INK.grid,
  domainColor: INK.grid,
  tickColor: INK.grid,
  ticks: false,
  labelPadding: 6,
};

const CONFIG = {
  font: 'inherit',
  background: null,
  view: { stroke: null },
  axis: AXIS,
  text: { fill: INK.text, fontSize: FONT_SIZE, baseline: 'middle' },
  legend: { disable: true },
};

/**
 * The one place where a specification becomes an SVG: on the server, without a browser, without text measured by a
 * canvas, so layouts name their own margins (`autosize: none`). What the drawing says to those who can't see it stands
 * outside of it, so the marks' own roles and labels are left out. `warn` gets what Vega-Lite finds questionable.
 */
export async function renderSpec(spec: Spec, warn: (message: string) => void = () => {}): Promise<string> {
  // Loaded only when a chart is drawn: half a second that no other command should wait for.
  const [vega, { compile }] = await Promise.all([import('vega'), import('vega-lite')]);
  const logger = vega.logger(vega.Warn);
  logger.warn = (...parts: readonly unknown[]) => {
    warn(parts.join(' '));
    return logger;
  };
  const full = { autosize: 'none', ...spec, config: CONFIG } as unknown as Parameters<typeof compile>[0];
  const view = new vega.View(vega.parse(compile(full, { logger }).spec), { renderer: 'none', logger });
  try {
    return slim(await view.toSVG());
  } finally {
    view.finalize();
  }
}

/** Attributes that say nothing here, within tags only: text stays as it is. */
const NOISE = / (?:role|aria-[a-z]+|font-family|xmlns:xlink|version|pointer-events|opacity|stroke-width)="([^"]*)"/g;
const KEPT = /^ (?:opacity|stroke-width)="(?!1")/;

const slim = (svg: string): string =>
  svg
    .replace(/<[^>]*>/g, (tag) => tag.replace(NOISE, (attribute) => (KEPT.test(attribute) ? attribute : '')))
    .replace(/<path class="(?:background|foreground)"[^>]*\/>/g, '')
    .replace(/<svg /, '<svg aria-hidden="true" focusable="false" ');

/** A Vega expression that writes an axis' numbers as the report does, with their unit. */
export const tickLabel = (unit: string): string => {
  const suffix = unit === '' || unit === '×' ? unit : `\u00a0${unit}`;
  return `(datum.value >= 10000 ? replace(format(datum.value, ','), /,/g, '\u202f') : format(datum.value, '~g')) + '${suffix}'`;
};

const NARROW_LETTERS = /[ijltfr.,:;|'!()[\]\s]/;
const BROAD_LETTERS = /[A-Zmw%@+−–…≥≤]/;

/** About how wide a text is drawn, in pixels; a little too wide rather than too narrow. */
export function textWidth(content: string, size: number = FONT_SIZE): number {
  let width = 0;
  for (const letter of content) {
    width += NARROW_LETTERS.test(letter) ? 0.32 : BROAD_LETTERS.test(letter) ? 0.72 : 0.57;
  }
  return width * size;
}

/** Cut with an ellipsis where it is wider than there is room. */
export function fitText(content: string, width: number, size: number = FONT_SIZE): string {
  if (textWidth(content, size) <= width) return content;
  const letters = [...content];
  while (letters.length > 1 && textWidth(`${letters.join('')}…`, size) > width) letters.pop();
  return `${letters.join('').trimEnd()}…`;
}

/** Round numbers at equal distances, for an axis whose ends are too near for powers. */
function linearTicks([low, high]: readonly [number, number], most: number): number[] {
  const rough = (high - low) / Math.max(2, most);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => power * factor >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const count = Math.floor(high / step) - first + 1;
  return Array.from({ length: Math.max(0, count) }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** 1, 2 and 5 times powers of ten within a domain; fewer where that is too many, equal steps where it is fewer than two. */
export function logTicks([low, high]: readonly [number, number], most: number): number[] {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  const inside = (factors: readonly number[], step: number): number[] => {
    const ticks: number[] = [];
    for (let power = from; power <= to; power += step) {
      for (const factor of factors) ticks.push(Number(`${factor}e${power}`));
    }
    return ticks.filter((tick) => tick >= low * 0.999 && tick <= high * 1.001);
  };
  const fine = inside([1, 2, 5], 1);
  if (fine.length < 2) return linearTicks([low, high], most);
  if (fine.length <= most) return fine;
  for (const factors of [[1, 3], [1]]) {
    const ticks = inside(factors, 1);
    if (ticks.length <= most) return ticks;
  }
  for (let step = 2; ; step += 1) {
    const ticks = inside([1], step);
    if (ticks.length <= Math.max(1, most)) return ticks;
  }
}
