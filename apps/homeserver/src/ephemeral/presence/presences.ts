import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Bus } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { PeopleInRooms } from './people-in-rooms.js';
import { PresenceLog } from './presence-log.js';
import { combined, looksSame, OFFLINE, type PresenceState } from './presence-state.js';

/** People whose presence is kept; beyond, those go whose presence changed the longest ago. */
const MAX_PEOPLE = 100_000;
/** How often waiting syncs are woken for it at most: many come and go at once. */
const WAKE_EVERY_MS = 1_000;
const EXPIRE_EVERY_MS = 30_000;

/** As the devices here say. The names of servers are the other sources. */
export const HERE = '';

interface Part {
  readonly state: PresenceState;
  /** Milliseconds of the steady clock: who is not heard of for so long is offline. */
  readonly until: number;
}

interface Entry {
  /** What each source says: this server of its accounts, other homes, and for users of other servers their servers. */
  readonly parts: Map<string, Part>;
  shown: PresenceState;
  pos: number;
}

/** What of somebody has changed: what the devices here say, and what is shown. */
export interface PresenceChange {
  readonly isOwn: boolean;
  readonly isShown: boolean;
}

type ChangeListener = (userId: string, change: PresenceChange) => void;

/** Everybody's presence, as far as somebody here may see it. Nothing of it is stored: after a restart nobody is there until he comes. */
@Injectable()
export class Presences implements OnModuleDestroy {
  /** The longest unchanged first. */
  readonly #entries = new Map<string, Entry>();
  readonly #log: PresenceLog;
  readonly #listeners = new Set<ChangeListener>();
  readonly #unsubscribe: () => void;
  readonly #expiring: NodeJS.Timeout;
  #changed = new Set<string>();
  #waking: NodeJS.Timeout | undefined;
  #woken = -Infinity;

  constructor(
    private readonly config: Config,
    private readonly people: PeopleInRooms,
    private readonly accounts: AccountDirectory,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly clock: Clock,
  ) {
    this.#log = new PresenceLog(positions.current('presence'));
    this.#unsubscribe = people.onJoined((userId, _room, roomId) => this.#joined(userId, roomId));
    this.#expiring = setInterval(() => this.expire(), EXPIRE_EVERY_MS).unref();
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
    clearInterval(this.#expiring);
    clearTimeout(this.#waking);
  }

  /** Whether the operator has presence switched on. */
  get isOn(): boolean {
    return this.config.presence;
  }

  /** Makes the rooms of people known; whoever asks about them waits for it. */
  ready(userIds: readonly string[]): Promise<void> {
    return userIds.every((userId) => this.people.has(userId)) ? Promise.resolve() : this.people.load(userIds);
  }

  of(userId: string): PresenceState {
    return this.#entries.get(userId)?.shown ?? OFFLINE;
  }

  /** What the devices here say of an account. */
  ownOf(userId: string): PresenceState {
    return this.#entries.get(userId)?.parts.get(HERE)?.state ?? OFFLINE;
  }

  isKnown(userId: string): boolean {
    return this.#entries.has(userId);
  }

  /**
   * What a source says of somebody whose rooms are known.
   *
   * @param state null where it says no more
   * @param until milliseconds of the steady clock
   */
  put(userId: string, source: string, state: PresenceState | null, until = Infinity): void {
    const entry = this.#entries.get(userId) ?? { parts: new Map<string, Part>(), shown: OFFLINE, pos: 0 };
    const before = entry.parts.get(source)?.state ?? OFFLINE;
    if (state) entry.parts.set(source, { state, until });
    else entry.parts.delete(source);
    this.#entries.set(userId, entry);
    this.#settle(userId, entry, source === HERE && !looksSame(before, state ?? OFFLINE));
  }

  /** Ends what was not said again in time. */
  expire(): void {
    const now = this.clock.steady();
    for (const [userId, entry] of this.#entries) {
      let isOver = false;
      for (const [source, { state, until }] of entry.parts) {
        if (until > now || state.presence === 'offline') continue;
        entry.parts.set(source, { state: { ...state, presence: 'offline', isActive: false }, until: Infinity });
        isOver = true;
      }
      if (isOver) this.#settle(userId, entry, false);
    }
  }

  /**
   * Whom a reader is to be told of, whose rooms are known: all he sees, or those whose presence has changed or come into his sight.
   *
   * @param from a position of the stream; null for all who are there
   * @param newRooms rooms that are new to the reader: all who are there
   */
  toTell(reader: string, from: number | null, newRooms: Iterable<string>): Map<string, PresenceState> {
    const found = new Map<string, PresenceState>();
    const add = (userId: string): void => void found.set(userId, this.of(userId));
    const log = from === null ? undefined : this.#log.since(from);
    const rooms = this.people.roomsOf(reader);
    for (const { userId, pos, roomId } of log ?? []) {
      if (found.has(userId) || (roomId === undefined && this.#entries.get(userId)?.pos !== pos)) continue;
      const room = roomId === undefined ? undefined : this.people.room(roomId);
      if (userId === reader || (roomId === undefined ? this.people.share(userId, reader) : room !== undefined && rooms.has(room))) add(userId);
    }
    const seen = log ? [...newRooms].flatMap((roomId) => this.people.room(roomId) ?? []) : rooms;
    for (const room of seen) {
      for (const people of [room.here, room.elsewhere]) {
        // Who begins anew takes everybody of whom he is told nothing as being away. Of a room that is new to him all are told of who are known.
        for (const userId of people) if (from !== null || this.of(userId).presence !== 'offline') add(userId);
      }
    }
    if (!log && this.#entries.has(reader)) add(reader);
    return found;
  }

  /**
   * Those of some people whose presence has changed, for who shares no room with them.
   *
   * @param from a position of the stream
   * @param max people, the latest changed
   */
  changedAmong(people: { has(userId: string): boolean }, from: number, max: number): Map<string, PresenceState> {
    const found = new Map<string, PresenceState>();
    for (const { userId, roomId } of this.isOn ? (this.#log.since(from) ?? []) : []) {
      if (found.size >= max) break;
      if (roomId === undefined && people.has(userId)) found.set(userId, this.of(userId));
    }
    return found;
  }

  /** Whether the reader is to be told of somebody for whom nobody was woken yet. */
  isPendingFor(reader: string): boolean {
    for (const userId of this.#changed) if (userId === reader || this.people.share(userId, reader)) return true;
    return false;
  }

  /** Lets a reader who asks now know of that at once. */
  catchUp(reader: string): void {
    if (this.#changed.size > 0 && this.isPendingFor(reader)) this.#publish([reader]);
  }

  /** Called when somebody's presence has changed. */
  onChanged(listener: ChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #settle(userId: string, entry: Entry, isOwn: boolean): void {
    const before = entry.shown;
    entry.shown = combined([...entry.parts.values()].map(({ state }) => state));
    const isShown = !looksSame(before, entry.shown);
    if (isShown) {
      entry.pos = this.#advance(userId);
      this.#entries.delete(userId);
      this.#entries.set(userId, entry);
      if (this.#entries.size > MAX_PEOPLE) this.#forgetOne();
    }
    if (isShown || isOwn) for (const listener of this.#listeners) listener(userId, { isOwn, isShown });
  }

  #advance(userId: string, roomId?: string): number {
    const pos = this.positions.next('presence');
    this.#log.add(pos, userId, roomId);
    this.positions.commit('presence', pos);
    this.#changed.add(userId);
    this.#waking ??= setTimeout(() => this.#wake(), Math.max(0, this.#woken + WAKE_EVERY_MS - this.clock.steady())).unref();
    return pos;
  }

  /** The members of a room see who comes into it, and he is told by his own sync. */
  #joined(userId: string, roomId: string): void {
    if (this.isOn && this.people.has(userId)) this.#advance(userId, roomId);
  }

  #wake(): void {
    this.#waking = undefined;
    this.#woken = this.clock.steady();
    const [changed, users, rooms] = [this.#changed, new Set<string>(), new Set<object>()];
    this.#changed = new Set();
    for (const userId of changed) {
      if (this.accounts.has(userId)) users.add(userId);
      for (const room of this.people.roomsOf(userId)) {
        if (rooms.has(room)) continue;
        rooms.add(room);
        for (const other of room.here) users.add(other);
      }
    }
    if (users.size > 0) this.#publish([...users]);
  }

  #publish(users: readonly string[]): void {
    this.bus.publish({ kind: 'stream', stream: 'presence', pos: this.positions.current('presence'), users });
  }

  #forgetOne(): void {
    for (const [userId, entry] of this.#entries) {
      const isHere = entry.parts.get(HERE)?.state.presence;
      if (isHere !== undefined && isHere !== 'offline') continue;
      this.#entries.delete(userId);
      this.people.forget(userId);
      return;
    }
  }
}
