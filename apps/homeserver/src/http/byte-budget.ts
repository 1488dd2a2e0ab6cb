/**
 * Bytes that may be held at once, in all and for each party: bodies of requests, which anybody can send before he has shown who
 * he is, and answers that nobody reads.
 */
export class ByteBudget {
  #total = 0;
  readonly #held = new Map<string, number>();

  constructor(
    private readonly max: number,
    private readonly maxPerParty: number,
  ) {}

  /** @returns false, and takes nothing, when there is no room; a party that holds nothing may hold more than its share */
  take(party: string, bytes: number): boolean {
    const held = this.#held.get(party) ?? 0;
    if (this.#total + bytes > this.max || (held > 0 && held + bytes > this.maxPerParty)) return false;
    this.#total += bytes;
    this.#held.set(party, held + bytes);
    return true;
  }

  give(party: string, bytes: number): void {
    this.#total -= bytes;
    const left = this.#held.get(party)! - bytes;
    if (left > 0) this.#held.set(party, left);
    else this.#held.delete(party);
  }
}
