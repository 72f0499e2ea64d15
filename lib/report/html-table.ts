import { type Cell, cellOf, type Mark, type Table } from './document.js';
import { escapeHtml, inlineHtml } from './html-text.js';

/** What a mark looks like where a word stands beside it; numbers carry their own sign. */
const SIGNS: Readonly<Partial<Record<Mark, string>>> = { good: '✓', bad: '✗', warning: '!' };

/**
 * A table in a box of its own that scrolls sideways where it is wider than the page. Cells of the first column that repeat
 * the one above are one cell. Roles are written out where the style makes cards of rows: a browser no longer takes for a table
 * what isn't laid out as one.
 */
export function tableHtml(table: Table): string {
  const { caption, columns, wordy = false } = table;
  const role = (name: string): string => (wordy ? ` role="${name}"` : '');
  const head = columns.map(
    ({ head: name, numeric }) =>
      `<th scope="col"${role('columnheader')}${numeric ? ' class="n"' : ''}>${escapeHtml(name)}</th>`,
  );
  return [
    `<div class="scroll" role="region" tabindex="0" aria-label="${escapeHtml(caption)}">`,
    `<table${wordy ? ' class="wordy" role="table"' : ''}><caption><span>${inlineHtml(caption)}</span></caption>`,
    `<thead${role('rowgroup')}><tr${role('row')}>${head.join('')}</tr></thead>`,
    `${bodies(table, role)}</table></div>`,
  ].join('');
}

function bodies({ columns, rows, wordy = false }: Table, role: (name: string) => string): string {
  const html: string[] = [];
  for (let first = 0; first < rows.length; ) {
    const name = cellOf(rows[first]?.[0] ?? '');
    let last = first + 1;
    while (!wordy && last < rows.length && cellOf(rows[last]?.[0] ?? '').text === name.text) last += 1;
    const count = last - first;
    const lines = rows.slice(first, last).map((row, index) => {
      const heading = index > 0 ? '' : `<th${scope(count)}${role('rowheader')}>${breakable(content(name))}</th>`;
      const cells = row.slice(1).map((cell, column) => {
        const { head = '', numeric = false } = columns[column + 1] ?? {};
        return td(cellOf(cell), numeric, wordy ? `${role('cell')} data-head="${escapeHtml(head)}"` : '');
      });
      return `<tr${role('row')}>${heading}${cells.join('')}</tr>`;
    });
    html.push(`<tbody${role('rowgroup')}>${lines.join('')}</tbody>`);
    first = last;
  }
  return html.join('\n');
}

const scope = (rows: number): string => (rows > 1 ? ` scope="rowgroup" rowspan="${rows}"` : ' scope="row"');

function td(cell: Cell, numeric: boolean, attributes: string): string {
  const classes = [numeric ? 'n' : '', cell.mark ?? ''].filter(Boolean).join(' ');
  const sign = !numeric && cell.mark ? SIGNS[cell.mark] : undefined;
  const mark = sign ? `<span class="sign" aria-hidden="true">${sign}</span>&nbsp;` : '';
  return `<td${attributes}${classes ? ` class="${classes}"` : ''}>${mark}${content(cell)}</td>`;
}

/** Long names break where their parts meet. */
const breakable = (html: string): string => html.replace(/[_/.](?=\w)/g, '$&<wbr>');

const content = ({ text, detail }: Cell): string =>
  escapeHtml(text) + (detail ? ` <small>${inlineHtml(detail)}</small>` : '');
