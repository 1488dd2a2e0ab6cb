/** Bytes as they come, read up to one mark after the other. No more is held than a chunk and the length of a mark. */
export class DelimitedBytes {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer;

  /** @param before is read before the source */
  constructor(source: AsyncIterable<Buffer>, before: Buffer) {
    this.#source = source[Symbol.asyncIterator]();
    this.#rest = before;
  }

  /**
   * Everything before the next mark, which is left out.
   *
   * @throws Error where the source ends without it
   */
  async *until(mark: Buffer): AsyncGenerator<Buffer, void, void> {
    for (;;) {
      const at = this.#rest.indexOf(mark);
      // The mark may have begun at the end.
      const end = at < 0 ? Math.max(0, this.#rest.length - mark.length + 1) : at;
      const piece = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(at < 0 ? end : at + mark.length);
      if (piece.length > 0) yield piece;
      if (at >= 0) return;
      const { done, value } = await this.#source.next();
      if (done) throw new Error('the answer ends early');
      this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value]);
    }
  }

  /** The same in one piece. @throws Error where it is longer */
  async take(mark: Buffer, maxBytes: number): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of this.until(mark)) {
      pieces.push(piece);
      length += piece.length;
      if (length > maxBytes) throw new Error('a part of the answer is too long');
    }
    return Buffer.concat(pieces);
  }
}
