const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** A protobuf message being written: fields in the order they are added. Long byte strings are kept, not copied. */
export class Message {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** Bytes of the message so far. */
  get length(): number {
    return this.#length;
  }

  /** The message, in order; long fields are pieces of their own. */
  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  /** A non-negative integer. */
  integer(field: number, value: number): this {
    return this.#append(encodeVarint(field * 8 + VARINT)).#append(encodeVarint(value));
  }

  /** Packed non-negative integers. */
  integers(field: number, values: readonly number[]): this {
    return this.bytes(field, Buffer.concat(values.map(encodeVarint)));
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value, 'utf8'));
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#header(field, value.length).#append(value);
  }

  message(field: number, value: Message): this {
    this.#header(field, value.length);
    for (const piece of value.pieces) this.#append(piece);
    return this;
  }

  #header(field: number, length: number): this {
    return this.#append(encodeVarint(field * 8 + LENGTH_DELIMITED)).#append(encodeVarint(length));
  }

  #append(piece: Uint8Array): this {
    this.#pieces.push(piece);
    this.#length += piece.length;
    return this;
  }
}

/** Seven bits a byte, least significant first; the top bit says that more follow. */
function encodeVarint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`Expected a non-negative safe integer to encode but received ${value}`);
  }
  const bytes: number[] = [];
  let rest = value;
  // Division, since bit operations would cut values above 2^31.
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
