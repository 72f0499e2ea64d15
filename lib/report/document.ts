import type { Spec } from './chart.js';

/**
 * A report before it is HTML or Markdown: plain text and plain data, nothing escaped. Both forms are drawn from the
 * same document, so they can't say different things.
 */
export interface Document {
  readonly title: string;
  readonly subtitle: string;
  /** Short facts below the title. */
  readonly facts: readonly string[];
  readonly sections: readonly Section[];
  readonly footer: string;
}

export interface Section {
  readonly id: string;
  readonly title: string;
  /** What the list of sections calls it: a word or two. */
  readonly short: string;
  readonly blocks: readonly Block[];
}

export type Block =
  | { readonly kind: 'text'; readonly text: string; readonly tone?: 'lead' | 'note' }
  | { readonly kind: 'warnings'; readonly items: readonly string[] }
  | { readonly kind: 'list'; readonly items: readonly string[] }
  /** What was not measured, and why. */
  | { readonly kind: 'absent'; readonly what: string; readonly why: string }
  | { readonly kind: 'tiles'; readonly tiles: readonly Tile[] }
  | { readonly kind: 'heading'; readonly text: string }
  | { readonly kind: 'table'; readonly table: Table }
  /** Several small tables beside each other. */
  | { readonly kind: 'tables'; readonly tables: readonly Table[] }
  /** Long tables, folded away in HTML and left out of Markdown, which names the CSV file instead. */
  | { readonly kind: 'details'; readonly title: string; readonly tables: readonly Table[]; readonly file: string }
  | { readonly kind: 'figure'; readonly figure: Figure };

/** A number that matters, large, with what else is to say in lines below. */
export interface Tile {
  readonly label: string;
  readonly value: string;
  readonly details: readonly string[];
}

/** Said by a sign and by colour; the words are in the text. */
export type Mark = 'good' | 'bad' | 'neutral' | 'warning' | 'absent';

export interface Cell {
  readonly text: string;
  /** Smaller, below: the interval. A line break stays one. */
  readonly detail?: string;
  readonly mark?: Mark;
}

export interface Column {
  readonly head: string;
  /** Aligned to the right, digits below each other. */
  readonly numeric?: boolean;
}

export interface Table {
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first cell of a row names it; equal ones below each other are one. */
  readonly rows: readonly (readonly (Cell | string)[])[];
  /** Cells are sentences: on a phone a row is a card, not a line to scroll along. */
  readonly wordy?: boolean;
}

/** What the colours and shapes of a figure mean. */
export interface LegendItem {
  /** Stands before it: what it and those after it are parts of. */
  readonly heading?: string;
  readonly label: string;
  /** A colour of the page: `--fp32`. */
  readonly colour: string;
  /** A shape as the chart draws it, or a number as it stands in the chart's parts. */
  readonly shape?: Shape;
  readonly number?: number;
}

export type Shape = 'square' | 'circle' | 'diamond' | 'triangle' | 'cross' | 'line';

/** Drawn for the width it is given, in pixels. */
export interface Chart {
  /** What it shows, in a sentence, for those who can't see it. */
  readonly label: string;
  readonly spec: (width: number) => Spec;
}

/** One of several. */
export interface TitledChart extends Chart {
  readonly title: string;
}

export interface Figure {
  readonly id: string;
  readonly caption: string;
  readonly legend?: readonly LegendItem[];
  /** One chart over the whole width, or several small ones, each with a title. */
  readonly chart: Chart | readonly TitledChart[];
  /** The numbers that are drawn. */
  readonly table: Table;
}

export const text = (content: string, tone?: 'lead' | 'note'): Block =>
  tone === undefined ? { kind: 'text', text: content } : { kind: 'text', text: content, tone };

export const cellOf = (cell: Cell | string): Cell => (typeof cell === 'string' ? { text: cell } : cell);

export const numeric = (...heads: readonly string[]): Column[] => heads.map((head) => ({ head, numeric: true }));
export const words = (...heads: readonly string[]): Column[] => heads.map((head) => ({ head }));
