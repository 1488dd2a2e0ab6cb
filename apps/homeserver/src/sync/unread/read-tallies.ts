import { Injectable } from '@nestjs/common';
import type { ReadSet } from '../../ephemeral/reads/read-sets.store.js';
import { ReadSets } from '../../ephemeral/reads/read-sets.js';
import { ReaderJoins } from './reader-joins.js';
import { BEGINNING, type ReadUpTo, UnreadTally } from './unread-tally.js';
import { UnreadStore } from './unread.store.js';

const NONE: ReadonlySet<number> = new Set();

/** A tally without events. */
export interface EmptyTally {
  readonly tally: UnreadTally;
  /** Whether what is read may turn out to be more, when events come that are missing now. */
  readonly isOpen: boolean;
}

/** What readers have read, and since when they are in rooms. */
@Injectable()
export class ReadTallies {
  constructor(
    private readonly store: UnreadStore,
    private readonly reads: ReadSets,
    private readonly joins: ReaderJoins,
  ) {}

  /** From the reader's receipts and joins, by numeric room id. */
  async of(userId: string, roomNids: readonly number[], to: number): Promise<Map<number, EmptyTally>> {
    if (roomNids.length === 0) return new Map();
    const [read, sets, joins] = await Promise.all([
      this.store.readUpTo(roomNids, userId),
      this.reads.isKept(userId) ? this.reads.ofRooms(roomNids, userId, to) : new Map<number, ReadSet[]>(),
      this.joins.of(userId, roomNids, to),
    ]);
    return new Map(roomNids.map((nid) => {
      const parts = new Map([...read.get(nid)!].map(([thread, pos]): [string, ReadUpTo] => [thread, { pos, above: NONE }]));
      const known = sets.get(nid) ?? [];
      // Where homes tell each other what was read, positions of receipts say nothing: they are another home's order.
      for (const set of known) parts.set(set.threadId, { pos: set.floorPos ?? BEGINNING, above: new Set(set.above) });
      const joinedAt = joins.get(nid)!;
      const start = Math.max(joinedAt, parts.get('')?.pos ?? BEGINNING);
      const tally = new UnreadTally(parts, joinedAt, start === BEGINNING || known.some((set) => set.isPartial));
      return [nid, { tally, isOpen: known.some((set) => set.isOpen) }];
    }));
  }
}
