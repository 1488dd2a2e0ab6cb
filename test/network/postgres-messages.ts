/** What a client says to PostgreSQL. */
export interface ClientMessage {
  readonly bytes: Buffer;
  readonly isCommit: boolean;
  /** Of a COMMIT: the statements that ran since the transaction began: their names, or texts where they have none. */
  readonly statements: readonly string[];
}

/** Takes apart what a client says (PostgreSQL documentation, "Message Formats"). */
export class PostgresMessages {
  #rest = Buffer.alloc(0);
  #isStarted = false;
  #statements: string[] = [];

  /** The messages that are complete. */
  *read(bytes: Buffer): Generator<ClientMessage> {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    for (;;) {
      // The first message has no type.
      const head = this.#isStarted ? 1 : 0;
      if (this.#rest.length < head + 4) return;
      const length = head + this.#rest.readInt32BE(head);
      if (this.#rest.length < length) return;
      const message = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield this.#understand(message);
      this.#isStarted = true;
    }
  }

  #understand(bytes: Buffer): ClientMessage {
    const type = this.#isStarted ? String.fromCharCode(bytes[0]!) : '';
    const text = (from: number) => bytes.toString('utf8', from, bytes.indexOf(0, from));
    if (type === 'Q' && text(5).startsWith('BEGIN')) this.#statements = [];
    // Parse: the statement's name, then its text. Bind: the portal's name, then the statement's.
    if (type === 'P' && text(5) === '') this.#statements.push(text(6));
    if (type === 'B') this.#statements.push(text(bytes.indexOf(0, 5) + 1));
    return { bytes, isCommit: type === 'Q' && text(5) === 'COMMIT', statements: this.#statements };
  }
}
