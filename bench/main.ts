// `npm run bench`: measures presisi beside its peers and against the machine. How and why: README.md.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ROOT } from './child.js';
import { describeMachine, observed } from './machine.js';
import { type Options, type Part, readOptions } from './options.js';
import { measureCost } from './parts/cost.js';
import { measureLatency } from './parts/latency.js';
import { measureLayers } from './parts/layers.js';
import { measureLoad } from './parts/load.js';
import { measureOverhead } from './parts/overhead.js';
import { measurePipeline } from './parts/pipeline.js';
import { measureQuantize } from './parts/quantize.js';
import { layersMarkdown } from './report/layers.js';
import { agree, markdown } from './report/report.js';
import type { Results, Settings } from './results.js';
import { Workspace } from './workspace.js';

const MEASURES: Readonly<Record<Part, (workspace: Workspace) => Promise<object>>> = {
  latency: measureLatency,
  load: measureLoad,
  overhead: measureOverhead,
  quantize: measureQuantize,
  pipeline: measurePipeline,
  cost: measureCost,
};

async function writeJson(path: string, value: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}

async function earlierResults({ from }: Options): Promise<Results | undefined> {
  return from === undefined ? undefined : (JSON.parse(await readFile(from, 'utf8')) as Results);
}

/** Measures what was asked for; other parts are those of the earlier results. */
async function measure(options: Options, earlier: Results | undefined): Promise<Results> {
  const workspace = await Workspace.open(options);
  const { quantizer } = workspace;
  const machine = await describeMachine('versions' in quantizer ? quantizer.versions : {});
  if (earlier !== undefined && JSON.stringify(earlier.machine) !== JSON.stringify(machine)) {
    throw new Error(`${options.from} is of another machine, or other versions: its parts can't stand beside new ones`);
  }
  for (const name of options.networks) await workspace.model(name); // a wrong name is told now, not in an hour
  const { threads, trials, fitTrials, runs, seconds, limitSeconds, networks } = options;
  const settings: Settings = { threads, trials, fitTrials, runs, seconds, limitSeconds, networks };
  let results: Results = { machine, parts: { ...earlier?.parts } };
  for (const part of options.parts) {
    const measured = await observed(() => MEASURES[part](workspace));
    results = { ...results, parts: { ...results.parts, [part]: { ...measured, settings } } };
    await writeJson(options.json, results); // of hours, none are lost
  }
  return results;
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

async function main(options: Options): Promise<void> {
  if (options.layers !== undefined) {
    const layers = await measureLayers(options.layers, await Workspace.open(options));
    await writeJson(options.json.replace(/\.json$/, '-layers.json'), layers);
    console.log(layersMarkdown(layers));
    return;
  }
  const earlier = await earlierResults(options);
  const results = earlier && options.parts.length === 0 ? earlier : await measure(options, earlier);
  const text = markdown(results);
  console.log(text);
  if (options.markdown) await writeFile(options.markdown, `${text}\n`);
  if (options.write) await updateReadme(text);
  if (!agree(results)) process.exitCode = 1;
}

await main(readOptions());
