import { Injectable } from '@nestjs/common';
import { AccountOps } from '../../accounts/account-ops.js';
import { Database, type Transaction } from '../../storage/database.js';
import { endsUpTo, readPart, walk, type ReadNode } from './read-part.js';
import { ReadGraphStore } from './read-graph.store.js';
import { type ReadSet, ReadSetsStore } from './read-sets.store.js';

/** Events that a receipt writes: its own, and the room's ends before it. */
export const MAX_READ = 20;
/** Events of one set. */
export const MAX_SET = 100;
/** Timeline events that are looked at, on both sides of a receipt's event. */
const AROUND = 100;
/** Newest events of a timeline that are looked at to say what is unread; counts end before. */
const WINDOW = 256;
/** Threads of a room; of an id of one. */
const MAX_THREADS = 500;
const MAX_THREAD_ID = 255;
/** Sets that one question looks at again. */
const MAX_LOOKS = 200;
/** Sets that are looked at at once. */
const CONCURRENCY = 4;
/** Rounds of looking up events that are in no timeline. */
const MAX_DETOURS = 10;

/** A receipt that is taken here. */
export interface TakenReceipt {
  readonly userId: string;
  readonly roomId: string;
  readonly roomNid: number;
  readonly threadId: string;
  readonly eventId: string;
  /** Of its event in the timeline; null when it is not there. */
  readonly pos: number | null;
}

/**
 * What accounts with several homes have read (protocol §4, "Read"): sets of events, which say the same at every home. Accounts without
 * a log have receipts only, and positions are as good for them.
 */
@Injectable()
export class ReadSets {
  constructor(
    private readonly db: Database,
    private readonly store: ReadSetsStore,
    private readonly graph: ReadGraphStore,
    private readonly ops: AccountOps,
  ) {}

  /** What a receipt that is about to be stored says to other homes; null for accounts that tell nobody. */
  async readBy({ userId, roomNid, eventId, pos }: TakenReceipt): Promise<readonly string[] | null> {
    if (!this.ops.hasLog(userId)) return null;
    if (pos === null) return [eventId];
    const now = await this.graph.ends(roomNid);
    const isLast = now.every((end) => end.pos !== null && end.pos <= pos);
    const ends = isLast ? now.map((end) => end.eventId) : await this.#endsUpTo(roomNid, now.map((end) => end.eventId), pos);
    return [...new Set([eventId, ...ends])].slice(0, MAX_READ);
  }

  /** Whether a receipt says that more was read here than is known. */
  async isNews({ userId, roomNid, threadId, pos }: TakenReceipt): Promise<boolean> {
    if (pos === null || !this.ops.hasLog(userId)) return false;
    const set = (await this.store.ofRooms([roomNid], userId)).find((one) => one.threadId === threadId);
    return set !== undefined && (set.herePos === null || set.herePos < pos);
  }

  /** Stores it, with the receipt. @returns the set as other homes are told of it: with what it knew of theirs */
  async put(tx: Transaction, receipt: TakenReceipt, read: readonly string[]): Promise<readonly string[]> {
    const { userId, roomId, roomNid, threadId, pos } = receipt;
    const present = await this.store.get(tx, userId, roomId, threadId);
    const others = (present?.eventIds ?? []).filter((id) => !read.includes(id));
    const covered = pos === null || others.length === 0 ? new Set<string>() : await this.graph.upTo(tx, roomNid, others, pos);
    const eventIds = [...others.filter((id) => !covered.has(id)), ...read].slice(-MAX_SET);
    const herePos = max(present?.herePos ?? null, pos);
    const floorPos = max(present?.floorPos ?? null, pos);
    await this.store.put(tx, userId, roomId, {
      threadId, eventIds, herePos, floorPos, above: (present?.above ?? []).filter((one) => floorPos === null || one > floorPos),
      // What is missing in the timeline may be before what was read, and come later.
      isOpen: pos === null || eventIds.length > read.length || (await this.graph.hasGap(tx, roomNid)), isPartial: present?.isPartial ?? false,
    });
    return eventIds;
  }

  /** Adds what was read at another home. */
  async merge(userId: string, roomId: string, threadId: string, read: readonly string[]): Promise<void> {
    if (threadId.length > MAX_THREAD_ID) return;
    await this.db.transaction(async (tx) => {
      const present = await this.store.get(tx, userId, roomId, threadId);
      if (!present && (await this.store.threads(tx, userId, roomId)) >= MAX_THREADS) return;
      const eventIds = await this.#bounded(tx, roomId, [...new Set([...(present?.eventIds ?? []), ...read])]);
      if (present && eventIds.length === present.eventIds.length && eventIds.every((id) => present.eventIds.includes(id))) return;
      const unknown: ReadSet = { threadId, eventIds, herePos: null, floorPos: null, above: [], isOpen: true, isPartial: false };
      await this.store.put(tx, userId, roomId, { ...(present ?? unknown), eventIds, isOpen: true });
    });
  }

  /** Of too many those that are furthest along here, so that events which nobody has do not push out what was read. */
  async #bounded(tx: Transaction, roomId: string, eventIds: readonly string[]): Promise<string[]> {
    if (eventIds.length <= MAX_SET) return [...eventIds];
    const known = await this.graph.newestOf(tx, roomId, eventIds);
    return [...known, ...eventIds.filter((id) => !known.includes(id)).sort()].slice(0, MAX_SET);
  }

  /** Whether what the account has read is known as sets. */
  isKept(userId: string): boolean {
    return this.ops.hasLog(userId);
  }

  /** What the account has read in rooms, by room and thread. Sets that may say more by now are looked at again, up to a position. */
  async ofRooms(roomNids: readonly number[], userId: string, to: number): Promise<Map<number, ReadSet[]>> {
    const rooms = new Map<number, ReadSet[]>();
    const sets = await this.store.ofRooms(roomNids, userId);
    let looks = 0;
    const worker = async (): Promise<void> => {
      for (let set = sets.pop(); set; set = sets.pop()) {
        // Beyond that many they stay as they were: counts are what is known at least.
        const seen = set.isOpen && looks++ < MAX_LOOKS ? await this.#look(userId, set, to) : set;
        rooms.set(set.roomNid, [...(rooms.get(set.roomNid) ?? []), seen]);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return rooms;
  }

  /** All sets of an account, by room id and thread; made from its receipts where it had none. */
  async ofUser(userId: string): Promise<ReadonlyMap<string, readonly string[]>> {
    await this.store.begin(userId);
    return this.store.ofUser(userId);
  }

  async #endsUpTo(roomNid: number, ends: readonly string[], pos: number): Promise<string[]> {
    const [below, above] = await Promise.all([this.graph.newest(roomNid, pos, AROUND), this.graph.after(roomNid, pos, AROUND)]);
    return endsUpTo([...below, ...above], ends, pos);
  }

  async #look(userId: string, set: ReadSet & { roomNid: number; roomId: string }, to: number): Promise<ReadSet> {
    const { roomNid, roomId } = set;
    const timeline = await this.graph.newest(roomNid, to, WINDOW);
    const nodes = new Map<string, ReadNode>(timeline.map((node) => [node.eventId, node]));
    const lowest = timeline.length < WINDOW ? -Infinity : (timeline.at(-1)?.pos ?? -Infinity);
    const gaps = await this.#detour(roomNid, nodes, set.eventIds, lowest);
    const { floor, above, members } = readPart(nodes, set.eventIds, set.herePos);
    // What is missing at the bottom of fetched history would come as history, below all that is counted.
    const isOpen = gaps.some(({ by }) => by === null || (by.pos !== null && by.pos >= 0));
    const isRead = new Set(above);
    const unread = timeline.filter(({ pos }) => pos! > floor && !isRead.has(pos!));
    const after: ReadSet = {
      ...set, eventIds: members, floorPos: Number.isFinite(floor) ? floor : null, above, isOpen,
      isPartial: isOpen || (await this.#buildsOnMissing(roomNid, nodes, unread)),
    };
    await this.store.found(userId, roomId, set, after);
    return after;
  }

  /**
   * Adds what of the graph lies between the timeline's events, and finds what is not here.
   *
   * @returns ids that are not here; `by` is the event that builds on it, null for a member of the set
   */
  async #detour(
    roomNid: number, nodes: Map<string, ReadNode>, members: readonly string[], lowest: number,
  ): Promise<{ id: string; by: ReadNode | null }[]> {
    const settled = new Set<string>();
    const missing = new Set<string>();
    for (let round = 0; round < MAX_DETOURS; round++) {
      const edge = walk(nodes, members).edge.filter((id) => !settled.has(id));
      if (edge.length === 0) break;
      const rows = new Map((await this.graph.byIds(roomNid, edge)).map((row) => [row.eventId, row]));
      for (const id of edge) {
        settled.add(id);
        const row = rows.get(id);
        if (!row) missing.add(id);
        // Below the window everything is read that is led to, and nothing is counted.
        else if (row.pos === null || row.pos >= lowest) nodes.set(id, row);
      }
    }
    const { visited } = walk(nodes, members);
    const by = new Map([...visited].flatMap((id) => nodes.get(id)!.prev.map((prev) => [prev, nodes.get(id)!] as const)));
    return [...missing].map((id) => ({ id, by: members.includes(id) ? null : (by.get(id) ?? null) }));
  }

  /** Whether unread events build on some that are not here, which may be unread as well. */
  async #buildsOnMissing(roomNid: number, nodes: ReadonlyMap<string, ReadNode>, unread: readonly ReadNode[]): Promise<boolean> {
    const outside = [...new Set(unread.flatMap((node) => node.prev))].filter((id) => !nodes.has(id));
    if (outside.length === 0) return false;
    return (await this.graph.byIds(roomNid, outside)).length < outside.length;
  }
}

function max(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.max(a, b);
}
