import type { Dataset, Evaluation } from 'presisi';
import sharp from 'sharp';

export interface Card {
  readonly path: string;
  readonly truth: string;
  /** One line for each engine: its name, what it saw, how sure it was. */
  readonly lines: readonly { readonly engine: string; readonly label: string; readonly score: number }[];
}

const CELL = 200;
const PICTURE = 184;
const LINE = 17;

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/**
 * Pictures with what each engine said of them, as one SVG with the pictures inside. The text is set by whoever shows the
 * file: drawing it here would need fonts, which a small device doesn't have.
 */
export async function drawCards(title: string, cards: readonly Card[], columns = 6): Promise<string> {
  const lines = cards[0]?.lines.length ?? 0;
  const height = PICTURE + LINE * (lines + 1) + 22;
  const rows = Math.ceil(cards.length / columns);
  const width = columns * CELL + 16;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${rows * height + 48}" font-family="system-ui, sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    `<text x="16" y="28" font-size="16" font-weight="600" fill="#1f2328">${escaped(title)}</text>`,
  ];
  for (const [i, card] of cards.entries()) {
    const x = 16 + (i % columns) * CELL;
    const y = 44 + Math.floor(i / columns) * height;
    const jpeg = await sharp(card.path).resize(PICTURE, PICTURE, { fit: 'cover' }).jpeg({ quality: 80 }).toBuffer();
    parts.push(
      `<image x="${x}" y="${y}" width="${PICTURE}" height="${PICTURE}" href="data:image/jpeg;base64,${jpeg.toString('base64')}"/>`,
      `<text x="${x}" y="${y + PICTURE + LINE}" font-weight="600" fill="#1f2328">${escaped(card.truth)}</text>`,
    );
    for (const [n, line] of card.lines.entries()) {
      const right = line.label === card.truth;
      const text = `${line.engine}  ${right ? '✓' : '✗'} ${line.label} ${(line.score * 100).toFixed(0)} %`;
      parts.push(
        `<text x="${x}" y="${y + PICTURE + LINE * (n + 2)}" fill="${right ? '#1a7f37' : '#cf222e'}">${escaped(text)}</text>`,
      );
    }
  }
  parts.push('</svg>');
  return `${parts.join('\n')}\n`;
}

const COUNT = 12;

/** Where the engines disagree, or all err, is more telling than where all is well: those first, then a spread of the rest. */
export function chooseCards(
  dataset: Dataset,
  labels: readonly string[],
  evaluations: Readonly<Record<string, Evaluation>>,
): Card[] {
  const nameOf = (index: number | undefined): string => labels[index ?? -1] ?? '?';
  const cards = dataset.samples.map(({ image, label }, i): Card & { readonly trouble: boolean } => {
    const lines = Object.entries(evaluations).map(([engine, { predictions }]) => {
      const best = predictions?.[i]?.top[0];
      return { engine, label: nameOf(best?.index), score: best?.score ?? Number.NaN };
    });
    return {
      path: image.name,
      truth: nameOf(label),
      lines,
      trouble: lines.some((line) => line.label !== nameOf(label)),
    };
  });
  const disagreeing = cards.filter((card) => new Set(card.lines.map((line) => line.label)).size > 1).slice(0, 3);
  const wrong = cards.filter((card) => card.trouble && !disagreeing.includes(card)).slice(0, 1);
  const right = cards.filter((card) => !card.trouble);
  const wanted = COUNT - disagreeing.length - wrong.length;
  const spread = Array.from({ length: wanted }, (_, i) => right[Math.floor((i * right.length) / wanted)]);
  return [...spread.filter((card) => card !== undefined), ...disagreeing, ...wrong];
}
