// The files that are measured, each made when a part first needs it.
import { createHash } from 'node:crypto';
import { access, mkdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makeModel } from 'presisi';
import { compileWorkers, ROOT, runWorker } from './child.js';
import { MEAN, pictures, STD } from './data.js';
import { CLASSES, INPUT_SIZE, SEED } from './networks.js';
import type { Options } from './options.js';
import { findQuantizer, type PythonQuantizer, type QuantizeTask, quantizeWithPython } from './python.js';
import { writeTinyNetwork } from './tiny.js';
import type { InspectResult } from './workers/tasks.js';

export type Precision = 'fp32' | 'int8';

/** How many pictures all calibrations see, of presisi and of ONNX Runtime. */
export const CALIBRATION_IMAGES = 64;

/** How onnxruntime.quantization may be told to quantize a network: what it leaves in float is ONNX Runtime's choice. */
export const ORT_FORMS = [
  { name: 'all', operators: null },
  { name: 'conv', operators: ['Conv', 'Gemm', 'MatMul'] },
] as const;
export type OrtForm = (typeof ORT_FORMS)[number]['name'];

/** An ONNX file. */
export interface Model {
  readonly name: string;
  readonly path: string;
  readonly sha256: string;
  /** Side of its input. */
  readonly size: number;
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

export class Workspace {
  readonly options: Options;
  /** Where there is none: why. */
  readonly quantizer: PythonQuantizer | { readonly reason: string };
  readonly #made = new Map<string, Promise<unknown>>();

  private constructor(options: Options, quantizer: PythonQuantizer | { readonly reason: string }) {
    this.options = options;
    this.quantizer = quantizer;
  }

  static async open(options: Options): Promise<Workspace> {
    await mkdir(options.folder, { recursive: true });
    await compileWorkers();
    const quantizer = await findQuantizer(options.python).catch((error: Error) => ({ reason: error.message }));
    if ('reason' in quantizer) console.error(`ONNX Runtime's INT8 is left out: ${quantizer.reason}`);
    return new Workspace(options, quantizer);
  }

  /** Of a built-in architecture, `tiny`, a folder of `models/`, or a path. */
  model(name: string, size = INPUT_SIZE): Promise<Model> {
    return this.#once(`model ${name} ${size}`, async () => {
      const made = this.#file(name, size, 'onnx');
      let path = made;
      for (const given of [join(ROOT, 'models', name, 'model.onnx'), name]) {
        if (given.endsWith('.onnx') && (await exists(given))) path = given;
      }
      if (path === made && name === 'tiny') await writeTinyNetwork(path);
      else if (path === made) await makeModel(name, { output: path, seed: SEED, classes: CLASSES, inputSize: size });
      const sha256 = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
      return { name, path, sha256, size };
    });
  }

  /** Path of presisi's engine; beside an INT8 engine lies what it executes, as ONNX. */
  engine(model: Model, precision: Precision): Promise<string> {
    const output = this.#file(model.name, model.size, `${precision}.engine`);
    return this.#once(output, async () => {
      console.error(`${model.name}: building the ${precision.toUpperCase()} engine`);
      const images = await pictures(['calibration'], CALIBRATION_IMAGES);
      await runWorker('compress', {
        model: model.path,
        options: {
          precision,
          output,
          threads: this.options.threads,
          maxBatch: Math.max(8, ...this.options.batches),
          ...(precision === 'int8' && {
            // As ONNX Runtime's: with random weights other methods clip much, and hide how exactly kernels compute.
            calibration: { images, samples: images.length, method: 'minmax' },
            onnxOutput: this.exportOf(output),
          }),
        },
      });
      return output;
    });
  }

  /** What an INT8 engine executes, as ONNX. */
  exportOf(engine: string): string {
    return engine.replace(/engine$/, 'onnx');
  }

  /** What an engine's layers are, and what it holds. */
  inspect(engine: string): Promise<InspectResult> {
    return this.#once(`inspect ${engine}`, () =>
      runWorker('inspect', { engine, threads: this.options.threads, runs: this.options.runs }),
    );
  }

  /** Path of the model as onnxruntime.quantization writes it with ranges from minimum and maximum. */
  ortInt8(model: Model, form: OrtForm): Promise<string> {
    const { quantizer } = this;
    if ('reason' in quantizer) throw new Error(quantizer.reason);
    const version = Object.values(quantizer.versions).join('-');
    const output = this.#file(model.name, model.size, `${model.sha256.slice(0, 12)}.ort-${version}-${form}.onnx`);
    return this.#once(output, async () => {
      if (await exists(output)) return output;
      console.error(`${model.name}: quantizing for ONNX Runtime, ${form}`);
      const operators = ORT_FORMS.find(({ name }) => name === form)?.operators ?? null;
      const temporary = `${output}.part`;
      await quantizeWithPython(quantizer, {
        ...(await this.quantizeTask(model)),
        output: temporary,
        method: 'MinMax',
        operators,
      });
      await rename(temporary, output);
      return output;
    });
  }

  /** What quantizers in Python are told of a model; method and output are still to be chosen. */
  async quantizeTask(model: Model): Promise<Omit<QuantizeTask, 'method' | 'output' | 'operators'>> {
    const { inputs } = await this.inspect(await this.engine(model, 'fp32'));
    const [input] = inputs;
    const crop = input?.dims[2] ?? model.size;
    return {
      model: model.path,
      input: input?.name ?? '',
      images: await pictures(['calibration'], CALIBRATION_IMAGES),
      resize: Math.round((crop * 256) / 224),
      crop,
      mean: MEAN,
      std: STD,
    };
  }

  #file(name: string, size: number, ending: string): string {
    const plain = basename(name, '.onnx').replaceAll(/[^\w.-]/g, '_');
    return join(this.options.folder, `${plain}-${size}.${ending}`);
  }

  #once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(key) as Promise<T> | undefined;
    const made = known ?? make();
    this.#made.set(key, made);
    return made;
  }
}
