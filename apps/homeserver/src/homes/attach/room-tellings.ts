import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { compareRecords, recordOf, type HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { MemberChanges } from '../../rooms/membership/member-changes.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Transaction } from '../../storage/database.js';
import { HomeRecords, type RecordBringer } from '../records/home-records.js';
import { DueRows } from '../../storage/due-rows.js';
import { RemovalBudget } from './removal-budget.js';
import { RoomTellingsStore, type RoomTelling } from './room-tellings.store.js';

/**
 * Records that take nothing away change a room once in so long (protocol §2, "Telling and asking"), of which one may come early,
 * since a home that is added is often set up at once; the last one wins.
 */
const ADDITION_PAUSE_MS = 60_000;
/**
 * Who did not take the record from the client itself leaves it so long to the one that did, which has shown the last of several by
 * then: else each home would use up a share of its own.
 */
const OTHERS_FIRST_MS = 2 * ADDITION_PAUSE_MS + 5_000;
/** Accounts whose rooms are told at the same time, and rooms of theirs: those with many rooms do not hold up the others. */
const CONCURRENCY = 64;
const ROOMS_AT_ONCE = 8;
/**
 * A removal is told at once. But who owns a key can take a home away and add it again without end: so many removals of an account
 * are told in a minute, then one every six seconds, the last one winning. What R has done is told at once in any case.
 */
const REMOVALS = 10;
const REMOVAL_PAUSE_MS = 6_000;

/**
 * Shows new records in the account's portable rooms, by member events that travel as all events do. Which accounts are still to
 * be shown is in the database, written in the record's transaction; which of their rooms lack it, the rooms themselves tell.
 */
@Injectable()
export class RoomTellings implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #removals = new RemovalBudget(REMOVALS, REMOVAL_PAUSE_MS);
  readonly #slots = new FairSlots(fairLimits(ROOMS_AT_ONCE), Infinity);
  readonly #telling = new Set<Promise<void>>();
  readonly #rows: DueRows;
  #unsubscribe: (() => void) | undefined;

  constructor(
    private readonly config: Config,
    private readonly store: RoomTellingsStore,
    private readonly records: HomeRecords,
    private readonly memberships: Memberships,
    private readonly registry: RoomRegistry,
    private readonly members: MemberChanges,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#rows = new DueRows(() => this.#work(), () => this.clock.steady(), (error) => this.#failed(error));
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#unsubscribe = this.records.onStoring(async ({ record }, previous, from) => (tx) => this.#write(tx, record, previous, from));
    await this.store.release();
    this.wake();
  }

  async onModuleDestroy(): Promise<void> {
    this.#unsubscribe?.();
    await this.#rows.stop();
    await Promise.allSettled(this.#telling);
  }

  async forget(userId: string): Promise<void> {
    await this.store.forget(userId);
  }

  async #write(tx: Transaction, record: HomeRecord, previous: HomeRecord | undefined, from: RecordBringer): Promise<void> {
    if (record === previous || !record.homes.some((home) => home.server_name === this.config.serverName)) return;
    const isUrgent = !previous || takesAway(record, previous);
    await this.store.put(tx, record.user_id, isUrgent ? 0 : this.clock.steady() + (from === 'client' ? 0 : OTHERS_FIRST_MS), isUrgent);
    tx.afterCommit(() => this.wake());
  }

  /** Looks for accounts whose rooms are to be told. */
  wake(): void {
    this.#rows.wake();
  }

  #failed(error: unknown): void {
    if (!this.#rows.stopped) this.log.error('rooms could not be told of records', error);
  }

  /** @returns when there is something to do again; null when nothing is left */
  async #work(): Promise<number | null> {
    const free = CONCURRENCY - this.#telling.size;
    const due = free > 0 ? await this.store.claim(this.clock.steady(), free) : [];
    for (const telling of due) {
      const told = this.#tell(telling)
        .catch((error: unknown) => this.#failed(error))
        .then(() => {
          this.#telling.delete(told);
          this.wake();
        });
      this.#telling.add(told);
    }
    // The one that ends looks again.
    if (this.#telling.size >= CONCURRENCY) return null;
    return this.store.next();
  }

  async #tell(telling: RoomTelling): Promise<void> {
    const now = this.clock.steady();
    const { userId, isUrgent } = telling;
    // A clock that went back must not keep rooms waiting for ever.
    const paidUntil = Math.min(telling.paidUntil, now + 2 * ADDITION_PAUSE_MS);
    if (!isUrgent && paidUntil - now > ADDITION_PAUSE_MS) return this.store.postpone(telling, paidUntil - ADDITION_PAUSE_MS);
    const rooms = await this.#behind(userId);
    // First, so that what comes meanwhile waits.
    if (rooms.length > 0 && !isUrgent) await this.store.begun(telling, Math.max(now, paidUntil) + ADDITION_PAUSE_MS);
    const removalMs = rooms.length > 0 && isUrgent ? this.#removals.take(userId, (await this.records.get(userId))?.epoch ?? 0, now) : 0;
    if (removalMs > 0) return this.store.postpone(telling, now + removalMs);
    let isWhole = true;
    for (const roomId of rooms) {
      if (this.#rows.stopped) return;
      try {
        await this.#slots.run({ account: userId }, () => this.members.refresh(roomId, userId));
      } catch (error) {
        if (this.#rows.stopped) return;
        isWhole = false;
        this.log.info('a room was not told of a record', { userId, roomId, reason: String(error) });
      }
    }
    await (isWhole ? this.store.done(telling) : this.store.failed(telling, this.clock.steady()));
  }

  /** The account's portable rooms that show a lower record than its highest. */
  async #behind(userId: string): Promise<string[]> {
    const record = await this.records.get(userId);
    if (!record || !(await this.records.isHome(userId, this.config.serverName))) return [];
    const rooms: string[] = [];
    for (const [roomId, { membership }] of await this.memberships.roomsOf(userId)) {
      if (membership !== 'join') continue;
      const room = await this.registry.find(roomId);
      if (!room?.rules.portable || !room.state.isResident) continue;
      const shown = recordOf(room.state.get('m.room.member', userId));
      if (!shown || compareRecords(record, shown) > 0) rooms.push(roomId);
    }
    return rooms;
  }
}

/** Whether somebody who could act by the old record cannot by the new one; that is never delayed. */
function takesAway(record: HomeRecord, previous: HomeRecord): boolean {
  const keys = new Set([...record.homes, ...(record.retired ?? [])].map((home) => home.key));
  const homes = new Set(record.homes.map((home) => home.key));
  return record.epoch !== previous.epoch
    || previous.homes.some((home) => !homes.has(home.key))
    || (previous.retired ?? []).some((home) => !keys.has(home.key));
}
