import type { Block, Document, Section, Tile } from './document.js';
import { figureHtml, type Warn } from './html-figure.js';
import { tableHtml } from './html-table.js';
import { escapeHtml, inlineHtml } from './html-text.js';
import { PAGE_STYLE } from './page-style.js';

/** Nothing may be loaded and nothing run: the page is complete, and whatever a name in it holds stays text. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** One file, complete in itself. */
export async function renderHtml(document: Document, warn: Warn = () => {}): Promise<string> {
  const sections: string[] = [];
  for (const section of document.sections) sections.push(await sectionHtml(section, warn));
  const links = document.sections.map(({ id, short }) => `<li><a href="#${id}">${escapeHtml(short)}</a></li>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(`${document.title}: ${document.subtitle}`)}</title>
<link rel="icon" href="data:,">
<style>${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#${document.sections[0]?.id ?? ''}">To the summary</a>
<header>
<h1>${escapeHtml(document.title)}</h1>
<p class="subtitle">${escapeHtml(document.subtitle)}</p>
<ul class="facts">${document.facts.map((fact) => `<li>${escapeHtml(fact)}</li>`).join('')}</ul>
</header>
<nav aria-label="Sections"><ol>${links.join('')}</ol></nav>
<main>
${sections.join('\n')}
</main>
<footer><p>${escapeHtml(document.footer)}</p></footer>
</body>
</html>
`;
}

async function sectionHtml({ id, title, blocks }: Section, warn: Warn): Promise<string> {
  const parts: string[] = [];
  for (const block of blocks) parts.push(await blockHtml(block, warn));
  return `<section id="${id}" aria-labelledby="${id}-title">\n<h2 id="${id}-title">${escapeHtml(title)}</h2>\n${parts.join('\n')}\n</section>`;
}

async function blockHtml(block: Block, warn: Warn): Promise<string> {
  switch (block.kind) {
    case 'text':
      return `<p${block.tone ? ` class="${block.tone}"` : ''}>${inlineHtml(block.text)}</p>`;
    case 'list':
      return listHtml(block.items);
    case 'warnings':
      return `<div class="warning"><p><strong>Before believing this</strong></p>${listHtml(block.items)}</div>`;
    case 'absent':
      return `<p class="absent"><strong>${escapeHtml(block.what)}: not measured.</strong> ${inlineHtml(sentence(block.why))}</p>`;
    case 'tiles':
      return `<dl class="tiles">${block.tiles.map(tileHtml).join('')}</dl>`;
    case 'heading':
      return `<h3>${escapeHtml(block.text)}</h3>`;
    case 'table':
      return tableHtml(block.table);
    case 'tables':
      return `<div class="tables">${block.tables.map(tableHtml).join('\n')}</div>`;
    case 'details':
      return `<details class="more"><summary>${escapeHtml(block.title)}</summary>${block.tables.map(tableHtml).join('\n')}</details>`;
    case 'figure':
      return figureHtml(block.figure, warn);
  }
}

const listHtml = (items: readonly string[]): string =>
  `<ul class="reasons">${items.map((item) => `<li>${inlineHtml(item)}</li>`).join('')}</ul>`;

const tileHtml = ({ label, value, details }: Tile): string =>
  `<div class="tile"><dt>${escapeHtml(label)}</dt><dd>${escapeHtml(value)}${details.map((detail) => `<small>${escapeHtml(detail)}</small>`).join('')}</dd></div>`;

/** A reason as a sentence; one that begins with a name or a path keeps its beginning. */
export const sentence = (reason: string): string => {
  const begun = /^[a-z]+ /.test(reason) ? reason.charAt(0).toUpperCase() + reason.slice(1) : reason;
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
};
