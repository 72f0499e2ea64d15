import type { BackendInfo } from '../../backends.js';
import { present } from '../../options.js';
import type { Device } from '../results.js';
import { systemFolder, systemText } from './system.js';

type Gpu = NonNullable<Device['gpu']>;

/**
 * FP32 cores of a multiprocessor, by compute capability: CUDA C++ Programming Guide, "Arithmetic Instructions", the results
 * a clock cycle of 32-bit floating-point multiply-add.
 */
function coresPerMultiprocessor(capability: string | undefined): number | undefined {
  const [major = 0, minor = 0] = (capability ?? '').split('.').map(Number);
  if (major === 7 || (minor === 0 && (major === 6 || major === 8))) return 64;
  return major >= 5 ? 128 : undefined;
}

/** The one that TensorRT would use. */
export function gpuOf(known: readonly BackendInfo[]): Gpu | undefined {
  const properties = known.find(({ name }) => name === 'tensorrt')?.devices[0]?.properties;
  if (properties?.gpu === undefined) return undefined;
  const cores = Number(properties.sms) * (coresPerMultiprocessor(properties.computeCapability) ?? 0);
  // An integrated one has no memory of its own.
  const memory = properties.integrated === 'false' ? Number(properties.memoryTotal) : 0;
  return { name: properties.gpu, ...present({ cores: cores || undefined, memory: memory || undefined }) };
}

const GIB = 2 ** 30;

/**
 * GPUs of Jetson modules, and their CUDA cores: technical specifications in NVIDIA's comparison of Jetson modules. The device
 * tree's model comes without the memory by which two modules of one name differ; the system sees a little less than there is.
 */
const JETSONS: readonly (readonly [model: RegExp, gpu: string, cores: (memory: number) => number | undefined])[] = [
  [/AGX Thor/, 'Blackwell', () => 2560],
  [/AGX Orin/, 'Ampere', (memory) => (memory > 40 * GIB ? 2048 : memory > 0 ? 1792 : undefined)],
  [/Orin NX/, 'Ampere', () => 1024],
  [/Orin Nano/, 'Ampere', (memory) => (memory > 5 * GIB ? 1024 : memory > 0 ? 512 : undefined)],
  [/AGX Xavier/, 'Volta', () => 512],
  [/Xavier NX/, 'Volta', () => 384],
  [/TX2/, 'Pascal', () => 256],
  [/TX1/, 'Maxwell', () => 256],
  [/Jetson Nano/, 'Maxwell', () => 128],
];

/** What the device tree calls their node. */
const JETSON_NODES = ['gm20b', 'gp10b', 'gv11b', 'ga10b', 'gb10b', 'gpu'];

/**
 * The integrated GPU of a Jetson.
 *
 * @param board what the device tree calls the board
 * @param memory of the system, bytes
 */
export async function jetsonGpu(root: string, board = '', memory = 0): Promise<Gpu | undefined> {
  const folder = '/sys/class/devfreq';
  for (const entry of await systemFolder(root, folder)) {
    const node = (await systemText(root, `${folder}/${entry}/device/of_node/name`)) ?? '';
    if (!JETSON_NODES.includes(node) || !board.includes('Jetson')) continue;
    const [, name = node, cores] = JETSONS.find(([model]) => model.test(board)) ?? [];
    return { name, ...present({ cores: cores?.(memory) }) };
  }
  return undefined;
}

/** What NVIDIA's driver for discrete GPUs says of the first. */
export async function driverGpu(root: string): Promise<Gpu | undefined> {
  const folder = '/proc/driver/nvidia/gpus';
  const [first] = await systemFolder(root, folder);
  const text = first && (await systemText(root, `${folder}/${first}/information`));
  const name = text && /^Model:\s*(.*\S)/m.exec(text)?.[1];
  return name ? { name } : undefined;
}
