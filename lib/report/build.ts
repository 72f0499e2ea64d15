import type { Summary } from '../characterize/summary.js';
import type { Document } from './document.js';
import { integer, plural } from './numbers.js';
import { phasesOf } from './phases.js';
import { accuracySection } from './sections/accuracy.js';
import { auditSection } from './sections/audit.js';
import { breakEvenSection } from './sections/break-even.js';
import { claimsSection } from './sections/claims.js';
import { conditionsSection } from './sections/conditions.js';
import { energySection } from './sections/energy.js';
import { environmentSection } from './sections/environment.js';
import { latencySection } from './sections/latency.js';
import { overheadSection } from './sections/overhead.js';
import { paretoSection } from './sections/pareto.js';
import { sizeSection } from './sections/size.js';
import { studySection } from './sections/study.js';
import { summarySection } from './sections/summary.js';
import { throughputSection } from './sections/throughput.js';
import { timelineSection } from './sections/timelines.js';
import { groupsOf } from './variants.js';

/** The whole report as a document; every section says what it could not show, and why. */
export function buildReport(summary: Summary): Document {
  const { results } = summary;
  const groups = groupsOf(summary);
  const phases = phasesOf(summary);
  const flagged = results.trials.filter(({ flags }) => flags.length > 0).length;
  return {
    title: results.device.name,
    subtitle: `What compressing neural networks costs on this device, and what it buys`,
    facts: [
      `Experiment ${results.name}`,
      `${day(results.started)}`,
      plural(results.models.length, 'model'),
      plural(results.variants.length, 'variant'),
      `${integer(results.trials.length)} trials${flagged > 0 ? `, ${integer(flagged)} disturbed` : ''}`,
      ...(results.partial ? ['partial'] : []),
    ],
    sections: [
      summarySection(summary, groups),
      claimsSection(summary),
      studySection(summary, groups),
      sizeSection(summary, groups),
      overheadSection(summary, groups, phases),
      timelineSection(summary, groups, phases),
      accuracySection(summary, groups),
      latencySection(summary, groups),
      throughputSection(summary, groups),
      energySection(summary, groups),
      paretoSection(summary, groups),
      breakEvenSection(summary, groups),
      auditSection(summary, groups),
      conditionsSection(summary),
      environmentSection(summary),
    ],
    footer: `Made by presisi ${results.environment.presisi} from results.json, version ${results.version}. Times are medians over repeats; everything that is drawn stands in a table behind its chart.`,
  };
}

/** `2025-01-15 09:00 UTC`; a time that is none stays as it is written. */
function day(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? time : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
