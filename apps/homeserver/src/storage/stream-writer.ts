import type { Bus, StreamName } from '../bus/bus.js';
import { statement, type Database, type Transaction } from './database.js';
import { GroupCommit } from './group-commit.js';
import type { StreamPositions } from './stream-positions.js';

const use = statement('sequences.use', 'UPDATE sequences SET used = $2 WHERE name = $1');

/** An item with the position that it got. */
export interface Positioned<T> {
  readonly item: T;
  readonly pos: number;
}

/**
 * The one writer of a stream: gives positions, stores items in group commits, and after the commit publishes that their
 * audience has something new. Because there is one writer and one batch in flight, every position up to `current` is
 * committed; a sync token never steps over a position that is still on its way.
 *
 * @typeParam T what a caller hands in
 */
export class StreamWriter<T> {
  readonly #commits: GroupCommit<{ item: T; pos: number }>;

  /**
   * @param write stores the items in the transaction
   * @param audience the accounts on this server that see the item
   */
  constructor(
    private readonly stream: StreamName,
    db: Database,
    private readonly positions: StreamPositions,
    bus: Bus,
    write: (tx: Transaction, items: readonly Positioned<T>[]) => Promise<void>,
    audience: (item: T) => Iterable<string>,
  ) {
    this.#commits = new GroupCommit(async (slots) => {
      for (const slot of slots) slot.pos = positions.next(stream);
      const pos = slots.at(-1)!.pos;
      await db.transaction(async (tx) => {
        await write(tx, slots);
        // What it stands for may be deleted: the number has to stay, so that a token can be told from one of a lost future.
        await tx.write(use, [stream, pos]);
        tx.afterCommit(() => {
          positions.commit(stream, pos);
          const users = new Set<string>();
          for (const { item } of slots) for (const user of audience(item)) users.add(user);
          bus.publish({ kind: 'stream', stream, pos, users: [...users] });
        });
      });
    });
  }

  /** Stores the item; resolves after the commit with the item's position. */
  async submit(item: T): Promise<number> {
    const slot = { item, pos: 0 };
    await this.#commits.submit(slot);
    return slot.pos;
  }

  /** Highest committed position. */
  get current(): number {
    return this.positions.current(this.stream);
  }
}
