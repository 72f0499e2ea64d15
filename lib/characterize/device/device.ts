import { type BackendInfo, backends } from '../../backends.js';
import { present } from '../../options.js';
import type { Device } from '../results.js';
import { driverGpu, gpuOf, jetsonGpu } from './gpu.js';
import { coresAmong, systemFolder, systemText } from './system.js';

/**
 * What this device is. What it doesn't tell is absent. Nothing in it changes while the device works, so that results of one
 * device can be told from those of another.
 *
 * @param root a folder with `proc`, `sys`, `etc` and `var` as a recorded device has them; default: this device
 */
export async function readDevice(root = ''): Promise<Device> {
  const info = (await systemText(root, '/proc/cpuinfo')) ?? '';
  // The backends know this machine only.
  const known = root === '' ? await backends() : [];
  const board = await boardName(root);
  const memory = await totalMemory(root);
  const cores = await countCores(root, info);
  return {
    name: await deviceName(root),
    cpu: cpuName(info),
    ...present({
      cores: cores === 0 ? undefined : cores,
      isa: isaOf(known) ?? isaFrom(info),
      memory,
      gpu: gpuOf(known) ?? (await jetsonGpu(root, board, memory)) ?? (await driverGpu(root)),
      powerMode: await powerMode(root),
    }),
  };
}

/** What people call it: the name of the board or the product, else of its CPU. */
export async function deviceName(root = ''): Promise<string> {
  return (
    (await boardName(root)) ?? (await productName(root)) ?? cpuName((await systemText(root, '/proc/cpuinfo')) ?? '')
  );
}

/** What boards with a device tree call themselves: `NVIDIA Jetson Orin Nano Developer Kit` is a `Jetson Orin Nano`. */
async function boardName(root: string): Promise<string | undefined> {
  const model =
    (await systemText(root, '/proc/device-tree/model')) ??
    (await systemText(root, '/sys/firmware/devicetree/base/model'));
  return model?.replace(/^NVIDIA (?=Jetson)/, '').replace(/ (Engineering Reference )?Developer Kit/, '');
}

/** What makers leave in the DMI tables when nobody fills them in, and what virtual machines put there. */
const NO_PRODUCT =
  /^(to be filled|system product name|default string|not (specified|applicable)|o\.?e\.?m|none|standard pc|kvm|qemu|virtualbox|vmware|virtual machine|hvm domu|0+$|x+$)/i;

async function productName(root: string): Promise<string | undefined> {
  const product = await systemText(root, '/sys/class/dmi/id/product_name');
  if (product === undefined || NO_PRODUCT.test(product)) return undefined;
  const vendor = await systemText(root, '/sys/class/dmi/id/sys_vendor');
  return vendor === undefined || NO_PRODUCT.test(vendor) || product.startsWith(vendor)
    ? product
    : `${vendor} ${product}`;
}

/** `CPU implementer` and `CPU part` of 64-bit ARM, as Linux's arch/arm64/include/asm/cputype.h lists them. */
const ARM_PARTS: Readonly<Record<string, string>> = {
  '0x41/0xd03': 'Cortex-A53',
  '0x41/0xd04': 'Cortex-A35',
  '0x41/0xd05': 'Cortex-A55',
  '0x41/0xd07': 'Cortex-A57',
  '0x41/0xd08': 'Cortex-A72',
  '0x41/0xd09': 'Cortex-A73',
  '0x41/0xd0a': 'Cortex-A75',
  '0x41/0xd0b': 'Cortex-A76',
  '0x41/0xd0c': 'Neoverse-N1',
  '0x41/0xd40': 'Neoverse-V1',
  '0x41/0xd41': 'Cortex-A78',
  '0x41/0xd42': 'Cortex-A78AE',
  '0x41/0xd49': 'Neoverse-N2',
  '0x41/0xd4f': 'Neoverse-V2',
  '0x41/0xd83': 'Neoverse-V3AE',
  '0x4e/0x003': 'Denver 2',
  '0x4e/0x004': 'Carmel',
};

function cpuName(info: string): string {
  const model = fieldsOf(info, 'model name')[0];
  if (model !== undefined) return model.replace(/\s+/g, ' ');
  const parts = fieldsOf(info, 'CPU part');
  const names = fieldsOf(info, 'CPU implementer').map((implementer, index) => {
    const part = `${implementer}/${parts[index]}`;
    return ARM_PARTS[part] ?? `ARM ${part}`;
  });
  return names.length === 0 ? 'CPU' : [...new Set(names)].join(' and ');
}

function fieldsOf(info: string, key: string): string[] {
  const pattern = new RegExp(`^${key}[ \\t]*:[ \\t]*(.*\\S)`, 'gm');
  return [...info.matchAll(pattern)].map(([, value]) => value as string);
}

/** Physical cores; processors where the topology isn't told; 0 where nothing is. */
async function countCores(root: string, info: string): Promise<number> {
  const names = await systemFolder(root, '/sys/devices/system/cpu');
  const processors = names.flatMap((name) => /^cpu(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return (await coresAmong(root, processors)) || fieldsOf(info, 'processor').length || processors.length;
}

async function totalMemory(root: string): Promise<number | undefined> {
  const total = /^MemTotal:\s*(\d+) kB/m.exec((await systemText(root, '/proc/meminfo')) ?? '')?.[1];
  return total === undefined ? undefined : Number(total) * 1024;
}

/** What the CPU backend's kernels are made for, and what multiplies bytes where something does. */
function isaOf(known: readonly BackendInfo[]): string | undefined {
  const cpu = known.find(({ name, available }) => name === 'cpu' && available);
  const isa = cpu?.devices[0]?.properties.isa;
  if (cpu === undefined || isa === undefined) return undefined;
  return cpu.int8Isa === '' || isa === cpu.int8Isa ? isa : `${isa}, ${cpu.int8Isa}`;
}

/** Instruction sets that matter to networks, by the kernel's names for them: of x86, and of ARM. */
const NOTABLE = 'avx2 avx512f avx512_vnni avx_vnni avx512_bf16 amx_int8 asimd asimdhp asimddp i8mm bf16 sve'.split(' ');

function isaFrom(info: string): string | undefined {
  const flags = new Set((fieldsOf(info, 'flags')[0] ?? fieldsOf(info, 'Features')[0] ?? '').split(/\s+/));
  const found = NOTABLE.filter((name) => flags.has(name));
  return found.length === 0 ? undefined : found.join(', ');
}

/** `nvpmodel`'s mode by name, and the governor of the first core's clock. */
async function powerMode(root: string): Promise<string | undefined> {
  const governor = await systemText(root, '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor');
  const parts = [await nvpmodel(root), governor].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** `pmode:0002 fmode:quiet` of the daemon, and `< POWER_MODEL ID=2 NAME=MODE_15W >` of its configuration. */
async function nvpmodel(root: string): Promise<string | undefined> {
  const mode = /^pmode:(\d+)/.exec((await systemText(root, '/var/lib/nvpmodel/status')) ?? '')?.[1];
  if (mode === undefined) return undefined;
  const models = (await systemText(root, '/etc/nvpmodel.conf')) ?? '';
  const names = [...models.matchAll(/^\s*<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)/gm)];
  return names.find(([, id]) => Number(id) === Number(mode))?.[2] ?? `nvpmodel ${Number(mode)}`;
}
