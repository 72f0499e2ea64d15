import { noEnergy } from '../../characterize/summary/energy.js';
import type { Speed, Summary } from '../../characterize/summary.js';
import { barChart, fromZero } from '../charts/bars.js';
import { type Block, numeric, type Section, text, words } from '../document.js';
import { enumeration, estimate, quantity, scaleOf } from '../numbers.js';
import { type Group, having, legendOf } from '../variants.js';

type Energy = NonNullable<Speed['energy']>;

const SCOPES: Readonly<Record<string, string>> = {
  board: 'the whole board',
  package: 'the processor package',
  gpu: 'the GPU',
};

export function energySection({ results }: Summary, groups: readonly Group[]): Section {
  const section = { id: 'energy', short: 'Energy', title: 'Energy' };
  const metered = having(groups, ({ speed }) => speed?.energy);
  if (metered.length === 0) {
    return { ...section, blocks: [{ kind: 'absent', what: 'Energy', why: noEnergy(results) }] };
  }
  const found = metered.flatMap(({ items }) => items.map((item) => item.found));
  const batch = metered[0]?.items[0]?.speed?.batch ?? 1;
  const scale = scaleOf(
    found.map(({ value }) => value),
    'J',
  );
  const rows = metered.map(({ heading, items }) => ({
    heading,
    items: items.map(({ label, series, found: { value, interval } }) => ({
      label,
      series,
      value: value / scale.divisor,
      ...(interval && { interval: [interval[0] / scale.divisor, interval[1] / scale.divisor] as const }),
      text: quantity(value, 'J', scale),
    })),
  }));
  const blocks: Block[] = [
    text(`Joules of one sample at batch ${batch}, of ${covers(found)}: ${sensors(results)}.`),
    {
      kind: 'figure',
      figure: {
        id: 'energy',
        caption: `Energy of an inference, ${idle(found)}, with 95 % intervals.`,
        legend: legendOf(metered, false),
        chart: barChart({
          label: `Energy of an inference of every variant, from ${quantity(Math.min(...found.map(({ value }) => value)), 'J')} to ${quantity(Math.max(...found.map(({ value }) => value)), 'J')}.`,
          groups: rows,
          axis: { domain: fromZero(rows), unit: scale.unit },
        }),
        table: {
          caption: 'Energy of one sample',
          columns: [...words('Model', 'Variant'), ...numeric('Batch', 'Energy'), ...words('Covers', 'Counted')],
          rows: metered.flatMap(({ heading, items }) =>
            items.flatMap(({ label, summary }) =>
              summary.speeds.flatMap((speed) =>
                speed.energy
                  ? [
                      [
                        heading,
                        label,
                        `${speed.batch}`,
                        estimate(speed.energy, 'J'),
                        speed.energy.scope,
                        speed.energy.aboveIdle ? 'above idle' : 'everything',
                      ],
                    ]
                  : [],
              ),
            ),
          ),
        },
      },
    },
  ];
  return { ...section, blocks };
}

const covers = (found: readonly Energy[]): string =>
  enumeration([
    ...new Set(
      found.map(({ scope }) =>
        scope
          .split(' + ')
          .map((part) => SCOPES[part] ?? part)
          .join(' and '),
      ),
    ),
  ]);

function idle(found: readonly Energy[]): string {
  const above = found.filter(({ aboveIdle }) => aboveIdle).length;
  if (above === 0) return 'what the device draws idle included';
  return above === found.length ? 'above what the device draws idle' : 'above idle where that is known';
}

/** Every power figure says where it comes from. */
function sensors({ trials }: Summary['results']): string {
  const all = trials.flatMap(({ resources }) => resources?.energy ?? []);
  const rails = [
    ...new Set(
      all.map(
        ({ rails: names, estimated }) => `${names.join(' + ')}, ${estimated ? 'estimated by the device' : 'measured'}`,
      ),
    ),
  ];
  const rates = [...new Set(trials.flatMap(({ sampler }) => (sampler ? [sampler.rate] : [])))];
  return `${rails.join('; ')}${rates.length === 1 ? `, sampled ${rates[0]} times a second` : ''}`;
}
