import type { Claim, Summary } from '../../characterize/summary.js';
import { type Cell, type Section, text, words } from '../document.js';

const VERDICTS: Readonly<Record<Claim['verdict'], Cell>> = {
  holds: { text: 'holds', mark: 'good' },
  'does not hold': { text: 'does not hold', mark: 'bad' },
  'not measured': { text: 'not measured', mark: 'absent' },
};

/** The paper whose experiment this repeats. */
const STUDY =
  'Rachmanto et al., “Characterizing Deep Learning Model Compression with Post-Training Quantization on Accelerated Edge Devices”, IEEE EDGE 2024';

export function claimsSection({ claims }: Summary): Section {
  const section = { id: 'claims', short: 'Claims', title: 'What the study claims, and what holds here' };
  if (claims.length === 0) {
    return {
      ...section,
      blocks: [{ kind: 'absent', what: 'Claims', why: 'none could be recomputed from these results' }],
    };
  }
  const count = (verdict: Claim['verdict']): number => claims.filter((claim) => claim.verdict === verdict).length;
  return {
    ...section,
    blocks: [
      text(
        `${STUDY}, measured two Jetsons. The same statements, recomputed on this device: ${count('holds')} hold, ${count('does not hold')} do not, ${count('not measured')} could not be measured.`,
      ),
      {
        kind: 'table',
        table: {
          caption: 'Claims of the study',
          wordy: true,
          columns: words('Claim', 'Verdict', 'Here', 'In the study'),
          rows: claims.map(({ statement, study, here, verdict, detail }) => [
            statement,
            VERDICTS[verdict],
            { text: here, detail },
            study,
          ]),
        },
      },
    ],
  };
}
