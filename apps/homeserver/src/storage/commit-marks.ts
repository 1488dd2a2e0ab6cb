/** Places of the ring (migrations/0028-commit-marks.sql): far more than there are transactions at a time. */
const PLACES = 4096;

/** What one transaction writes of its own: its number among those of this process, at a place where no other one writes meanwhile. */
export interface CommitMark {
  readonly place: number;
  readonly n: number;
}

/** What the database has at a place. */
export interface FoundMark {
  readonly epoch: number;
  readonly n: number;
}

/** Hands out marks, and knows which of them the database has to have. */
export class CommitMarks {
  #n = 0;
  readonly #taken = new Set<number>();
  /** Numbers of the transactions that were committed last, by place. */
  readonly #held = new Float64Array(PLACES);

  take(): CommitMark {
    let n: number;
    do n = ++this.#n;
    while (this.#taken.has(n % PLACES));
    this.#taken.add(n % PLACES);
    return { place: n % PLACES, n };
  }

  /** The transaction has ended; `held`: what its place has since, if that is something else than before. */
  free({ place }: CommitMark, held?: number): void {
    this.#taken.delete(place);
    if (held !== undefined) this.#held[place] = held;
  }

  /**
   * What became of a transaction that has ended, by what is found at its place.
   *
   * @param epoch of this process
   * @returns undefined when the database lacks what this process has stored, or another process has it
   */
  judge({ place, n }: CommitMark, epoch: number, found: FoundMark): 'committed' | 'rolled back' | undefined {
    if (found.epoch > epoch) return undefined;
    const present = found.epoch === epoch ? found.n : 0;
    if (present === n) return 'committed';
    return present === this.#held[place] || present === burnt({ place, n }) ? 'rolled back' : undefined;
  }
}

/**
 * The number that is put in place of a mark that was not found when it was asked for: the transaction may still be on its way, and must not be
 * stored when it arrives. No transaction has it, as numbers at one place are those of the ring apart.
 */
export function burnt({ n }: CommitMark): number {
  return n + 1;
}
