import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { NETWORKS } from './networks.js';

/** What can be measured, in the order in which it is. */
export const PARTS = ['latency', 'load', 'overhead', 'quantize', 'pipeline', 'cost'] as const;
export type Part = (typeof PARTS)[number];

export interface Options {
  readonly parts: readonly Part[];
  readonly networks: readonly string[];
  readonly batches: readonly number[];
  readonly threads: number;
  readonly trials: number;
  /** Of points that are only fitted, and compared with no peer. */
  readonly fitTrials: number;
  /** A trial measures at least so many runs and so many seconds, but stops at the limit. */
  readonly runs: number;
  readonly seconds: number;
  readonly limitSeconds: number;
  /** Networks that onnxruntime.quantization calibrates with entropy, which takes minutes and gigabytes. */
  readonly quantizePeers: readonly string[];
  readonly python: string;
  /** Sides of the input that the cost model is fitted over. */
  readonly sizes: readonly number[];
  /** Numbers of pictures that the cost of calibrating is fitted over. */
  readonly counts: readonly number[];
  /** How many pictures go through the pipeline. */
  readonly pictures: number;
  /** Where networks and engines are kept. */
  readonly folder: string;
  readonly json: string;
  readonly markdown: string | undefined;
  readonly write: boolean;
  /** Results of an earlier run. */
  readonly from: string | undefined;
  /** A network whose layers are looked at, instead of everything else. */
  readonly layers: string | undefined;
}

function positive(text: string, name: string, whole = true): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && (!whole || Number.isSafeInteger(value))) return value;
  throw new Error(`Expected a positive ${whole ? 'integer' : 'number'} for --${name} but received ${text}`);
}

const list = (text: string): string[] => text.split(',').filter((item) => item !== '');

function positives(text: string, name: string): number[] {
  const values = list(text).map((item) => positive(item, name));
  if (values.length === 0) throw new Error(`Expected positive integers for --${name} but received none`);
  return values;
}

function partsOf(only: string | undefined, from: string | undefined): Part[] {
  if (only === undefined) return from === undefined ? [...PARTS] : [];
  const asked = list(only);
  const unknown = asked.find((name) => !(PARTS as readonly string[]).includes(name));
  if (unknown !== undefined || asked.length === 0) {
    throw new Error(`Expected some of ${PARTS.join(', ')} for --only but received ${unknown ?? 'none'}`);
  }
  return PARTS.filter((part) => asked.includes(part));
}

/** Two that are large enough to tell, and small enough for the memory of most machines. */
const QUANTIZE_PEERS = ['resnet50', 'densenet169'];

function peersOf(asked: string | undefined, networks: readonly string[]): string[] {
  if (asked === undefined) return QUANTIZE_PEERS.filter((name) => networks.includes(name));
  if (asked === 'none') return [];
  if (asked === 'all') return [...networks];
  const unknown = list(asked).find((name) => !networks.includes(name));
  if (unknown === undefined) return list(asked);
  throw new Error(`Expected all, none or some of ${networks.join(', ')} for --quantize-peers but received ${unknown}`);
}

/** From the command line. */
export function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      networks: { type: 'string', default: NETWORKS.join(',') },
      batch: { type: 'string', default: '1,8' },
      threads: { type: 'string', default: String(availableParallelism()) },
      trials: { type: 'string', default: '7' },
      'fit-trials': { type: 'string', default: '3' },
      runs: { type: 'string', default: '20' },
      seconds: { type: 'string', default: '1' },
      'limit-seconds': { type: 'string', default: '5' },
      'quantize-peers': { type: 'string' },
      python: { type: 'string', default: 'python3' },
      sizes: { type: 'string', default: '128,160,224,256,320' },
      counts: { type: 'string', default: '32,64,128,256,512' },
      pictures: { type: 'string', default: '384' },
      folder: { type: 'string', default: join(tmpdir(), 'presisi-bench') },
      json: { type: 'string' },
      markdown: { type: 'string' },
      write: { type: 'boolean', default: false },
      from: { type: 'string' },
      layers: { type: 'string' },
    },
  });
  const networks = list(values.networks);
  if (networks.length === 0) throw new Error('Expected the names of networks for --networks');
  return {
    parts: partsOf(values.only, values.from),
    networks,
    batches: positives(values.batch, 'batch'),
    threads: positive(values.threads, 'threads'),
    trials: positive(values.trials, 'trials'),
    fitTrials: positive(values['fit-trials'], 'fit-trials'),
    runs: positive(values.runs, 'runs'),
    seconds: positive(values.seconds, 'seconds', false),
    limitSeconds: positive(values['limit-seconds'], 'limit-seconds', false),
    quantizePeers: peersOf(values['quantize-peers'], networks),
    python: values.python,
    sizes: positives(values.sizes, 'sizes'),
    counts: positives(values.counts, 'counts'),
    pictures: positive(values.pictures, 'pictures'),
    folder: values.folder,
    json: values.json ?? join(values.folder, 'results.json'),
    markdown: values.markdown,
    write: values.write,
    from: values.from,
    layers: values.layers,
  };
}
