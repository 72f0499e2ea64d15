import { PresisiError } from '../../errors.js';
import { native } from '../../native.js';
import { present } from '../../options.js';
import { withSignal } from '../../signal.js';
import type { PytorchModel } from '../baseline/pytorch.js';
import { physicalCores } from '../device/system.js';
import type { TrialTask } from '../task.js';

/** torchvision's and timm's functions take a number of classes; the user's own makes what it makes. */
const TAKES_CLASSES = /^(torchvision|timm):/;

/** The original of a task's network, as PyTorch is told of it: its shapes are those of the ONNX file made from it. */
export async function pytorchModel(task: TrialTask, threads: number, signal: AbortSignal): Promise<PytorchModel> {
  const { model, experiment, network } = task;
  const baseline = experiment.baselines.find(({ framework }) => framework === 'pytorch');
  const architecture = baseline?.architectures?.[model.id];
  if (architecture === undefined) {
    throw new PresisiError(
      'ERR_PRESISI_INVALID_EXPERIMENT',
      `nothing says which network PyTorch is to make of ${model.id}`,
      {
        hint: 'name it in the architectures of the baseline pytorch: torchvision:NAME, timm:NAME or module:function',
      },
    );
  }
  if (model.path?.toLowerCase().endsWith('.onnx')) {
    throw new PresisiError('ERR_PRESISI_INVALID_EXPERIMENT', `PyTorch can't run ${model.path}: it is no checkpoint`, {
      hint: 'leave the model out of the architectures of the baseline pytorch',
    });
  }
  const { dims, classes } = await shapesOf(network, signal);
  return {
    architecture,
    dims,
    threads: threads || (await physicalCores()),
    // Where engines run on the GPU, so does what they are compared with.
    device: experiment.backends.includes('tensorrt') ? 'cuda' : 'cpu',
    ...present({
      checkpoint: model.path,
      classes: TAKES_CLASSES.test(architecture) ? classes : undefined,
      python: baseline?.python,
    }),
  };
}

async function shapesOf(
  onnx: string,
  signal: AbortSignal,
): Promise<{ readonly dims: readonly number[]; readonly classes: number | undefined }> {
  return withSignal({ signal }, async ({ control }) => {
    const { handle, inputs, outputs } = await native().loadModel(onnx, {}, control);
    await native().closeHandle(handle);
    const classes = outputs[0]?.dims.at(-1) ?? -1;
    const dims = (inputs[0]?.dims.slice(1) ?? []).map((dim) => (dim > 0 ? dim : 224));
    return { dims, classes: classes > 0 ? classes : undefined };
  });
}
