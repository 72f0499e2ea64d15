// Compares presisi with ONNX Runtime. How and why: README.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { compileWorkers, ROOT, runWorker } from './child.js';
import { compare } from './compare.js';
import { findModel, pictures, writeInput } from './data.js';
import { describeMachine, load } from './machine.js';
import { type Options, readOptions } from './options.js';
import { markdown } from './report.js';
import { type Case, disagreements, type Results, type Trial, VARIANTS, type Variant } from './results.js';
import type { CompressResult, CompressTask, QuantizeOrtTask, TrialResult, TrialTask } from './tasks.js';

/** Whose outputs are compared; more where a batch needs more. */
const COMPARED_PICTURES = 16;

/** Files of one model, by precision and runtime. */
interface Prepared {
  readonly name: string;
  readonly files: Readonly<Record<Variant, string>>;
  /** presisi's INT8 network as ONNX. */
  readonly exported: string;
  readonly inputFile: string;
  readonly dims: readonly number[];
  readonly fp32: CompressResult;
}

/** Makes what all columns run, and what they run on. */
async function prepare(name: string, options: Options): Promise<Prepared> {
  const { seed, folder, threads, batches, calibrationImages, unsignedActivations } = options;
  const model = await findModel(name, seed, folder);
  const base = join(folder, name.replaceAll(/[^\w.-]/g, '_'));
  const common = { threads, maxBatch: Math.max(...batches) };
  const compress = (task: CompressTask): Promise<CompressResult> => runWorker('compress', task);
  console.error(`${name}: building the engines`);
  const images = await pictures('calibration', calibrationImages);
  const fp32 = await compress({ model, options: { ...common, precision: 'fp32', output: `${base}.fp32.engine` } });
  const exported = `${base}.export.onnx`;
  await compress({
    model,
    options: {
      ...common,
      precision: 'int8',
      unsignedActivations,
      calibration: { images, samples: calibrationImages },
      output: `${base}.int8.engine`,
      onnxOutput: exported,
    },
  });
  const [input] = fp32.inputs;
  const inputFile = `${base}.input`;
  await writeInput(inputFile, input, await pictures('test', Math.max(COMPARED_PICTURES, ...batches)));
  const dims = input?.dims ?? [];
  const own = `${base}.ort.onnx`;
  if (options.ortInt8 === 'own') {
    await writeInput(`${base}.calibration`, input, images);
    const task: QuantizeOrtTask = { model, output: own, inputFile: `${base}.calibration`, dims, threads };
    await runWorker('quantize-ort', task);
  }
  return {
    name,
    files: {
      'presisi fp32': `${base}.fp32.engine`,
      'onnxruntime fp32': model,
      'presisi int8': `${base}.int8.engine`,
      'onnxruntime int8': options.ortInt8 === 'own' ? own : exported,
    },
    exported,
    inputFile,
    dims,
    fp32,
  };
}

/** All trials of one model at one batch: first one of each variant, then the second of each, and so on. */
async function runCase(prepared: Prepared, batch: number, options: Options): Promise<Case> {
  const { runs, seconds, limitSeconds, threads } = options;
  const common = { inputFile: prepared.inputFile, dims: [batch, ...prepared.dims.slice(1)], threads };
  const measured = {
    ...common,
    warmUp: { runs: Math.ceil(runs / 3), seconds: seconds / 3, limitSeconds: limitSeconds / 2 },
    measure: { runs, seconds, limitSeconds },
    literal: false,
  };
  const trials: Record<Variant, Trial[]> = {
    'presisi fp32': [],
    'onnxruntime fp32': [],
    'presisi int8': [],
    'onnxruntime int8': [],
  };
  const outputs: Partial<Record<Variant, string>> = {};
  for (let trial = 0; trial < options.trials; trial++) {
    for (const { name, runtime } of VARIANTS) {
      const file = prepared.files[name];
      const { outputs: collected, ...result } = await runTrial({
        ...measured,
        runtime,
        file,
        collectOutputs: trial === 0,
      });
      trials[name].push(result);
      if (collected !== undefined) outputs[name] = collected;
      const progress = `${prepared.name}, batch ${batch}, trial ${trial + 1} of ${options.trials}`;
      console.error(`${progress}: ${name} ${result.medianMs.toFixed(3)} ms, ${result.runs} runs`);
    }
  }
  const once = { runs: 1, seconds: 0, limitSeconds };
  const asWritten = async (file: string): Promise<string | undefined> => {
    const task = { ...common, runtime: 'onnxruntime', file, warmUp: once, measure: once } as const;
    return (await runTrial({ ...task, collectOutputs: true, literal: true })).outputs;
  };
  const compared = batch * Math.floor(Math.max(COMPARED_PICTURES, ...options.batches) / batch);
  const agreement = (a: Variant, b: string | undefined) => compare(outputs[a] ?? '', b ?? '', compared);
  return {
    model: prepared.name,
    modelSha256: prepared.fp32.modelSha256,
    batch,
    trials,
    agreement: {
      fp32: agreement('presisi fp32', outputs['onnxruntime fp32']),
      asWritten: {
        presisi: agreement('presisi int8', await asWritten(prepared.exported)),
        onnxruntime: agreement('onnxruntime int8', await asWritten(prepared.files['onnxruntime int8'])),
      },
      precisions: {
        presisi: agreement('presisi int8', outputs['presisi fp32']),
        onnxruntime: agreement('onnxruntime int8', outputs['onnxruntime fp32']),
      },
    },
  };
}

const runTrial = (task: TrialTask): Promise<TrialResult> => runWorker('trial', task);

async function benchmark(options: Options): Promise<Results> {
  await mkdir(options.folder, { recursive: true });
  await compileWorkers();
  const prepared: Prepared[] = [];
  for (const model of options.models) prepared.push(await prepare(model, options));
  const before = load();
  const cases: Case[] = [];
  for (const model of prepared) {
    const fixed = model.dims[0] ?? -1;
    for (const batch of options.batches) {
      if (fixed > 0 && fixed !== batch) console.error(`${model.name} has a fixed batch of ${fixed}: left out ${batch}`);
      else cases.push(await runCase(model, batch, options));
    }
  }
  const { threads, trials, seed, unsignedActivations, ortInt8 } = options;
  const { backend, backends } = (prepared[0] as Prepared).fp32;
  const machine = await describeMachine(backend, backends);
  return { machine, threads, trials, seed, unsignedActivations, ortInt8, loads: [before, load()], cases };
}

/** Replaces what stands between the markers. */
async function updateReadme(text: string): Promise<void> {
  const path = join(ROOT, 'bench', 'README.md');
  const readme = await readFile(path, 'utf8');
  const markers = /(<!-- results -->\n)[\s\S]*(\n<!-- \/results -->)/;
  if (!markers.test(readme)) throw new Error(`${path} has no <!-- results --> … <!-- /results -->`);
  await writeFile(
    path,
    readme.replace(markers, (_, open: string, close: string) => `${open}\n${text}\n${close}`),
  );
}

const options = readOptions();
const results = options.from ? (JSON.parse(await readFile(options.from, 'utf8')) as Results) : await benchmark(options);
const text = markdown(results);
console.log(text);
if (options.json) await writeFile(options.json, `${JSON.stringify(results, null, 2)}\n`);
if (options.markdown) await writeFile(options.markdown, `${text}\n`);
if (options.updateReadme) await updateReadme(text);
if (disagreements(results).length > 0) process.exitCode = 1;
