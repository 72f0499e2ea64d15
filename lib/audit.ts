import type { Layer } from './native.js';

/** The part of something that falls to each precision, between 0 and 1. */
export type Shares = Readonly<Record<string, number>>;

/** Which precision an engine really runs in, and what that means. */
export interface PrecisionAudit {
  /** Of the multiply-accumulates; absent where the backend doesn't tell them. */
  readonly macs?: Shares;
  /** Of the measured time; only when profiled. */
  readonly time?: Shares;
  /** Layers that only change layout or precision between two others. */
  readonly reformats: number;
  /** Their part of the time; only when profiled. */
  readonly reformatTime?: number;
  /** Layers that run in another precision than the graph asked for, and why. */
  readonly fallbacks: readonly {
    readonly layer: string;
    readonly asked: string;
    readonly got: string;
    readonly why: string;
  }[];
  /** What stands in the way of speed; empty when nothing does. */
  readonly verdict: readonly string[];
}

/** What an audit looks at of a layer. */
export interface AuditableLayer extends Pick<Layer, 'name' | 'requested' | 'precision' | 'macs' | 'reformat'> {
  readonly seconds?: number | undefined;
  readonly reason?: string | undefined;
}

/** A smaller part than this decides nothing. */
const NOTABLE = 0.1;

export function auditOf(layers: readonly AuditableLayer[], precision: string): PrecisionAudit {
  const macs = sharesOf(layers, ({ macs: count }) => count);
  const timed = layers.some(({ seconds }) => seconds !== undefined);
  const time = timed ? sharesOf(layers, ({ seconds }) => seconds ?? 0) : undefined;
  const reformats = layers.filter(({ reformat }) => reformat);
  const all = total(layers, ({ seconds }) => seconds ?? 0);
  const reformatTime = timed && all > 0 ? total(reformats, ({ seconds }) => seconds ?? 0) / all : undefined;
  const fallbacks = layers
    .filter(({ requested, precision: got }) => requested !== '' && got !== '' && got !== requested)
    .map(({ name, requested, precision: got, reason }) => ({
      layer: name,
      asked: requested,
      got,
      why: reason ?? 'the backend gives no reason',
    }));
  const audit = {
    ...(macs && { macs }),
    ...(time && { time }),
    reformats: reformats.length,
    ...(reformatTime !== undefined && { reformatTime }),
    fallbacks,
  };
  return { ...audit, verdict: precision === 'int8' ? judge(audit, layers) : [] };
}

function judge(audit: Omit<PrecisionAudit, 'verdict'>, layers: readonly AuditableLayer[]): string[] {
  const verdict: string[] = [];
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const outside = audit.macs && 1 - (audit.macs.int8 ?? 0);
  if (outside !== undefined && outside > NOTABLE) {
    verdict.push(`${percent(outside)} of the multiply-accumulates don't run in INT8`);
  }
  const slow = audit.time && 1 - (audit.time.int8 ?? 0);
  if (slow !== undefined && slow > 0.5) verdict.push(`${percent(slow)} of the time is spent outside INT8 layers`);
  if (audit.reformatTime !== undefined && audit.reformatTime > NOTABLE) {
    verdict.push(
      `${percent(audit.reformatTime)} of the time goes into ${audit.reformats} changes of layout or precision`,
    );
  }
  if (audit.fallbacks.length > 0) {
    const { why } = audit.fallbacks[0] as PrecisionAudit['fallbacks'][number];
    verdict.push(
      `${audit.fallbacks.length} of ${layers.length} layers fell back to another precision, the first because: ${why}`,
    );
  }
  return verdict;
}

const total = (layers: readonly AuditableLayer[], of: (layer: AuditableLayer) => number): number =>
  layers.reduce((sum, layer) => sum + of(layer), 0);

/** Undefined where there is nothing to share. */
function sharesOf(layers: readonly AuditableLayer[], of: (layer: AuditableLayer) => number): Shares | undefined {
  const all = total(layers, of);
  if (all === 0) return undefined;
  const shares: Record<string, number> = {};
  for (const layer of layers) {
    const key = layer.precision === '' ? 'unknown' : layer.precision;
    shares[key] = (shares[key] ?? 0) + of(layer) / all;
  }
  return shares;
}
