// JPEG pictures out of a stream that has one after the other, as cameras and `ffmpeg -f mjpeg` send them.

/** Larger than any camera's frame: what goes on for longer isn't one. */
const MAX_FRAME_BYTES = 16 << 20;

const SOI = Buffer.from([0xff, 0xd8]);

/** Markers without a segment behind them: TEM and the restart markers. */
const standsAlone = (marker: number): boolean => marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7);

/**
 * Finds where each picture ends by walking its segments (ITU-T T.81, annex B): a preview inside EXIF has an end of its
 * own, which a search for FF D9 would take for the picture's. What lies between pictures, such as the headers of
 * multipart/x-mixed-replace, is passed over, and so are damaged pictures.
 */
export class JpegSplitter {
  /** Pictures that were begun and turned out to be none. */
  damaged = 0;
  #bytes = Buffer.allocUnsafe(1 << 16);
  #length = 0;
  /** From here on nothing was looked at; 0 while the start of a picture is sought. */
  #at = 0;
  #inScan = false;

  /** Takes the next bytes and gives the pictures that they complete. */
  push(chunk: Uint8Array): Buffer[] {
    const frames: Buffer[] = [];
    // Piece by piece, so that the buffer's bound holds for any chunk.
    for (let from = 0; from < chunk.length; from += 1 << 16) {
      this.#append(chunk.subarray(from, from + (1 << 16)));
      while (this.#advance()) {
        frames.push(Buffer.from(this.#bytes.subarray(0, this.#at)));
        this.#drop(this.#at);
      }
      if (this.#length > MAX_FRAME_BYTES) this.#giveUp(this.#length);
    }
    return frames;
  }

  /** Whether a picture is complete; it then ends at `#at`. */
  #advance(): boolean {
    for (;;) {
      if (this.#at === 0 && !this.#findStart()) return false;
      if (this.#inScan && !this.#skipScan()) return false;
      const bytes = this.#bytes.subarray(0, this.#length);
      while (bytes[this.#at] === 0xff && bytes[this.#at + 1] === 0xff) this.#at += 1; // fill bytes
      const marker = bytes[this.#at + 1];
      if (marker === undefined) return false;
      if (bytes[this.#at] !== 0xff || marker === 0x00 || marker === 0xd8) {
        this.#giveUp(marker === 0xd8 ? this.#at : SOI.length);
      } else if (marker === 0xd9) {
        this.#at += 2;
        return true;
      } else if (standsAlone(marker)) {
        this.#at += 2;
      } else {
        if (this.#at + 4 > bytes.length) return false;
        const length = bytes.readUInt16BE(this.#at + 2);
        if (length < 2) {
          this.#giveUp(SOI.length);
        } else {
          if (this.#at + 2 + length > bytes.length) return false;
          this.#at += 2 + length;
          this.#inScan = marker === 0xda;
        }
      }
    }
  }

  #findStart(): boolean {
    const start = this.#bytes.subarray(0, this.#length).indexOf(SOI);
    if (start >= 0) {
      this.#drop(start);
      this.#at = SOI.length;
      return true;
    }
    // The last byte may be the first half of a start.
    this.#drop(this.#bytes[this.#length - 1] === 0xff ? this.#length - 1 : this.#length);
    return false;
  }

  /** Compressed data ends at the first marker but those of restarts; FF 00 is a byte of data. */
  #skipScan(): boolean {
    const bytes = this.#bytes.subarray(0, this.#length);
    for (;;) {
      const found = bytes.indexOf(0xff, this.#at);
      this.#at = found < 0 ? bytes.length : found;
      const next = bytes[this.#at + 1];
      if (next === undefined) return false;
      if (next !== 0x00 && next !== 0xff && !standsAlone(next)) break;
      this.#at += next === 0xff ? 1 : 2;
    }
    this.#inScan = false;
    return true;
  }

  #giveUp(count: number): void {
    if (this.#at > 0) this.damaged += 1;
    this.#drop(count);
  }

  #drop(count: number): void {
    this.#bytes.copyWithin(0, count, this.#length);
    this.#length -= count;
    this.#at = 0;
    this.#inScan = false;
  }

  #append(piece: Uint8Array): void {
    if (this.#length + piece.length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(2 * (this.#length + piece.length));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length += piece.length;
  }
}

/** What a source gave last, whenever it is asked for; `onDrop` is told of what nobody took in time. */
export async function* latestOf<T>(source: AsyncIterable<T>, onDrop: () => void): AsyncGenerator<T> {
  let waiting: { item: T } | undefined;
  let ended = false;
  let wake = (): void => {};
  const reading = (async () => {
    for await (const item of source) {
      if (waiting) onDrop();
      waiting = { item };
      wake();
    }
  })().finally(() => {
    ended = true;
    wake();
  });
  reading.catch(() => {}); // thrown below
  while (waiting || !ended) {
    if (!waiting) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    const { item } = waiting;
    waiting = undefined;
    yield item;
  }
  await reading;
}
