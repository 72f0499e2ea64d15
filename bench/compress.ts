// One compression, in a process of its own.
import { backends, loadEngine, quantize } from 'presisi';
import { peakRssBytes } from './measure.js';
import type { CompressResult, CompressTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function compress({ model, options }: CompressTask): Promise<CompressResult> {
  const start = performance.now();
  const result = await quantize(model, options);
  const seconds = (performance.now() - start) / 1000;
  const peak = peakRssBytes(); // before the engine is loaded, which is not part of the work
  const engine = await loadEngine(options.output);
  const { inputs, backend, metadata } = engine;
  await engine.dispose();
  return {
    seconds,
    phases: Object.fromEntries(result.phases.map((phase) => [phase.name, phase.seconds])),
    peakRssBytes: peak,
    inputs,
    backend,
    modelSha256: metadata.model?.sha256 ?? '',
    backends: await backends(),
    warnings: result.warnings,
  };
}

finish(await compress(await readTask<CompressTask>()));
