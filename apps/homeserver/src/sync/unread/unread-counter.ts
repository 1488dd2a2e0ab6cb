import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { Receipts } from '../../ephemeral/receipts.js';
import { Bus } from '../../bus/bus.js';
import { type CompiledPushRules, notificationFor } from '../../push/compile-push-rules.js';
import { PushLook } from '../../push/push-look.js';
import { PushRuleCache } from '../../push/push-rule-cache.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { partsOf } from '../rooms/row-parts.js';
import type { TimelineRow } from '../rooms/room-log.js';
import { RoomWindows } from '../rooms/room-windows.js';
import { EventThreads } from '../relations/event-threads.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { type ContextOfSender, NotificationContexts } from './notification-contexts.js';
import { ReadTallies } from './read-tallies.js';
import { MAIN_THREAD, type UnreadCounts, type UnreadTally } from './unread-tally.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Rooms of readers whose counts are kept. */
const MAX_TALLIES = 200_000;
/** Events of a room that are looked at for all rooms at once; rooms with more are looked at by themselves. */
const MAX_EVENTS = 200;
/** Events of a room, and of all rooms in one call, that are looked at so: a count that ends there is of the newest, and says so. */
const MAX_LONG = 10_000;
const MAX_LONG_IN_ALL = 20_000;
/** Steps of patterns (`PushLook`) after which others have a turn: some milliseconds. */
const STEPS_AT_ONCE = 1_000_000;

interface Entry {
  readonly tally: UnreadTally;
  /** Everything up to here is counted. */
  pos: number;
  /** Whether what is read may turn out to be more, when events come that are missing now. */
  readonly isOpen: boolean;
  /** Whether all that is unread is counted, the newest events only, or for now no more than one call could. */
  end: 'all' | 'newest' | 'hurried';
  /** How often history had been fetched. */
  readonly history: number;
  /** What the counts depend on besides events; others make them void. */
  readonly rules: CompiledPushRules['version'];
  readonly ignored: ReadonlySet<string>;
}

type Room = Pick<RoomMembership, 'roomId' | 'roomNid'>;

/**
 * Counts unread events when somebody asks (Client-Server, "Receiving notifications"), and goes on from there the next
 * time, so that a waiting client costs one look at each new event.
 */
@Injectable()
export class UnreadCounter implements OnModuleDestroy {
  readonly #entries = boundedCache<string, Entry>(MAX_TALLIES);
  /** By numeric room id: how often history was fetched, which may be unread where the account came with the room. */
  readonly #history = boundedCache<number, number>(MAX_TALLIES);
  readonly #unsubscribe: (() => void)[];
  /** Counts changes of receipts and joins: what was read before one must not be kept after it. */
  #changes = 0;

  constructor(
    private readonly tallies: ReadTallies,
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
    private readonly threads: EventThreads,
    private readonly rules: PushRuleCache,
    private readonly accountData: AccountData,
    private readonly contexts: NotificationContexts,
    receipts: Receipts,
    bus: Bus,
  ) {
    this.#unsubscribe = [
      receipts.onOwnChanged((userId, roomNid) => this.#forget(userId, roomNid)),
      bus.subscribe((message) => {
        if (message.kind !== 'room') return;
        if (message.hasHistory) this.#history.set(message.roomNid, (this.#history.get(message.roomNid) ?? 0) + 1);
        // Counts begin with the reader's last join.
        for (const { userId, isLocal, previous, membership } of message.membershipChanges) {
          if (isLocal && (previous !== 'join' || membership !== 'join')) this.#forget(userId, message.roomNid);
        }
      }),
    ];
  }

  onModuleDestroy(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /**
   * Unread counts as of a position, by room id.
   *
   * @param perThread whether threads are counted apart
   */
  async counts(userId: string, rooms: readonly Room[], to: number, perThread: boolean): Promise<Map<string, UnreadCounts>> {
    const changes = this.#changes;
    const [rules, ignored] = await Promise.all([this.rules.of(userId), this.accountData.ignored(userId)]);
    const held = new Map<number, Entry>();
    for (const { roomNid } of rooms) {
      const entry = this.#entries.get(`${roomNid} ${userId}`);
      if (entry && this.#isWhole(roomNid, entry) && entry.rules === rules.version && entry.ignored === ignored && entry.pos <= to) held.set(roomNid, entry);
    }
    await this.windows.refresh(rooms.map((room) => room.roomNid), to);
    let rows = await this.#rows(rooms.filter(({ roomNid }) => held.has(roomNid)), (nid) => held.get(nid)!.pos, to);
    // Where much has come it is not known by these rows alone what was redacted of what had been counted.
    for (const [roomNid, list] of rows) if (list.length >= MAX_EVENTS) held.delete(roomNid);
    for (const roomNid of await this.#undone(rows)) held.delete(roomNid);
    const cold = rooms.filter(({ roomNid }) => !held.has(roomNid));
    const fresh = await this.#fresh(userId, cold, rules, ignored, to);
    rows = new Map([...rows, ...(await this.#rows(cold, (nid) => fresh.get(nid)!.pos, to))]);
    const entries = new Map([...held, ...fresh]);
    await this.#addLong(rows, entries, to);
    await this.#count(rules, rooms, rows, entries, to);
    const counts = new Map<string, UnreadCounts>();
    for (const { roomId, roomNid } of rooms) {
      const entry = entries.get(roomNid)!;
      if (changes === this.#changes) this.#entries.set(`${roomNid} ${userId}`, entry);
      const shown = entry.tally.counts(perThread);
      counts.set(roomId, entry.end === 'all' ? shown : { ...shown, isPartial: true });
    }
    return counts;
  }

  /** Whether an event is unread, as far as the counts tell that were just asked for; true where they tell nothing. */
  isUnread(userId: string, roomNid: number, threadId: string, pos: number): boolean {
    return this.#entries.get(`${roomNid} ${userId}`)?.tally.isUnread(threadId, pos) ?? true;
  }

  #forget(userId: string, roomNid: number): void {
    this.#changes++;
    this.#entries.delete(`${roomNid} ${userId}`);
  }

  /** Whether nothing can have come below what an entry has counted. */
  #isWhole(roomNid: number, { isOpen, end, tally, history }: Entry): boolean {
    return !isOpen && end !== 'hurried' && (tally.start >= 0 || history === (this.#history.get(roomNid) ?? 0));
  }

  /** Entries without events, from the reader's receipts and its join. */
  async #fresh(
    userId: string, rooms: readonly Room[], rules: CompiledPushRules, ignored: ReadonlySet<string>, to: number,
  ): Promise<Map<number, Entry>> {
    const tallies = await this.tallies.of(userId, rooms.map((room) => room.roomNid), to);
    return new Map([...tallies].map(([nid, { tally, isOpen }]) =>
      [nid, { tally, pos: tally.start, isOpen, end: 'all', history: this.#history.get(nid) ?? 0, rules: rules.version, ignored }]));
  }

  #rows(rooms: readonly Room[], after: (roomNid: number) => number, to: number): Promise<Map<number, TimelineRow[]>> {
    if (rooms.length === 0) return Promise.resolve(new Map());
    return this.windows.rows(rooms.map(({ roomNid }) => ({ roomNid, after: after(roomNid), to })), MAX_EVENTS);
  }

  /** Puts all rows in the place of the newest ones where there are more, as far as one call can look at them. */
  async #addLong(rows: Map<number, TimelineRow[]>, entries: ReadonlyMap<number, Entry>, to: number): Promise<void> {
    let left = MAX_LONG_IN_ALL;
    for (const [roomNid, { length }] of [...rows]) {
      if (length < MAX_EVENTS) continue;
      const entry = entries.get(roomNid)!;
      const count = Math.min(MAX_LONG, left);
      if (count <= length) {
        entry.end = 'hurried';
        continue;
      }
      const long = (await this.windows.rows([{ roomNid, after: entry.pos, to }], count)).get(roomNid)!;
      rows.set(roomNid, long);
      left -= long.length;
      if (long.length === count) entry.end = count === MAX_LONG ? 'newest' : 'hurried';
    }
  }

  /** Rooms in which something was redacted, which may have been counted. */
  async #undone(rows: ReadonlyMap<number, readonly TimelineRow[]>): Promise<number[]> {
    const undone = new Set<number>();
    for (const part of partsOf(rows)) {
      const events = await this.events.load(nidsOf(part));
      for (const [roomNid, list] of part) if (list.some(({ nid }) => events.get(nid)?.type === 'm.room.redaction')) undone.add(roomNid);
    }
    return [...undone];
  }

  async #count(
    rules: CompiledPushRules, rooms: readonly Room[], rows: ReadonlyMap<number, readonly TimelineRow[]>, entries: ReadonlyMap<number, Entry>, to: number,
  ): Promise<void> {
    for (const part of partsOf(rows)) await this.#countPart(rules, rooms.filter(({ roomNid }) => part.has(roomNid)), part, entries, to);
    for (const { roomNid } of rooms) {
      const entry = entries.get(roomNid)!;
      entry.pos = Math.max(entry.pos, to);
    }
  }

  async #countPart(
    rules: CompiledPushRules, rooms: readonly Room[], rows: ReadonlyMap<number, readonly TimelineRow[]>, entries: ReadonlyMap<number, Entry>, to: number,
  ): Promise<void> {
    const { userId } = rules;
    const events = await this.events.load(nidsOf(rows));
    await this.threads.resolve(events.values());
    const busy = rooms.filter(({ roomNid }) => rows.get(roomNid)?.some(({ nid }) => events.get(nid)?.sender !== userId));
    const contexts = await this.contexts.of(userId, busy, to);
    let spent = 0;
    for (const { roomId, roomNid } of rooms) {
      const entry = entries.get(roomNid)!;
      const context = contexts.get(roomNid);
      for (const { nid, pos } of context ? (rows.get(roomNid) ?? []) : []) {
        // Another request may have counted it meanwhile.
        if (pos <= entry.pos) continue;
        entry.pos = pos;
        const event = events.get(nid);
        if (!event || event.redactedBy !== null || entry.ignored.has(event.sender)) continue;
        const thread = event.thread ?? MAIN_THREAD;
        if (!entry.tally.isUnread(thread, pos)) continue;
        const look = new PushLook({
          type: event.type, sender: event.sender, room_id: roomId, content: event.content,
          ...(event.stateKey === null ? {} : { state_key: event.stateKey }),
        }, (context as ContextOfSender)(event.sender));
        const notification = notificationFor(rules, look);
        if (notification) entry.tally.add(thread, notification.highlight);
        spent += look.spent;
        if (spent < STEPS_AT_ONCE) continue;
        spent = 0;
        await new Promise(setImmediate);
      }
    }
  }
}

function nidsOf(rows: ReadonlyMap<number, readonly TimelineRow[]>): number[] {
  return [...rows.values()].flatMap((list) => list.map((row) => row.nid));
}
