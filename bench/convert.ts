// Time and memory of phase 1, checkpoint to ONNX: each trial in a fresh process, as a user's first conversion is.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convert } from 'presisi';

interface Trial {
  readonly architecture: string;
  readonly parameters: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
  readonly phases: readonly { readonly name: string; readonly seconds: number }[];
}

const { values, positionals } = parseArgs({
  options: { trials: { type: 'string', default: '7' }, output: { type: 'string' } },
  allowPositionals: true,
});
const [checkpoint] = positionals;
const trials = Number(values.trials);
if (checkpoint === undefined || !Number.isSafeInteger(trials) || trials < 1) {
  throw new Error('Usage: npx tsx bench/convert.ts CHECKPOINT [--trials COUNT]');
}

const middle = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;

async function trial(source: string, output: string): Promise<Trial> {
  const start = performance.now();
  const { architecture = 'unknown', parameters, span } = await convert(source, { output });
  const seconds = (performance.now() - start) / 1000;
  return { architecture, parameters, seconds, peakRssBytes: process.resourceUsage().maxRSS * 1024, phases: span.spans };
}

async function compare(source: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'presisi-convert-'));
  try {
    const command = [
      ...process.execArgv,
      fileURLToPath(import.meta.url),
      source,
      '--output',
      join(folder, 'model.onnx'),
    ];
    const seen = Array.from({ length: trials }, () =>
      JSON.parse(execFileSync(process.execPath, command, { encoding: 'utf8' })),
    ) as Trial[];
    const [first] = seen as [Trial];
    const { size } = await stat(source);
    console.log(
      `${first.architecture}, ${first.parameters.toLocaleString('en')} parameters, ${(size / 1e6).toFixed(1)} MB; medians of ${trials}:\n`,
    );
    console.log('| seconds | peak RSS, MB | of it Node.js and the addon |');
    console.log('| ---: | ---: | ---: |');
    const idle = Number(execFileSync(process.execPath, ['-e', IDLE], { encoding: 'utf8' }));
    const peak = middle(seen.map(({ peakRssBytes }) => peakRssBytes));
    console.log(
      `| ${middle(seen.map(({ seconds }) => seconds)).toFixed(2)} | ${(peak / 1e6).toFixed(0)} | ${(idle / 1e6).toFixed(0)} |\n`,
    );
    for (const { name } of first.phases) {
      const seconds = seen.map(({ phases }) => phases.find((phase) => phase.name === name)?.seconds ?? Number.NaN);
      console.log(`${name.padEnd(9)} ${middle(seconds).toFixed(3)} s`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What a process takes that has loaded the library and converted nothing. */
const IDLE = `import(${JSON.stringify(import.meta.resolve('presisi'))}).then(({ architectures }) => {
  architectures();
  console.log(process.resourceUsage().maxRSS * 1024);
})`;

if (values.output === undefined) await compare(checkpoint);
else console.log(JSON.stringify(await trial(checkpoint, values.output)));
