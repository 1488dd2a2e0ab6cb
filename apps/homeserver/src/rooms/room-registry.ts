import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { KNOWN_RECORD_TYPE, roomVersion, type RoomVersionRules } from '#federation';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { KeyedQueue } from '../observability/keyed-queue.js';
import { SharedRuns } from '../observability/shared-runs.js';
import { StreamPositions } from '../storage/stream-positions.js';
import type { Graft } from './policy/judged-jobs.js';
import { PolicyServers } from './policy/policy-servers.js';
import { CommitService } from './pipeline/commit.service.js';
import type { RoomDraft } from './pipeline/room-draft.js';
import { endOf, type Extremity, type RoomContents } from './room-view.js';
import { Room } from './room.js';
import { RoomsStore, type RoomRow } from './rooms.store.js';
import { RoomState } from './state/room-state.js';
import { Snapshot } from './state/snapshot.js';
import { LARGE_STATE_EVENT } from './state/state-entry.js';
import { splitStateKey } from './state/state-key.js';
import { SnapshotsStore } from './state/snapshots.store.js';
import { EventsStore } from './timeline/events.store.js';
import { EventStatus, type StoredEvent } from './timeline/stored-event.js';

/**
 * Bytes of state held in memory over all rooms; the least recently used rooms are dropped beyond, and read again when they are needed. A single room
 * counts for half of it at most, so that the largest ones are kept, too, while they are in use.
 */
const MAX_STATE_BYTES = 96 * 1024 * 1024;
const ROOM_BYTES = 10_000;
/** Large events of a state that are read at once. */
const LARGE_AT_ONCE = 50;

/**
 * The rooms that are in memory. A room is loaded by a few queries when it is first needed, and dropped when it is the least
 * recently used; what is in memory is a cache of the database at all times.
 */
@Injectable()
export class RoomRegistry {
  /** Keeps the recently used rooms alive. */
  readonly #recent = new LRUCache<string, Room>({
    maxSize: MAX_STATE_BYTES, sizeCalculation: (room) => Math.min(ROOM_BYTES + room.state.bytes, MAX_STATE_BYTES / 2),
  });
  /** Every room object that anybody still holds: two writers of one room must not be. */
  readonly #alive = new Map<string, WeakRef<Room>>();
  readonly #collected = new FinalizationRegistry<string>((id) => {
    if (!this.#alive.get(id)?.deref()) this.#alive.delete(id);
  });
  readonly #entering = new KeyedQueue();
  readonly #loading = new SharedRuns<Room | undefined>();
  #graft: Graft | undefined;

  constructor(
    private readonly config: Config,
    private readonly accounts: AccountDirectory,
    private readonly store: RoomsStore,
    private readonly events: EventsStore,
    private readonly snapshots: SnapshotsStore,
    private readonly commits: CommitService,
    private readonly policies: PolicyServers,
    private readonly positions: StreamPositions,
  ) {
    accounts.onAdded((userId) => {
      for (const room of this.#aliveRooms()) room.state.accountAdded(userId);
    });
    accounts.onRemoved((userId) => {
      for (const room of this.#aliveRooms()) room.state.accountRemoved(userId);
    });
  }

  /**
   * The room, or undefined when this server does not hold it (an invitation alone is not holding it).
   *
   * @throws NotStored while nobody can say what is stored of it
   */
  async find(roomId: string): Promise<Room | undefined> {
    const room = this.#recent.get(roomId) ?? this.#alive.get(roomId)?.deref();
    if (room?.isInDoubt) await room.settle();
    if (room && !room.isGone) {
      this.#recent.set(roomId, room);
      return room;
    }
    if (room) this.#forget(room);
    return this.#loading.run(roomId, () => this.#load(roomId));
  }

  /** Tells how rooms take events that were made here on a state that may be old by now. */
  graftBy(graft: Graft): void {
    this.#graft = graft;
  }

  /** The room; 404 `M_NOT_FOUND` when it is not here. */
  async get(roomId: string): Promise<Room> {
    const room = await this.find(roomId);
    if (!room) throw MatrixError.notFound('Unknown room');
    return room;
  }

  /** A room without state here, of which at most the row (`nid`) exists. `enter` makes it known. */
  create(roomId: string, rules: RoomVersionRules, nid?: number): Room {
    return this.#build(nid ?? this.positions.nextId('room_nid'), roomId, rules, { state: this.#newState(rules), snapshot: Snapshot.empty, extremities: [] });
  }

  /**
   * Runs the first job of a room. The room can be found from before the commit on, because whoever hears of the commit
   * looks for it; it is forgotten again when the job fails.
   */
  async enter<T>(room: Room, job: (draft: RoomDraft) => T | Promise<T>): Promise<T> {
    this.#keep(room);
    try {
      return await room.run(job);
    } catch (error) {
      // It may turn out to be stored.
      if (!room.isInDoubt) this.#forget(room);
      throw error;
    }
  }

  #forget(room: Room): void {
    if (this.#recent.get(room.id) === room) this.#recent.delete(room.id);
    if (this.#alive.get(room.id)?.deref() === room) this.#alive.delete(room.id);
  }

  /** Runs `work` alone among those that bring a room to this server, so that no two make it at once. */
  entering<T>(roomId: string, work: () => Promise<T>): Promise<T> {
    return this.#entering.run(roomId, work);
  }

  #keep(room: Room): void {
    this.#recent.set(room.id, room);
    this.#alive.set(room.id, new WeakRef(room));
    this.#collected.register(room, room.id);
  }

  *#aliveRooms(): Generator<Room> {
    for (const reference of this.#alive.values()) {
      const room = reference.deref();
      if (room) yield room;
    }
  }

  async #load(roomId: string): Promise<Room | undefined> {
    const row = await this.store.room(roomId);
    if (!row || row.state_nid === null) return undefined;
    const rules = roomVersion(row.version);
    if (!rules) return undefined;
    const room = this.#build(row.room_nid, roomId, rules, await this.#contents(row, rules));
    this.#keep(room);
    return room;
  }

  async #reload(roomId: string, rules: RoomVersionRules): Promise<RoomContents | undefined> {
    const row = await this.store.room(roomId);
    return row && row.state_nid !== null ? this.#contents(row, rules) : undefined;
  }

  async #contents(row: RoomRow, rules: RoomVersionRules): Promise<RoomContents> {
    const [{ events, large }, extremityEvents, snapshot] = await Promise.all([
      this.store.currentState(row.room_nid, LARGE_STATE_EVENT),
      this.events.byNids(row.extremities),
      this.snapshots.load(row.state_nid!),
    ]);
    const extremities = await this.#extremities(rules, extremityEvents, snapshot);
    const state = this.#newState(rules);
    const add = ({ nid, event }: StoredEvent): void => state.set(event.pdu.type, event.pdu.state_key ?? '', { nid, event });
    events.forEach(add);
    // Of the large ones only a part is kept.
    for (let at = 0; at < large.length; at += LARGE_AT_ONCE) (await this.events.byNids(large.slice(at, at + LARGE_AT_ONCE))).forEach(add);
    if (rules.portable) await this.#addKnown(state, snapshot);
    return { state, snapshot, extremities };
  }

  #newState(rules: RoomVersionRules): RoomState {
    return new RoomState(rules, this.config.serverName, (userId) => this.accounts.has(userId));
  }

  /** What the state knows of records is in no table of its own. */
  async #addKnown(state: RoomState, snapshot: Snapshot): Promise<void> {
    const known = [...snapshot.toMap()].map(([key, nid]) => [...splitStateKey(key), nid] as const).filter(([type]) => type === KNOWN_RECORD_TYPE);
    const events = new Map((await this.events.byNids(known.map(([, , nid]) => nid))).map((stored) => [stored.nid, stored.event]));
    for (const [type, userId, nid] of known) state.set(type, userId, { nid, event: events.get(nid)! });
  }

  async #extremities(rules: RoomVersionRules, events: readonly StoredEvent[], current: Snapshot): Promise<Extremity[]> {
    const extremities: Extremity[] = [];
    for (const stored of events) {
      const after = events.length === 1 ? current : await this.stateAfter(stored, rules);
      extremities.push(endOf(stored.nid, stored.event, after, rules));
    }
    return extremities;
  }

  /** A stored state; null is the empty one. */
  stateOf(stateNid: number | null): Promise<Snapshot> {
    return this.snapshots.load(stateNid);
  }

  /** The state after a stored event. It may be one that is not stored: see `RoomDraft.snapshotOf`. */
  async stateAfter(stored: StoredEvent, rules: RoomVersionRules): Promise<Snapshot> {
    const before = await this.snapshots.load(stored.stateNid);
    if (stored.stateKey === null || stored.status === EventStatus.rejected) return before;
    return before.with(before.changesBy(stored.event, stored.nid, rules));
  }

  #build(nid: number, id: string, rules: RoomVersionRules, contents: RoomContents): Room {
    return new Room({
      nid, id, rules, ...contents,
      isLocal: (userId) => this.accounts.has(userId),
      reload: () => this.#reload(id, rules),
      commits: this.commits,
      policies: this.policies,
      graft: (draft, item) => this.#graft!(draft, item),
      nextSnapshotNid: () => this.positions.nextId('state_nid'),
    });
  }
}
