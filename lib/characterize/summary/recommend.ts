import { atCaller, PresisiError } from '../../errors.js';
import { check, number, options, text } from '../../options.js';
import { readResults } from '../read.js';
import type { Results } from '../results.js';
import type { Limits, Recommendation } from '../summary.js';
import { choose } from './choose.js';
import { summarize } from './summarize.js';

const atLeastZero = (what: string) => number(`${what}, 0 or more`, (value) => value >= 0).optional();

const limitsSchema = options({
  latency: atLeastZero('milliseconds'),
  accuracyDrop: atLeastZero('points of accuracy'),
  accuracy: number('a percentage between 0 and 100', (value) => value >= 0 && value <= 100).optional(),
  size: atLeastZero('bytes'),
  energy: atLeastZero('joules'),
  memory: atLeastZero('bytes'),
  model: text().optional(),
});

/**
 * What to deploy, given limits: the fastest engine at batch 1 that keeps all of them and that no other beats; among engines as
 * fast within 2 % the most accurate, then the one that takes least energy, then the smallest. Limits are compared with what
 * was measured (medians, shares), and what was not measured keeps no limit. The same results and limits always give the same
 * answer. Where nothing fits, `best` is absent and `closest` says what comes nearest and what it misses.
 *
 * @param source results, or the path of `results.json` or of its folder
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_INVALID_RESULTS, ERR_PRESISI_FILE_SYSTEM
 */
export function recommend(source: string | Results, limits: Limits = {}): Promise<Recommendation> {
  return atCaller(recommend, async () => {
    const checked = check(limitsSchema, limits, 'limits') as Limits;
    const results = typeof source === 'string' ? await readResults(source) : source;
    const { model } = checked;
    if (model !== undefined && !results.models.some(({ id }) => id === model)) {
      throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `the results have no model ${JSON.stringify(model)}`, {
        hint: `its models are ${results.models.map(({ id }) => id).join(', ')}`,
      });
    }
    return choose(summarize(results).variants, checked);
  });
}
