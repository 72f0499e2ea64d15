// One compression, from files to a file.
import { backends, quantize } from 'presisi';
import { peakRssBytes } from './measure.js';
import type { CompressResult, CompressTask } from './tasks.js';
import { finish, readTask } from './worker.js';

async function compress({ model, options }: CompressTask): Promise<CompressResult> {
  const start = performance.now();
  const result = await quantize(model, options);
  const seconds = (performance.now() - start) / 1000;
  return {
    seconds,
    phases: Object.fromEntries(result.span.spans.map((span) => [span.name, span.seconds])),
    peakRssBytes: peakRssBytes(),
    backend: result.backend,
    backends: await backends(),
    warnings: result.warnings,
  };
}

finish(await compress(await readTask<CompressTask>()));
