import { atCaller } from './errors.js';
import { type NativeBackend, native } from './native.js';

/** What executes networks on this device, or why it can't. */
export interface BackendInfo {
  readonly name: string;
  readonly available: boolean;
  /** Why not, when it isn't available. */
  readonly reason?: string;
  /** What would make it available. */
  readonly hint?: string;
  /** Of the vendor's library. */
  readonly version: string;
  /** What it builds: `fp32`, `fp16`, `int8`. */
  readonly precisions: readonly string[];
  /** What executes INT8, for example `avx512_vnni`; empty where INT8 runs emulated. */
  readonly int8Isa: string;
  /** Whether INT8 multiply-add may saturate, so that weights are kept to 7 bits. */
  readonly int8Saturates: boolean;
  readonly devices: readonly { readonly name: string; readonly properties: Readonly<Record<string, string>> }[];
}

/** Every backend this presisi knows, best first. */
export function backends(): Promise<BackendInfo[]> {
  return atCaller(backends, async (): Promise<NativeBackend[]> => native().backends());
}

/** An ONNX operator that networks may use, and the opsets it is supported for. */
export interface OperatorInfo {
  /** Empty for ONNX's own. */
  readonly domain: string;
  readonly name: string;
  readonly since: number;
  readonly until: number;
}

/** Every supported ONNX operator. */
export function operators(): OperatorInfo[] {
  return native().operators();
}
