import { z } from 'zod';
import type { Dataset } from './datasets/dataset.js';
import { PresisiError } from './errors.js';
import { type Share, shareOf } from './statistics.js';

/** What another engine predicted, by the pictures' names: an evaluation made with `predictions`, or such a list. */
export interface Reference {
  readonly predictions?: readonly { readonly image: string; readonly top: readonly { readonly index: number }[] }[];
}

const expected = 'an evaluation made with predictions';
const prediction = z.object(
  {
    image: z.string({ error: 'a string' }),
    top: z.array(z.object({ index: z.int({ error: 'an integer' }) }, { error: expected }), { error: expected }),
  },
  { error: expected },
);

/** Other properties of an evaluation are allowed and not looked at. */
export const referenceSchema = z.object({ predictions: z.array(prediction, { error: expected }) }, { error: expected });

/** Compares best classes with a reference's, picture by picture. */
export class Agreement {
  readonly #best = new Map<string, number>();
  #agreed = 0;
  #total = 0;

  constructor({ predictions }: z.infer<typeof referenceSchema>, { name, samples }: Dataset) {
    for (const { image, top } of predictions) this.#best.set(image, top[0]?.index ?? -1);
    if (samples.some(({ image }) => this.#best.has(image.name))) return;
    throw new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `options.reference has no picture of ${name}`, {
      hint: 'the reference must be an evaluation of the same data set, opened by the same path',
    });
  }

  add(image: string, best: number): void {
    const other = this.#best.get(image);
    if (other === undefined) return;
    this.#total += 1;
    if (other === best) this.#agreed += 1;
  }

  result(): Share {
    return shareOf(this.#agreed, this.#total);
  }
}
