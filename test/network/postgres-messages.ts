/** What a client says to PostgreSQL. */
export interface ClientMessage {
  readonly bytes: Buffer;
  /** Whether a transaction is committed by it: COMMIT, or the end of a group of statements outside of a transaction. */
  readonly isCommit: boolean;
  /** Whether what was said until now is complete: the database answers. */
  readonly isEnd: boolean;
  /** Of what is committed: the statements that ran since the transaction began: their names, or texts where they have none. */
  readonly statements: readonly string[];
}

/** Takes apart what a client says (PostgreSQL documentation, "Message Formats"). */
export class PostgresMessages {
  #rest = Buffer.alloc(0);
  #isStarted = false;
  #isInTransaction = false;
  #isCommitted = false;
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
    // Parse: the statement's name, then its text. Bind: the portal's name, then the statement's.
    if (type === 'P' && text(5) === '') this.#statements.push(text(6));
    const bound = type === 'B' ? text(bytes.indexOf(0, 5) + 1) : '';
    if (bound === 'tx.begin') this.#isInTransaction = true;
    else if (bound !== '') this.#statements.push(bound);
    const isCommit = bound === 'tx.commit' || (type === 'S' && !this.#isInTransaction && !this.#isCommitted);
    if (bound === 'tx.commit' || bound === 'tx.rollback') this.#isInTransaction = false;
    this.#isCommitted = bound === 'tx.commit' || (this.#isCommitted && type !== 'S');
    const statements = this.#statements;
    if (type === 'S' && !this.#isInTransaction) this.#statements = [];
    return { bytes, isCommit, isEnd: type !== 'P' && type !== 'B' && type !== 'D' && type !== 'E', statements };
  }
}
