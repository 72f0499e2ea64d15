import type { Page } from 'playwright-core';

/** Where a mark is drawn, in pixels of the page: its middle, and how large it is. */
export interface Drawn {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The marks of a layer in the charts of a figure that are shown. */
export const drawn = (page: Page, figure: string, layer: string): Promise<Drawn[]> =>
  page.$$eval(`#figure-${figure} .${layer}_marks`, (groups) =>
    groups
      .filter((group) => (group as SVGGElement).getBoundingClientRect().width > 0 || group.closest('.narrow') === null)
      .flatMap((group) => [...group.querySelectorAll('path, line, text')])
      .map((mark) => mark.getBoundingClientRect())
      .map(({ x, y, width, height }) => ({ x: x + width / 2, y: y + height / 2, width, height })),
  );

/** Where a value of a chart's horizontal axis lies, in pixels of the page, by its lines and their labels. */
export const axis = async (page: Page, figure: string): Promise<(value: number) => number> => {
  const lines = await page.$$eval(`#figure-${figure} .wide .role-axis-grid line`, (all) =>
    all.map((line) => line.getBoundingClientRect().x + line.getBoundingClientRect().width / 2),
  );
  const values = await page.$$eval(`#figure-${figure} .wide .role-axis-label text`, (all) =>
    all.map(({ textContent }) => Number.parseFloat(textContent ?? '')),
  );
  const [from = Number.NaN, to = Number.NaN] = [lines[0], lines.at(-1)];
  const [low = Number.NaN, high = Number.NaN] = [values[0], values.at(-1)];
  return (value) => from + ((value - low) / (high - low)) * (to - from);
};

/** The rows of the table behind a chart; a cell over several rows stands in each. */
export const table = (page: Page, figure: string): Promise<string[][]> =>
  page.$eval(`#figure-${figure} details.numbers table`, (found) => {
    let name = '';
    return [...found.querySelectorAll('tbody tr')].map((row) => {
      const heading = row.querySelector('th');
      if (heading) name = heading.textContent ?? '';
      return [name, ...[...row.querySelectorAll('td')].map((cell) => cell.firstChild?.textContent ?? '')];
    });
  });

/** What a reader who doesn't see the page would miss. Runs in the page. */
export function audit(): string[] {
  const missing: string[] = [];
  const all = (selector: string): Element[] => [...document.querySelectorAll(selector)];
  const want = (condition: unknown, what: string): void => {
    if (!condition) missing.push(what);
  };
  want(document.documentElement.lang, 'a language');
  want(document.title, 'a title');
  for (const landmark of ['header', 'nav', 'main', 'footer', 'h1']) want(all(landmark).length === 1, `one ${landmark}`);
  let level = 0;
  for (const heading of all('h1, h2, h3, h4')) {
    const now = Number(heading.tagName.slice(1));
    want(now <= level + 1, `a level between ${level} and ${now}: ${heading.textContent}`);
    level = now;
  }
  const ids = all('[id]').map(({ id }) => id);
  want(new Set(ids).size === ids.length, 'ids that are unique');
  for (const link of all('a[href^="#"]'))
    want(document.querySelector(link.getAttribute('href') ?? ''), `what ${link.outerHTML} leads to`);
  for (const section of all('section'))
    want(
      document.getElementById(section.getAttribute('aria-labelledby') ?? '')?.textContent,
      `a name of ${section.id}`,
    );
  for (const figure of all('figure')) {
    want(figure.querySelector('figcaption')?.textContent, `a caption of ${figure.id}`);
    want(figure.querySelector('details table tbody tr'), `numbers behind ${figure.id}`);
    want(figure.querySelector('[role=img] svg'), `a drawing in ${figure.id}`);
  }
  for (const image of all('[role=img]'))
    want((image.getAttribute('aria-label') ?? '').length > 20, `words for ${image.closest('figure')?.id}`);
  for (const svg of all('svg'))
    want(
      svg.getAttribute('aria-hidden') === 'true' && !svg.querySelector('a, [tabindex]'),
      'a drawing without parts of its own',
    );
  for (const found of all('table')) {
    want(found.querySelector('caption')?.textContent, 'a caption of a table');
    const columns = found.querySelectorAll('thead th[scope=col]').length;
    want(columns > 1 && columns === found.querySelectorAll('thead th').length, 'scopes of columns');
    want(
      found.querySelectorAll('tbody th:not([scope])').length === 0 && found.querySelector('tbody th'),
      'scopes of rows',
    );
    const region = found.closest('[role=region]');
    want(
      region?.getAttribute('tabindex') === '0' && region.getAttribute('aria-label'),
      'a box that the keyboard can scroll',
    );
  }
  for (const details of all('details')) want(details.firstElementChild?.tagName === 'SUMMARY', 'a summary of details');
  return missing;
}

/** Texts of charts that are cut off, lie upon another one, or are smaller than 9 pixels. Runs in the page. */
export function layout(): string[] {
  const wrong: string[] = [];
  for (const svg of document.querySelectorAll('.chart svg')) {
    const frame = svg.getBoundingClientRect();
    if (frame.width === 0) continue;
    const figure = svg.closest('figure')?.id;
    const texts = [...svg.querySelectorAll('text')].filter(({ textContent }) => textContent);
    const boxes = texts.map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }));
    const scale = frame.width / Number(svg.getAttribute('width'));
    for (const [index, { text, box }] of boxes.entries()) {
      if (
        box.left < frame.left - 1 ||
        box.right > frame.right + 1 ||
        box.top < frame.top - 1 ||
        box.bottom > frame.bottom + 1
      ) {
        wrong.push(`${figure}: "${text}" is cut off`);
      }
      if (Number.parseFloat(getComputedStyle(texts[index] as Element).fontSize) * scale < 9)
        wrong.push(`${figure}: "${text}" is too small`);
      for (const other of boxes.slice(index + 1)) {
        const across = Math.min(box.right, other.box.right) - Math.max(box.left, other.box.left);
        // Lines of text may touch: boxes are taller than letters.
        const down = Math.min(box.bottom, other.box.bottom) - Math.max(box.top, other.box.top);
        if (across > 1 && down > 4) wrong.push(`${figure}: "${text}" lies upon "${other.text}"`);
      }
    }
  }
  return wrong;
}

/** Texts that keep less than 4.5:1 (large ones 3:1) against what they stand on, and marks less than 3:1. Runs in the page. */
export function contrasts(): string[] {
  const parse = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([red = 0, green = 0, blue = 0]: number[]): number => {
    const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a: number[], b: number[]): number => {
    const [light = 0, dark = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const background = (element: Element | null): number[] => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || (colour[3] ?? 0) > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const low = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!element || !node.textContent?.trim() || element.getClientRects().length === 0) continue;
    const drawing = element.closest('svg');
    // Numbers stand on the colours of phases, which a test of their own compares.
    if (element.closest('.numbers_marks')) continue;
    const style = getComputedStyle(element);
    const size = Number.parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const found = contrast(parse(drawing ? style.fill : style.color), background(drawing ?? element));
    if (found < (large ? 3 : 4.5)) low.add(`${node.textContent.trim().slice(0, 40)}: ${found.toFixed(2)}`);
  }
  for (const mark of document.querySelectorAll(
    '.bars_marks path, .dots_marks path, .segments_marks path, .points_marks path, .lines_marks path, .swatch',
  )) {
    const style = getComputedStyle(mark);
    const painted = style.fill === 'none' ? style.stroke : style.fill;
    const found = contrast(parse(painted), background(mark.closest('figure')));
    if (found < 3) low.add(`${mark.parentElement?.getAttribute('class')}: ${found.toFixed(2)}`);
  }
  return [...low];
}
