import { Command } from 'commander';
import { type BackendInfo, backends } from '../backends.js';
import type { Context } from './context.js';

export function backendsCommand(context: () => Context): Command {
  return new Command('backends')
    .description('list what can execute networks here, and why the rest can not')
    .addHelpText('after', '\nExamples:\n  $ presisi backends\n  $ presisi backends --json')
    .action(async () => context().print(await backends(), (found) => found.map(renderBackend).join('\n')));
}

/** One backend in a line or two. */
export function renderBackend(backend: BackendInfo): string {
  if (!backend.available) {
    const hint = backend.hint ? `\n    ${backend.hint}` : '';
    return `${backend.name}: not available: ${backend.reason ?? 'unknown reason'}${hint}`;
  }
  const int8 = backend.int8Isa === '' ? '' : `, int8 by ${backend.int8Isa}`;
  const devices = backend.devices.map((device) => device.name).join(', ');
  return `${backend.name}: ${backend.version} on ${devices}; ${backend.precisions.join(', ')}${int8}`;
}
