const MASK = (1n << 64n) - 1n;

/** Splitmix64 (Steele, Lea and Flood 2014): turns any seed into well-mixed words. */
function* splitmix64(seed: bigint): Generator<bigint, never> {
  for (let state = seed & MASK; ; ) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let word = state;
    word = ((word ^ (word >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    word = ((word ^ (word >> 27n)) * 0x94d049bb133111ebn) & MASK;
    yield word ^ (word >> 31n);
  }
}

const rotateLeft = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/**
 * Random numbers that are the same for the same seed on every machine: xoshiro128** (Blackman and Vigna 2018), which
 * needs 32-bit arithmetic only, seeded by splitmix64.
 */
export class Random {
  readonly #state: Int32Array;
  #spare: number | undefined;

  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`Expected a safe integer for seed but received ${seed}`);
    const words = splitmix64(BigInt(seed));
    const [low, high] = [words.next().value, words.next().value];
    this.#state = Int32Array.from([low, low >> 32n, high, high >> 32n], (word) => Number(word & 0xffffffffn));
  }

  /** Uniform over the 32-bit integers. */
  #next(): number {
    const state = this.#state;
    const [a = 0, b = 0, c = 0, d = 0] = state;
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9);
    const third = c ^ a;
    const fourth = d ^ b;
    state[1] = b ^ third;
    state[0] = a ^ fourth;
    state[2] = third ^ (b << 9);
    state[3] = rotateLeft(fourth, 11);
    return result >>> 0;
  }

  /**
   * Normal, mean 0, variance 1. The polar form of the Box-Muller transform (Marsaglia and Bray 1964): it needs no sine
   * and cosine, whose last bits differ between versions of JavaScript engines.
   */
  normal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    for (;;) {
      const x = this.#next() / 0x80000000 - 1;
      const y = this.#next() / 0x80000000 - 1;
      const squared = x * x + y * y;
      if (squared >= 1 || squared === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(squared)) / squared);
      this.#spare = y * factor;
      return x * factor;
    }
  }
}
