import { noEnergy } from '../../characterize/summary/energy.js';
import type { Summary } from '../../characterize/summary.js';
import { peak, timelineChart } from '../charts/timeline.js';
import { type Block, type Cell, numeric, type Section, type Table, text, words } from '../document.js';
import { ABSENT, enumeration, percent, quantity, significant } from '../numbers.js';
import { NOTABLE, type Phase, phaseLegend, phaseOf } from '../phases.js';
import { whyNoGpu } from '../reasons.js';
import { type Recording, recordingOf, type Track, within } from '../timeline.js';
import type { Entry, Group } from '../variants.js';

interface Recorded {
  readonly entry: Entry;
  readonly recording: Recording;
}

/** The variant whose compression does most, INT8, else whichever was recorded. */
function recordedOf({ results }: Summary, { items }: Group): Recorded | undefined {
  for (const precision of ['int8', 'fp16', 'fp32']) {
    for (const entry of items) {
      if (entry.variant.framework !== 'presisi' || entry.variant.precision !== precision) continue;
      const recording = recordingOf(results, entry.variant.id);
      if (recording && recording.tracks.length > 0) return { entry, recording };
    }
  }
  return undefined;
}

export function timelineSection(summary: Summary, groups: readonly Group[], phases: readonly Phase[]): Section {
  const section = { id: 'timelines', short: 'Timelines', title: 'Resources while compressing' };
  const recorded = groups.flatMap((group) => recordedOf(summary, group) ?? []);
  if (recorded.length === 0) {
    const why = 'no compression was recorded by the sampler';
    return { ...section, blocks: [{ kind: 'absent', what: 'Timelines', why }] };
  }
  const names = new Set(recorded.flatMap(({ recording }) => recording.tracks.map(({ unit }) => unit)));
  const labels = [...new Set(recorded.map(({ entry }) => entry.label))];
  const used = new Set(
    recorded.flatMap(({ recording }) =>
      recording.steps.map(({ phase, name }) => phaseOf(phases, `${phase}/${name}`)?.number),
    ),
  );
  const rate = summary.results.trials.find(({ sampler }) => sampler)?.sampler?.rate;
  const blocks: Block[] = [
    text(
      `One compression of each model to ${enumeration(labels)}, sampled in the process itself${rate ? ` ${significant(rate)} times a second` : ''}. Each row starts at 0 and ends at its own peak; bands are the steps, numbered as above.`,
    ),
    {
      kind: 'figure',
      figure: {
        id: 'timelines',
        caption:
          'The first repeat of each model. Lines keep the least and the most of every stretch that is drawn; CPU use is its mean over each.',
        legend: phaseLegend(phases.filter(({ number }) => used.has(number))),
        chart: recorded.map(({ entry, recording }) =>
          timelineChart(`${entry.model.id}, ${entry.label}`, recording, phases),
        ),
        table: stepTable(recorded),
      },
    },
    ...(names.has('share') ? [] : [{ kind: 'absent', what: 'GPU', why: whyNoGpu(summary.results) } as const]),
    ...(names.has('W') ? [] : [{ kind: 'absent', what: 'Power', why: noEnergy(summary.results) } as const]),
  ];
  return { ...section, blocks };
}

function stepTable(recorded: readonly Recorded[]): Table {
  const units = (['cores', 'B', 'share', 'W'] as const).filter((unit) =>
    recorded.some(({ recording }) => recording.tracks.some((track) => track.unit === unit)),
  );
  const heads = { cores: 'CPU cores, mean', B: 'Memory, most', share: 'GPU load, mean', W: 'Power, mean' };
  return {
    caption: `What each step used; those under ${percent(NOTABLE)} of the whole are left out`,
    columns: [...words('Model', 'Step'), ...numeric('Begins at', 'Takes', ...units.map((unit) => heads[unit]))],
    rows: recorded.flatMap(({ entry, recording }) =>
      recording.steps
        .filter(({ seconds }) => seconds >= NOTABLE * recording.seconds)
        .map((step) => [
          `${entry.model.id}, ${entry.label}`,
          `${step.name} (${step.phase})`,
          quantity(Math.max(0, step.start), 's'),
          quantity(step.seconds, 's'),
          ...units.map((unit): Cell => {
            const track = recording.tracks.find((other) => other.unit === unit);
            const found = track && within(track, step.start, step.start + step.seconds);
            return track && found ? { text: show(track, unit === 'B' ? found.most : found.mean) } : ABSENT;
          }),
        ]),
    ),
  };
}

const show = (track: Track, value: number): string =>
  track.unit === 'cores' ? significant(value, 2) : peak({ ...track, runs: [[[0, value]]] });
