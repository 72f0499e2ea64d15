// Builds every network twice: prints its SHA-256, and fails unless both and the known one are equal.
import { ARCHITECTURES, buildModel, digest, KNOWN, KNOWN_SEED } from './model.js';

for (const name of Object.keys(ARCHITECTURES)) {
  const built = buildModel(name, KNOWN_SEED);
  const sha256 = digest(built.proto);
  console.log(`${name}: ${built.parameters} parameters, ${built.proto.length} bytes, SHA-256 ${sha256}`);
  const again = digest(buildModel(name, KNOWN_SEED).proto);
  const other = digest(buildModel(name, KNOWN_SEED + 1).proto);
  for (const [failed, reason] of [
    [again !== sha256, 'a second build of the same seed differs'],
    [other === sha256, 'another seed gives the same bytes'],
    [KNOWN[name] !== sha256, `expected ${KNOWN[name]}`],
  ] as const) {
    if (!failed) continue;
    console.error(`${name}: ${reason}`);
    process.exitCode = 1;
  }
}
