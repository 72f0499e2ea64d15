/** Least cosine over the pictures of outputs that agree. */
export const LEAST_COSINE = { fp32: 0.999, int8: 0.99 } as const;

export interface Agreement {
  readonly cosine: number;
  /** Pictures whose best class is the same, and pictures. */
  readonly sameTop: number;
  readonly pictures: number;
}

/** Compares two outputs [pictures, classes], base64 of float32. */
export function compare(first: string, second: string, pictures: number): Agreement {
  const [a, b] = [decode(first), decode(second)];
  if (a.length === 0 || a.length !== b.length || a.length % pictures !== 0) {
    throw new Error(`outputs have ${a.length} and ${b.length} values for ${pictures} pictures`);
  }
  const classes = a.length / pictures;
  let least = 1;
  let sameTop = 0;
  for (let start = 0; start < a.length; start += classes) {
    const [rowA, rowB] = [a.subarray(start, start + classes), b.subarray(start, start + classes)];
    // Not Math.min alone: a NaN must not pass for agreement.
    const similarity = cosine(rowA, rowB);
    least = Number.isNaN(similarity) ? -1 : Math.min(least, similarity);
    if (largest(rowA) === largest(rowB)) sameTop += 1;
  }
  return { cosine: least, sameTop, pictures };
}

function decode(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer);
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [product, squareA, squareB] = [0, 0, 0];
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? Number.NaN;
    product += value * other;
    squareA += value * value;
    squareB += other * other;
  }
  return product / Math.sqrt(squareA * squareB);
}

const largest = (values: Float32Array): number =>
  values.reduce((best, v, i) => (v > (values[best] ?? 0) ? i : best), 0);
