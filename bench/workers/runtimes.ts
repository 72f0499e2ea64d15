// The two runtimes behind one interface, as programs use them: public functions, Float32Array in and out.
import type { Subject } from './tasks.js';

export type Run = () => Promise<Float32Array>;

export interface Loaded {
  /** What runs one input. */
  prepare(data: Float32Array, dims: readonly number[]): Run;
  dispose(): Promise<void>;
}

export interface Runtime {
  load(subject: Subject): Promise<Loaded>;
}

async function presisi(): Promise<Runtime> {
  const { backends, loadEngine } = await import('presisi');
  await backends(); // loads the addon and its libraries, as importing the other runtime does
  return {
    async load({ file, threads }) {
      const engine = await loadEngine(file, { threads });
      const [input, output] = [engine.inputs[0]?.name ?? '', engine.outputs[0]?.name ?? ''];
      return {
        // ONNX Runtime's run() computes on the calling thread, too, promise or not.
        prepare: (data, dims) => async () => asFloats(engine.runSync({ [input]: { data, dims } })[output]?.data),
        dispose: () => engine.dispose(),
      };
    },
  };
}

async function onnxruntime(): Promise<Runtime> {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  return {
    async load({ file, threads, literal = false }) {
      const session = await InferenceSession.create(file, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: literal ? 'disabled' : 'all',
      });
      const [input, output] = [session.inputNames[0] ?? '', session.outputNames[0] ?? ''];
      return {
        prepare(data, dims) {
          const tensor = new Tensor('float32', data, dims);
          return async () => {
            const results = await session.run({ [input]: tensor });
            return asFloats(results[output]?.data);
          };
        },
        dispose: () => session.release(),
      };
    },
  };
}

function asFloats(data: unknown): Float32Array {
  if (data instanceof Float32Array) return data;
  throw new TypeError('Expected the first output of the network to be float32');
}

/** A runtime with its libraries in memory. */
export const runtimeOf = ({ runtime }: Subject): Promise<Runtime> => ({ presisi, onnxruntime })[runtime]();

/** Zeros for an input of these dimensions. */
export const zeros = (dims: readonly number[]): Float32Array =>
  new Float32Array(dims.reduce((product, dim) => product * dim, 1));
