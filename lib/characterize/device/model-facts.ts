import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describeArchitecture, makeModel } from '../../convert/models.js';
import type { Scaling } from '../../convert/options.js';
import { PresisiError } from '../../errors.js';
import { hashModel } from '../../hash.js';
import { type NativeModel, native } from '../../native.js';
import { present } from '../../options.js';
import { withSignal } from '../../signal.js';
import type { Experiment } from '../experiment.js';
import type { ExperimentModel } from '../results.js';

type Model = Experiment['models'][number];

/**
 * What a model is, before anything is done with it. A seeded one is identified by the ONNX file it is made into, which is
 * the same on every machine.
 *
 * @throws PresisiError where the file can't be read or is no model; the reason of `signal` once that is aborted
 */
export function describeModel(model: Model, signal: AbortSignal): Promise<ExperimentModel> {
  const { id, make, path } = model;
  if (make) return describeSeeded(id, make, model.inputSize, signal);
  if (path === undefined) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `the model ${id} is neither a file nor an architecture`);
  }
  return describeFile(model, path, signal);
}

async function describeSeeded(
  id: string,
  { architecture, seed, classes }: NonNullable<Model['make']>,
  inputSize: number | undefined,
  signal: AbortSignal,
): Promise<ExperimentModel> {
  const { parameters, macs } = await describeArchitecture(architecture, { classes, ...present({ inputSize }) });
  const folder = await mkdtemp(join(tmpdir(), 'presisi-model-'));
  try {
    const output = join(folder, 'model.onnx');
    const made = await makeModel(architecture, { output, seed, classes, signal, ...present({ inputSize }) });
    return {
      id,
      source: `seed ${seed} of ${architecture}`,
      ...(await hashModel(output, signal)),
      architecture,
      parameters,
      macs,
      ...present({ inputDims: dimsOf(made.inputs) }),
      seeded: true,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function describeFile(model: Model, path: string, signal: AbortSignal): Promise<ExperimentModel> {
  const { id, inputSize, architecture } = model;
  const file = { id, source: basename(path), ...(await hashModel(path, signal)), seeded: false };
  // Only the user's own Python knows what a network of the user's own is.
  if (architecture?.includes(':')) return { ...file, architecture };
  return withSignal({ signal }, async ({ control }) => {
    const loaded = await native().loadModel(path, present({ architecture, inputSize }), control);
    try {
      const { parameters, inputs } = loaded;
      const inputDims = dimsOf(inputs);
      return {
        ...file,
        parameters,
        ...present({ architecture: loaded.architecture, inputDims, macs: await macsOf(loaded, inputDims) }),
      };
    } finally {
      await native().closeHandle(loaded.handle);
    }
  });
}

const dimsOf = (inputs: readonly { readonly dims: readonly number[] }[]): number[] | undefined =>
  inputs[0] && [...inputs[0].dims];

/**
 * Multiply-accumulates of a built-in architecture, scaled as this network is. Absent where scaling doesn't give its number
 * of parameters: the figure would be another network's.
 */
async function macsOf(loaded: NativeModel, dims: readonly number[] | undefined): Promise<number | undefined> {
  const { architecture, configuration = {}, parameters, outputs } = loaded;
  if (architecture === undefined) return undefined;
  const published = (await describeArchitecture(architecture)).configuration;
  const numbers = (text: string | undefined): number[] | undefined => text?.split(',').map(Number);
  const own = (key: string): number | undefined => numbers(configuration[key])?.[0];
  const width = own('width');
  const scaling: Scaling = present({
    classes: outputs[0]?.dims.at(-1),
    width: width && width / Number(published.width),
    growthRate: own('growth_rate'),
    blocks: numbers(configuration.blocks),
  });
  try {
    const described = await describeArchitecture(architecture, { ...scaling, ...present({ inputSize: dims?.at(-1) }) });
    return described.parameters === parameters ? described.macs : undefined;
  } catch (error) {
    // A size that scaling doesn't reach.
    if (error instanceof PresisiError && error.code === 'ERR_PRESISI_INVALID_ARGUMENT') return undefined;
    throw error;
  }
}
