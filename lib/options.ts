import { z } from 'zod';
import { invalidArgument, PresisiError } from './errors.js';

/**
 * Checks a value against a schema whose messages say what was expected, and reports the first mismatch in the form all
 * wrong arguments have. `name` is what the caller knows the value as.
 */
export function check<T>(schema: z.ZodType<T>, value: unknown, name: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw mismatch(result.error, value, name).error;
}

/** The first thing a schema has against a value, and where in it. */
export function mismatch(
  found: z.ZodError,
  value: unknown,
  name: string,
): { readonly error: PresisiError; readonly path: readonly PropertyKey[]; readonly unknownKeys: readonly string[] } {
  const issue = found.issues[0];
  if (issue === undefined) return { error: invalidArgument('something else', name, value), path: [], unknownKeys: [] };
  const path = issue.path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`)).join('');
  if (issue.code === 'unrecognized_keys') {
    const error = new PresisiError(
      'ERR_PRESISI_INVALID_ARGUMENT',
      `${name}${path} has no option ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`,
      { hint: 'check the spelling; the documentation lists every option' },
    );
    return { error, path: issue.path, unknownKeys: issue.keys };
  }
  let at: unknown = value;
  for (const key of issue.path) at = (at as Record<PropertyKey, unknown> | undefined)?.[key];
  return { error: invalidArgument(issue.message, `${name}${path}`, at), path: issue.path, unknownKeys: [] };
}

/** An options object: absent is empty, unknown keys are refused. */
export const options = <Shape extends z.core.$ZodShape>(shape: Shape) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : 'an object') });

export const integer = (low: number, high: number) => {
  const error = `an integer between ${low} and ${high}`;
  return z.number({ error }).int({ error }).min(low, { error }).max(high, { error });
};

export const number = (expected: string, accept: (value: number) => boolean) =>
  z.number({ error: expected }).refine(accept, { error: expected });

export const oneOf = <const Values extends readonly [string, ...string[]]>(values: Values) =>
  z.enum(values, { error: `one of ${values.join(', ')}` });

export const text = (expected = 'a non-empty string') => z.string({ error: expected }).min(1, { error: expected });

export const flag = () => z.boolean({ error: 'true or false' });

export const strings = (expected = 'an array of strings') =>
  z.array(z.string({ error: 'a string' }), { error: expected });

export const signal = () => z.instanceof(AbortSignal, { error: 'an AbortSignal' });

export const listener = <Listener>() =>
  z.custom<Listener>((value) => typeof value === 'function', { error: 'a function' });

/** What several functions take. */
export const threads = () => integer(0, 1024);
export const batch = () => integer(1, 65536);
export const onBadImage = () => oneOf(['error', 'skip']);

/** Without the keys whose value is undefined: absent is absent, for the addon and for exact optional types. */
export function present<T extends object>(values: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof present<T>
  >;
}
