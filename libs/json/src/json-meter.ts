const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const LIST = 0x5b;
const OBJECT = 0x7b;

/** Values that any text may hold, and bytes that each further one must bring along: an event has some thirty in a thousand bytes. */
const VALUES = 256 * 1024;
const BYTES_PER_VALUE = 32;

/**
 * Counts the values of a JSON text while it arrives, so that one of many small ones, which take far more memory than the text, need not be
 * taken to its end.
 */
export class JsonMeter {
  #values = 0;
  #bytes = 0;
  #isString = false;
  #isEscaped = false;

  /** Most values that a text of so many bytes may hold. */
  static limit(bytes: number): number {
    return VALUES + bytes / BYTES_PER_VALUE;
  }

  /** @returns false when there are more values than the text is long for */
  add(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.#isEscaped) this.#isEscaped = false;
      else if (this.#isString) {
        if (byte === QUOTE) this.#isString = false;
        else if (byte === BACKSLASH) this.#isEscaped = true;
      } else if (byte === QUOTE) this.#isString = true;
      else if (byte === COMMA || byte === LIST || byte === OBJECT) this.#values++;
    }
    return this.#values <= JsonMeter.limit(this.#bytes);
  }
}
