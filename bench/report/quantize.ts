import type { QuantizeCase, QuantizeResults } from '../parts/quantize.js';
import { median } from '../workers/measure.js';
import { ABSENT, atLeast, atMost, digits, megabytes, ratio, type Section, table } from './format.js';

interface Costs {
  readonly seconds: number;
  readonly bytes: number;
}

function costs(trials: readonly { readonly seconds: number; readonly peakRssBytes: number }[] = []): Costs | undefined {
  if (trials.length === 0) return undefined;
  return {
    seconds: median(trials.map(({ seconds }) => seconds)),
    bytes: median(trials.map(({ peakRssBytes }) => peakRssBytes)),
  };
}

interface Compared {
  readonly faster: number;
  readonly memory: number;
}

function compared({ presisi, peer }: QuantizeCase): Compared | undefined {
  const [ours, theirs] = [costs(presisi), costs(peer)];
  return ours && theirs && { faster: theirs.seconds / ours.seconds, memory: ours.bytes / theirs.bytes };
}

const calibration = ({ presisi }: QuantizeCase): number =>
  median(presisi.map(({ calibrationSeconds }) => calibrationSeconds));
const inference = (entry: QuantizeCase): number => median(entry.inference.map(({ seconds }) => seconds));
const calibrationRatio = (entry: QuantizeCase): number => calibration(entry) / inference(entry);

function peerTable(cases: readonly QuantizeCase[]): string {
  const rows = cases.map((entry) => {
    const [ours, theirs, both] = [costs(entry.presisi), costs(entry.peer), compared(entry)];
    return [
      entry.network,
      ours ? digits(ours.seconds) : ABSENT,
      theirs ? digits(theirs.seconds) : ABSENT,
      both ? `**${ratio(both.faster)}**` : ABSENT,
      ours ? megabytes(ours.bytes) : ABSENT,
      theirs ? megabytes(theirs.bytes) : ABSENT,
      both ? `**${both.memory.toFixed(3)}×**` : ABSENT,
    ];
  });
  return table(['network', 'presisi, s', 'ORT, s', 'faster', 'presisi, MB', 'ORT, MB', 'memory'], rows);
}

function calibrationTable(cases: readonly QuantizeCase[]): string {
  const rows = cases.map((entry) => [
    entry.network,
    digits(calibration(entry)),
    digits(inference(entry)),
    `**${ratio(calibrationRatio(entry))}**`,
  ]);
  return table(['network', 'calibrating, s', 'inference, s', 'ratio'], rows);
}

export function quantizeSection({ images, cases }: QuantizeResults): Section {
  const both = cases.flatMap((entry) => compared(entry) ?? []);
  const missing = cases.flatMap(({ network, peer, peerAbsent }) =>
    peerAbsent === undefined
      ? []
      : [`${network}: ${peer?.length ?? 0} trials of onnxruntime.quantization, ${peerAbsent}.`],
  );
  const least = both.length > 0 ? Math.min(...both.map(({ faster }) => faster)) : undefined;
  const most = both.length > 0 ? Math.max(...both.map(({ memory }) => memory)) : undefined;
  return {
    title: 'Quantizing',
    blocks: [
      `From an ONNX file and ${images} JPEG files to an INT8 file with entropy, decoding included: seconds, and peak ` +
        'resident memory of the process with all that its language brings. ORT is `quantize_static()` without the ' +
        '`quant_pre_process()` before it. Medians over the trials.',
      peerTable(cases),
      ...missing,
      `Calibrating alone (the phases *calibrate* and *solve* of it) beside \`infer()\` in FP32 over the same ${images} ` +
        'files at the same batch size:',
      calibrationTable(cases),
    ],
    verdicts: [
      atLeast('quantizing ≥ 10 times as fast as onnxruntime.quantization', least, 10, ratio),
      atMost('quantizing in ≤ 1/10 of its memory', most, 0.1, (value) => `${value.toFixed(3)}×`),
      atMost('calibrating ≤ 1.5 of FP32 inference, every network', Math.max(...cases.map(calibrationRatio)), 1.5),
    ],
  };
}
