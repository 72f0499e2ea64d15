import type { PrecisionAudit } from '../../audit.js';
import { type Inspection, loadEngine } from '../../engine.js';
import type { Layer } from '../../native.js';
import { present } from '../../options.js';
import type { AuditedLayer } from '../results.js';

/** What an engine runs in which precision, layer by layer with the time each takes, and in a sentence. */
export async function auditEngine(
  path: string,
  signal: AbortSignal,
): Promise<{ readonly layers: AuditedLayer[]; readonly verdict: string }> {
  const engine = await loadEngine(path, { signal });
  try {
    const inspection = await engine.inspect({ profile: true, signal });
    return { layers: inspection.layers.map(layerOf), verdict: verdictOf(inspection) };
  } finally {
    await engine.dispose();
  }
}

const layerOf = ({ name, op, requested, precision, kernel, macs, weightBytes, reason, reformat, seconds }: Layer) => ({
  name,
  op,
  requested,
  precision,
  kernel,
  macs,
  weightBytes,
  reformat,
  ...present({ reason, seconds }),
});

function verdictOf({ audit, precision }: Inspection): string {
  const parts = [sharesText(audit) ?? `built for ${precision}; the backend does not tell what its layers compute`];
  return [...parts, ...audit.verdict].join('; ');
}

/** A smaller part than this is not worth a word. */
const NOTABLE = 0.001;

/** `97 % of the multiply-accumulates run in int8, 3 % in fp32` */
function sharesText({ macs }: PrecisionAudit): string | undefined {
  if (macs === undefined) return undefined;
  const shares = Object.entries(macs).sort(([, a], [, b]) => b - a);
  const [[most, share] = ['', 0], ...others] = shares.filter(([, part]) => part >= NOTABLE);
  if (others.length === 0) return `${share > 1 - 1e-9 ? 'all' : 'nearly all'} multiply-accumulates run in ${most}`;
  const percent = (part: number): string => `${+(part * 100).toFixed(1)} %`;
  const rest = others.map(([name, part]) => `${percent(part)} in ${name}`);
  return [`${percent(share)} of the multiply-accumulates run in ${most}`, ...rest].join(', ');
}
