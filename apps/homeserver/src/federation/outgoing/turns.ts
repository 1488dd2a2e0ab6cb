/**
 * Numbers turns so that those who want many do not come before those who want few (start-time fair queuing): the k-th piece of
 * somebody's work that waits comes in the k-th round, counted from the one that is being served. Of a finite number of
 * parties nobody starves, since each can put only one piece into a round.
 */
export class Turns {
  #now = 0;
  /** Of those who have been given a turn that is not yet past. */
  readonly #last = new Map<string, number>();

  /** The round in which the party's next piece comes. */
  next(party: string): number {
    const turn = Math.max(this.#now, (this.#last.get(party) ?? -1) + 1);
    this.#last.set(party, turn);
    return turn;
  }

  /** A piece of that round has been begun: earlier rounds are past. */
  served(turn: number): void {
    if (turn <= this.#now) return;
    this.#now = turn;
    for (const [party, last] of this.#last) if (last < turn) this.#last.delete(party);
  }

  /** Nobody waits: there is nobody to whom anybody owes a turn. */
  forget(): void {
    this.#last.clear();
  }
}
