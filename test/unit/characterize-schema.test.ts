import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { schemas } from '../../scripts/schemas.js';
import { ROOT } from './support.js';

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly oneOf?: readonly JsonSchema[];
}

const published = async (name: string): Promise<JsonSchema> =>
  JSON.parse(await readFile(join(ROOT, 'schema', `${name}.schema.json`), 'utf8'));

test('the published schemas are those of the code; `npm run schemas` writes them', async () => {
  for (const [path, content] of Object.entries(schemas()))
    expect(await readFile(join(ROOT, path), 'utf8')).toBe(content);
});

describe('the schema of experiments', async () => {
  const schema = await published('experiment');

  /** Every key of an experiment by its path. */
  function keys(of: JsonSchema, path: string): [string, JsonSchema][] {
    const inner = of.items ?? of;
    return Object.entries(inner.properties ?? {}).flatMap(([key, value]) => {
      const at = path === '' ? key : `${path}.${key}`;
      return [[at, value] as [string, JsonSchema], ...keys(value, at)];
    });
  }

  test('describes every key', () => {
    const all = keys(schema, '');
    expect(all.length).toBeGreaterThan(40);
    expect(all.filter(([, { description }]) => !description).map(([key]) => key)).toEqual([]);
  });

  test('shows bounds', () => {
    const { disturbance, telemetry } = schema.properties ?? {};
    expect(disturbance?.properties?.steal).toMatchObject({ minimum: 0, maximum: 1 });
    expect(telemetry?.properties?.rate).toMatchObject({ minimum: 10, maximum: 1000 });
  });

  test('and so does the documentation', async () => {
    const documentation = await readFile(join(ROOT, 'docs', 'characterize.md'), 'utf8');
    const missing = keys(schema, '')
      .map(([key]) => key)
      .filter((key) => !documentation.includes(`\`${key}\``));
    expect(missing).toEqual([]);
  });
});

test('the schema of results tells the kinds of trials apart', async () => {
  const { properties } = await published('results');
  const kinds = properties?.trials?.items?.oneOf ?? [];
  expect(kinds.map((kind) => Object.keys(kind.properties ?? {}).includes('conditions'))).toEqual(Array(4).fill(true));
  expect(kinds[0]?.properties?.id?.description).toContain('unique in the experiment');
  expect(kinds[0]?.properties?.flags?.items?.properties?.detail?.description).toBe('What was seen, in words.');
});
