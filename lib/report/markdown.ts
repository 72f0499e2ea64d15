import { type Block, cellOf, type Document, type Mark, type Table } from './document.js';
import { sentence } from './html.js';

const SIGNS: Readonly<Partial<Record<Mark, string>>> = { good: '✓ ', bad: '✗ ', warning: '! ' };

/** The same document as GitHub-flavoured Markdown: of a chart the table behind it, of long tables the file they are in. */
export function renderMarkdown(document: Document): string {
  const lines = [
    `# ${escapeMarkdown(document.title)}`,
    `${escapeMarkdown(document.subtitle)}. ${document.facts.map(escapeMarkdown).join(' · ')}`,
    ...document.sections.flatMap(({ title, blocks }) => [
      `## ${escapeMarkdown(title)}`,
      ...blocks.flatMap((block) => blockMarkdown(block)),
    ]),
    '---',
    escapeMarkdown(document.footer),
  ];
  return `${lines.join('\n\n')}\n`;
}

function blockMarkdown(block: Block): string[] {
  switch (block.kind) {
    case 'text':
      if (block.tone === 'lead') return [`**${escapeMarkdown(block.text)}**`];
      return [escapeMarkdown(block.text)];
    case 'warnings':
      return [
        ['> **Before believing this**', '>', ...block.items.map((item) => `> - ${escapeMarkdown(item)}`)].join('\n'),
      ];
    case 'list':
      return [block.items.map((item) => `- ${escapeMarkdown(item)}`).join('\n')];
    case 'absent':
      return [`> **${escapeMarkdown(block.what)}: not measured.** ${escapeMarkdown(sentence(block.why))}`];
    case 'tiles':
      return [
        block.tiles
          .map(({ label, value, details }) => {
            const rest = details.map((detail) => `; ${escapeMarkdown(detail)}`).join('');
            return `- ${escapeMarkdown(label)}: **${escapeMarkdown(value)}**${rest}`;
          })
          .join('\n'),
      ];
    case 'heading':
      return [`### ${escapeMarkdown(block.text)}`];
    case 'table':
      return tableMarkdown(block.table);
    case 'tables':
      return block.tables.flatMap(tableMarkdown);
    case 'details':
      return [`${escapeMarkdown(block.title)}: in \`${block.file}\`.`];
    case 'figure':
      return tableMarkdown(block.figure.table);
  }
}

function tableMarkdown({ caption, columns, rows, wordy = false }: Table): string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const cells = rows.map((row) =>
    line(
      row.map((given, index) => {
        const { text, detail, mark } = cellOf(given);
        const sign = columns[index]?.numeric || mark === undefined ? '' : (SIGNS[mark] ?? '');
        const rest =
          detail === undefined ? '' : wordy ? `<br>${escapeMarkdown(detail)}` : ` (${escapeMarkdown(detail)})`;
        return `${sign}${escapeMarkdown(text)}${rest}`;
      }),
    ),
  );
  const head = line(columns.map(({ head: name }) => escapeMarkdown(name)));
  const rule = line(columns.map(({ numeric }) => (numeric ? '--:' : '---')));
  return [`**${escapeMarkdown(caption)}**`, [head, rule, ...cells].join('\n')];
}

/** Text that stays text: no markup, no HTML, no cell of its own, on one line. */
export const escapeMarkdown = (content: string): string =>
  content
    .replace(/\s*[\r\n]+\s*/g, ' ')
    .replace(/[\\`*{}[\]<>|~$&]/g, '\\$&')
    // Underscores within words are no emphasis, and names are full of them.
    .replace(/(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])/g, '\\_')
    // What would begin a heading, a list or a rule at the start of a line.
    .replace(/^(\s*)([#+=-])/, '$1\\$2')
    .replace(/^(\s*\d+)([.)])(?=\s|$)/, '$1\\$2');
