import { stripVTControlCharacters } from 'node:util';

const ESCAPE = '\u001b[';
const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Style = keyof typeof STYLES;

/** Colours a text, or leaves it as it is. */
export type Paint = (style: Style, text: string) => string;
export const plain: Paint = (_, text) => text;
export const coloured: Paint = (style, text) => (text === '' ? '' : `${ESCAPE}${STYLES[style]}m${text}${ESCAPE}0m`);

/** Characters it takes on the screen. */
export const widthOf = (text: string): number => [...stripVTControlCharacters(text)].length;

/** Cut to a width, with an ellipsis where something is lost. Colours take no place. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let room = width - 1;
  const pieces = text.split(ESCAPE).map((piece, i) => {
    const start = i === 0 ? 0 : piece.indexOf('m') + 1;
    const characters = [...piece.slice(start)];
    const kept = characters.slice(0, room).join('');
    room = Math.max(0, room - characters.length);
    return piece.slice(0, start) + kept;
  });
  return `${pieces.join(ESCAPE)}…`;
}

/** Words in lines of at most a width. */
export function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    const longer = line === '' ? word : `${line}  ${word}`;
    if (line !== '' && widthOf(longer) > width) {
      lines.push(line);
      line = word;
    } else {
      line = longer;
    }
  }
  return line === '' ? lines : [...lines, line];
}

/** A picture on the terminal that is drawn anew over itself. */
export class Screen {
  readonly #stream: NodeJS.WriteStream;
  #drawn = 0;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.write(`${ESCAPE}?25l`);
  }

  /** Columns of a line: the last stays free, where terminals disagree on when a line breaks. */
  get columns(): number {
    return Math.max(20, (this.#stream.columns ?? 80) - 1);
  }

  draw(lines: readonly string[]): void {
    // A picture higher than the screen would scroll away instead of being drawn over.
    const shown = lines.slice(0, Math.max(1, (this.#stream.rows ?? 24) - 1));
    const up = this.#drawn > 0 ? `${ESCAPE}${this.#drawn}A` : '';
    const body = shown.map((line) => `\r${cut(line, this.columns)}${ESCAPE}K\n`).join('');
    this.#stream.write(`${up}${body}${ESCAPE}J`);
    this.#drawn = shown.length;
  }

  /** Gives the terminal back, below the picture. */
  close(): void {
    this.#stream.write(`${ESCAPE}?25h`);
  }
}
