// `npm run schemas` writes schema/*.json: the JSON Schemas of what users write and what programs read. They are made from the
// schemas that the library itself checks with; descriptions are the doc comments beside them.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { z } from 'zod';
import { experimentSchema } from '../lib/characterize/experiment.js';
import { resultsSchema } from '../lib/characterize/results.js';

interface JsonSchema {
  description?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

const ROOT = new URL('..', import.meta.url);

/** Content by path. */
export function schemas(): Record<string, string> {
  return {
    'schema/experiment.schema.json': publish('experiment', experimentSchema, {
      title: 'An experiment of presisi characterize',
      io: 'input',
    }),
    'schema/results.schema.json': publish('results', resultsSchema, {
      title: 'results.json of presisi characterize',
      io: 'input',
    }),
  };
}

function publish(name: string, schema: z.ZodType, { title, io }: { title: string; io: 'input' }): string {
  // What editors understand best; whatever a newer version adds to results is no error for their readers.
  const { $schema, ...rest } = z.toJSONSchema(schema, { target: 'draft-7', io }) as JsonSchema & { $schema: string };
  new Describer(fileURLToPath(new URL(`lib/characterize/${name}.ts`, ROOT))).describe(`${name}Schema`, rest);
  return `${JSON.stringify({ $schema, title, ...rest }, null, 2)}\n`;
}

/** Finds the doc comment of each property in the source that defines a schema. */
class Describer {
  readonly #source: ts.SourceFile;
  readonly #constants = new Map<string, ts.VariableDeclaration>();
  readonly #done = new Set<JsonSchema>();

  constructor(path: string) {
    this.#source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
    for (const statement of this.#source.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      for (const declaration of statement.declarationList.declarations) {
        this.#constants.set(declaration.name.getText(), declaration);
      }
    }
  }

  /** Puts descriptions into what was made of the constant `name`. */
  describe(name: string, schema: JsonSchema): void {
    const declaration = this.#constants.get(name);
    if (!declaration?.initializer || this.#done.has(schema)) return;
    this.#done.add(schema);
    this.#note(declaration.parent.parent, schema);
    this.#visit(declaration.initializer, schema);
  }

  #visit(node: ts.Node, schema: JsonSchema | undefined): void {
    if (schema === undefined) return;
    if (ts.isIdentifier(node)) this.describe(node.text, schema);
    else if (ts.isObjectLiteralExpression(node)) this.#properties(node, schema);
    else if (ts.isAsExpression(node)) this.#visit(node.expression, schema);
    else if (ts.isCallExpression(node)) this.#call(node, schema);
  }

  #call({ expression, arguments: [first, second] }: ts.CallExpression, schema: JsonSchema): void {
    const isMethod = ts.isPropertyAccessExpression(expression);
    const name = isMethod ? expression.name.text : expression.getText();
    // x.optional(), x.min(1), x.extend({ … })
    if (isMethod && expression.expression.getText() !== 'z') this.#visit(expression.expression, schema);
    if (first === undefined) return;
    if (name === 'lazy' && ts.isArrowFunction(first)) {
      this.#visit(first.body, schema);
    } else if (name === 'array' || name === 'list') {
      this.#visit(first, schema.items);
    } else if (name === 'discriminatedUnion' && second && ts.isArrayLiteralExpression(second)) {
      const variants = schema.oneOf ?? schema.anyOf;
      for (const [index, element] of second.elements.entries()) this.#visit(element, variants?.[index]);
    } else if (ts.isObjectLiteralExpression(first)) {
      this.#visit(first, schema);
    }
  }

  #properties(literal: ts.ObjectLiteralExpression, { properties = {} }: JsonSchema): void {
    for (const member of literal.properties) {
      if (ts.isSpreadAssignment(member) && ts.isIdentifier(member.expression)) {
        const { initializer } = this.#constants.get(member.expression.text) ?? {};
        if (initializer) this.#visit(initializer, { properties });
      }
      if (!ts.isPropertyAssignment(member) && !ts.isShorthandPropertyAssignment(member)) continue;
      const property = properties[member.name.getText()];
      if (!property) continue;
      this.#note(member, property);
      this.#visit(ts.isPropertyAssignment(member) ? member.initializer : member.name, property);
    }
  }

  #note(node: ts.Node, schema: JsonSchema): void {
    const [comment] = ts.getJSDocCommentsAndTags(node).slice(-1);
    const text = comment && ts.getTextOfJSDocComment(comment.comment);
    if (text) schema.description ??= text.replace(/\s+/g, ' ');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, content] of Object.entries(schemas())) writeFileSync(new URL(path, ROOT), content);
}
