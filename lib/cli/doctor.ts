import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { Command } from 'commander';
import { type BackendInfo, backends } from '../backends.js';
import { PresisiError } from '../errors.js';
import { native } from '../native.js';
import { telemetrySources } from '../telemetry/telemetry.js';
import { renderBackend } from './backends.js';
import { type Context, EXIT } from './context.js';
import * as format from './format.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** Numbers about it, by name. */
  readonly facts?: Readonly<Record<string, string>>;
  /** What mends it. */
  readonly fix?: string;
}

const OLDEST_NODE = 20;

export function doctorCommand(context: () => Context): Command {
  return new Command('doctor')
    .description('check this device and the installation, and say what mends each lack')
    .addHelpText('after', '\nExamples:\n  $ presisi doctor\n  $ presisi doctor --json')
    .action(async () => {
      const checks = await examine();
      context().print(checks, (all) => all.map(render).join('\n'));
      if (checks.some((check) => !check.ok)) process.exitCode = EXIT.failure;
    });
}

async function examine(): Promise<Check[]> {
  const checks = [checkNode(), checkDevice()];
  try {
    checks.push({ name: 'addon', ok: true, detail: `presisi ${native().version}` });
    checks.push(...checkBackends(await backends()), await checkTelemetry());
  } catch (error) {
    const { message, hint } = error as PresisiError;
    const fix = error instanceof PresisiError ? hint : undefined;
    checks.push({ name: 'addon', ok: false, detail: message, ...(fix !== undefined && { fix }) });
  }
  return checks;
}

function checkNode(): Check {
  const ok = Number(process.versions.node.split('.')[0]) >= OLDEST_NODE;
  return {
    name: 'node',
    ok,
    detail: `Node.js ${process.versions.node}, Node-API ${process.versions.napi}`,
    ...(!ok && { fix: `install Node.js ${OLDEST_NODE} or later` }),
  };
}

function checkDevice(): Check {
  const model = cpus()[0]?.model ?? `${process.arch} processor`;
  const memory = `${format.bytes(totalmem())} memory, ${format.bytes(freemem())} free`;
  return { name: 'device', ok: true, detail: `${model}, ${availableParallelism()} logical cores, ${memory}` };
}

/** The reference backend is an oracle, not a way to be fast: a device needs another one. */
function checkBackends(found: readonly BackendInfo[]): Check[] {
  const anyFast = found.some(({ name, available }) => available && name !== 'reference');
  return found.map((backend) => ({
    name: `backend ${backend.name}`,
    ok: backend.available || anyFast,
    detail: renderBackend(backend).split('\n')[0]?.replace(`${backend.name}: `, '') ?? '',
    ...(backend.devices[0] && { facts: backend.devices[0].properties }),
    ...(backend.hint !== undefined && { fix: backend.hint }),
  }));
}

/** No source is a must: what can't be read is absent from the figures. */
async function checkTelemetry(): Promise<Check> {
  const { sources, quantities } = await telemetrySources();
  const describe = (source: (typeof sources)[number]): string => {
    const count = quantities.filter((quantity) => quantity.source === source.name).length;
    return source.available ? `${count} quantities` : `absent: ${source.reason}`;
  };
  return {
    name: 'telemetry',
    ok: true,
    detail: `${sources.filter(({ available }) => available).length} of ${sources.length} sources, ${quantities.length} quantities`,
    facts: Object.fromEntries(sources.map((source) => [source.name, describe(source)])),
  };
}

const render = ({ name, ok, detail, facts = {}, fix }: Check): string =>
  [
    `${ok ? 'ok  ' : 'FAIL'}  ${name}: ${detail}`,
    ...Object.entries(facts).map(([fact, value]) => `      ${fact}: ${value}`),
    ...(fix === undefined ? [] : [`      to mend: ${fix}`]),
  ].join('\n');
