import type { Variant } from '../../characterize/results.js';
import { frameworkName } from '../../characterize/summary/label.js';
import type { Summary } from '../../characterize/summary.js';
import { numeric, type Section, type Table, words } from '../document.js';
import { integer, quantity } from '../numbers.js';

/** The device, the software and the models, as they were. */
export function environmentSection({ results }: Summary): Section {
  const { device, environment, models } = results;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Device', device.name],
    [
      'CPU',
      `${device.cpu}${device.cores === undefined ? '' : `, ${integer(device.cores)} cores`}${device.isa ? `, ${device.isa}` : ''}`,
    ],
    ['Memory', device.memory === undefined ? undefined : quantity(device.memory, 'B')],
    [
      'GPU',
      device.gpu &&
        [
          device.gpu.name,
          device.gpu.cores && `${integer(device.gpu.cores)} cores`,
          device.gpu.memory && quantity(device.gpu.memory, 'B'),
        ]
          .filter(Boolean)
          .join(', '),
    ],
    ['Power mode', device.powerMode],
    ['presisi', environment.presisi],
    ['Node.js', environment.node],
    ['System', `${environment.os}, kernel ${environment.kernel}`],
    ...Object.entries(environment.backends).map(([name, version]) => [`Backend ${name}`, version] as const),
    ...Object.entries(environment.frameworks).map(
      ([name, version]) => [frameworkName(name as Variant['framework']) ?? name, version] as const,
    ),
  ];
  const about: Table = {
    caption: 'Device and software',
    columns: words('What', 'Here'),
    rows: facts.flatMap(([name, value]) => [[name, value ?? { text: 'none, or could not be read', mark: 'absent' }]]),
  };
  const network: Table = {
    caption: 'Models',
    columns: [
      ...words('Model', 'From'),
      ...numeric('Parameters', 'Multiply-accumulates', 'Bytes'),
      ...words('SHA-256'),
    ],
    rows: models.map(({ id, source, sha256, bytes, parameters, macs, seeded }) => [
      id,
      seeded ? `${source} (random weights)` : source,
      parameters === undefined ? '–' : integer(parameters),
      macs === undefined ? '–' : `${integer(macs / 1e6)} M`,
      quantity(bytes, 'B'),
      sha256.slice(0, 16),
    ]),
  };
  return {
    id: 'environment',
    short: 'Environment',
    title: 'Device, software, models',
    blocks: [
      { kind: 'table', table: about },
      { kind: 'table', table: network },
    ],
  };
}
