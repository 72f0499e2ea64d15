import type { Timings } from '../../classifier.js';
import type { Dataset } from '../../datasets/dataset.js';
import { openDataset } from '../../datasets/open.js';
import { parseDatasetSource } from '../../datasets/source.js';
import { loadEngine } from '../../engine.js';
import { PresisiError } from '../../errors.js';
import { evaluate } from '../../evaluate.js';
import { spread } from '../../images.js';
import { present } from '../../options.js';
import { monotonicSeconds } from '../../timing.js';
import { evaluateNetwork, timeSteps } from '../baseline/evaluate.js';
import type { FrameworkNetwork } from '../baseline/network.js';
import type { AccuracyTrial } from '../results.js';
import type { TrialTask } from '../task.js';
import type { Measured, TrialContext } from './measured.js';

/** Pictures that are taken through every step one after the other, to time the steps. */
const BREAKDOWN_PICTURES = 100;

type Accuracy = NonNullable<AccuracyTrial['accuracy']>;

/** Has a network name every picture of a data set. */
export async function measureAccuracy(context: TrialContext): Promise<Measured> {
  return context.task.variant.framework === 'presisi' ? evaluateEngine(context) : evaluateFramework(context);
}

/** @param labels the network's own, where the experiment gives none */
async function openData({ experiment }: TrialTask, labels: readonly string[] | undefined): Promise<Dataset> {
  if (experiment.accuracy === undefined) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', 'the experiment names no data to measure accuracy on');
  }
  const source = parseDatasetSource(experiment.accuracy.data);
  return openDataset(source, present({ labels: experiment.accuracy.labels ?? labels }));
}

async function evaluateEngine({ task, signal, report }: TrialContext): Promise<Measured> {
  const engine = await loadEngine(task.network, { signal });
  try {
    const dataset = await openData(task, engine.metadata.labels);
    const from = monotonicSeconds();
    const { predictions = [], ...found } = await evaluate(engine, dataset, {
      predictions: true,
      signal,
      onProgress: ({ phase, completed, total }) => report(phase, completed, total),
    });
    const window = { from, to: monotonicSeconds() };
    // A network that fixes a larger batch takes no single picture.
    const fixed = engine.inputs[0]?.dims[0] ?? -1;
    const breakdown =
      fixed > 1 ? undefined : (await evaluate(engine, few(dataset), { overlap: false, signal })).seconds;
    const accuracy: Accuracy = {
      dataset: found.dataset.name,
      classes: found.classes,
      truth: predictions.map(({ label }) => label),
      predicted: predictions.map(({ top: [best] }) => (best && !Number.isNaN(best.logit) ? best.index : -1)),
      top1: { ...found.top1, interval: [...found.top1.interval] },
      top5: { ...found.top5, interval: [...found.top5.interval] },
      skipped: found.skipped.length,
      ...present({ labels: labelsOf(dataset, engine.metadata.labels), breakdown: breakdown && inTurn(breakdown) }),
    };
    return { window, steady: window, finish: async () => ({ accuracy }) };
  } finally {
    await engine.dispose();
  }
}

async function evaluateFramework({ task, signal, report }: TrialContext): Promise<Measured> {
  await using network = await openFramework(task, signal);
  const dataset = await openData(task, undefined);
  const scope = { signal, report: (completed: number, total: number) => report('evaluate', completed, total) };
  const from = monotonicSeconds();
  const found = await evaluateNetwork(network, dataset, scope);
  const window = { from, to: monotonicSeconds() };
  const breakdown = await timeSteps(network, few(dataset).samples, signal);
  const accuracy = { ...found, ...present({ labels: labelsOf(dataset, undefined), breakdown }) };
  return { window, steady: window, finish: async () => ({ accuracy }) };
}

/** The original network in its framework. */
async function openFramework(task: TrialTask, signal: AbortSignal): Promise<FrameworkNetwork> {
  if (task.variant.framework === 'onnxruntime') {
    const { OrtNetwork } = await import('../baseline/onnxruntime.js');
    return OrtNetwork.open(task.network);
  }
  const [{ PytorchNetwork }, { pytorchModel }] = await Promise.all([
    import('../baseline/pytorch.js'),
    import('./pytorch-model.js'),
  ]);
  return PytorchNetwork.open(await pytorchModel(task, 0, signal), signal);
}

const few = (dataset: Dataset): Dataset => ({ ...dataset, samples: spread(dataset.samples, BREAKDOWN_PICTURES) });

const labelsOf = ({ classes }: Dataset, own: readonly string[] | undefined): string[] | undefined => {
  const labels = classes ?? own;
  return labels && [...labels];
};

/** `total` is there where nothing overlapped. */
const inTurn = ({ total, ...steps }: Timings): Accuracy['breakdown'] =>
  total === undefined ? undefined : { ...steps, total };
