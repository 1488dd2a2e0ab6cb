/** What of a transaction may go to its destination. */
export interface Passage {
  /** PDUs and EDUs of which that cannot be told now: they wait, and hold up nothing else. */
  readonly held: ReadonlySet<string>;
  /** The PDUs, without those that the destination must not get. */
  readonly pdus: readonly string[];
  readonly edus: readonly string[];
  /** Further members of the transaction, canonical JSON by name. */
  readonly members?: Readonly<Record<string, string>>;
}

/**
 * Decides what goes to a destination at all. Home records name servers: one that never agreed to be a home must not get other
 * people's traffic.
 */
export interface TransactionGate {
  /**
   * @param pdus canonical JSON
   * @param edus the same
   */
  pass(destination: string, pdus: readonly string[], edus: readonly string[]): Promise<Passage>;
}
