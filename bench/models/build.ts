// Writes networks with random weights: npx tsx bench/models/build.ts [--seed N] [--folder PATH] [NAME…]
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ARCHITECTURES, ensureModel, KNOWN_SEED } from './model.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(KNOWN_SEED) },
    folder: { type: 'string', default: join(tmpdir(), 'presisi-bench') },
  },
});
for (const name of positionals.length > 0 ? positionals : Object.keys(ARCHITECTURES)) {
  console.log(await ensureModel(name, Number(values.seed), values.folder));
}
