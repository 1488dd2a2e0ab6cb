import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Bus, type MembershipChange } from '../../bus/bus.js';
import { PeopleInRoomsStore } from './people-in-rooms.store.js';

/** People that one question is about. */
const MAX_AT_ONCE = 1_000;

/** A room with those of its joined members whose presence is looked at. */
export interface PeopledRoom {
  readonly id: string;
  /** Accounts of this server. */
  readonly here: Set<string>;
  readonly elsewhere: Set<string>;
  /** Other servers in the room; null until somebody asks, and after its members have changed. */
  servers: readonly string[] | null;
}

interface Person {
  readonly rooms: Set<PeopledRoom>;
  isHidden: boolean;
}

type JoinListener = (userId: string, room: PeopledRoom | undefined, roomId: string) => void;

/**
 * Which rooms people are in whose presence is looked at, so that it is known without a query who sees whom. Those who are new are read
 * together: a thousand that come at once cost two queries, and none when they come again.
 */
@Injectable()
export class PeopleInRooms implements OnModuleDestroy {
  readonly #people = new Map<string, Person>();
  readonly #rooms = new Map<string, PeopledRoom>();
  readonly #joinListeners = new Set<JoinListener>();
  #asked = new Set<string>();
  #next: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();
  /** Changes of those who are being read: what was read may be of before them. */
  #meanwhile: Map<string, [roomId: string, isJoin: boolean][]> | null = null;
  readonly #unsubscribe: readonly (() => void)[];

  constructor(
    private readonly store: PeopleInRoomsStore,
    private readonly accounts: AccountDirectory,
    bus: Bus,
  ) {
    // Accounts come to this server and leave it for other homes.
    const moved = [accounts.onAdded((userId) => this.forget(userId)), accounts.onRemoved((userId) => this.forget(userId))];
    this.#unsubscribe = [...moved, bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      if (message.events.some(({ event }) => event.pdu.type === 'm.room.member')) {
        const room = this.#rooms.get(message.roomId);
        if (room) room.servers = null;
      }
      for (const change of message.membershipChanges) this.#change(message.roomId, change);
    })];
  }

  onModuleDestroy(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  has(userId: string): boolean {
    return this.#people.has(userId);
  }

  get size(): number {
    return this.#people.size;
  }

  roomsOf(userId: string): ReadonlySet<PeopledRoom> {
    return this.#people.get(userId)?.rooms ?? NOWHERE;
  }

  room(roomId: string): PeopledRoom | undefined {
    return this.#rooms.get(roomId);
  }

  isHidden(userId: string): boolean {
    return this.#people.get(userId)?.isHidden ?? false;
  }

  /** Whether both are known and in a room together. */
  share(a: string, b: string): boolean {
    const [few, many] = [this.roomsOf(a), this.roomsOf(b)].sort((x, y) => x.size - y.size) as [ReadonlySet<PeopledRoom>, ReadonlySet<PeopledRoom>];
    for (const room of few) if (many.has(room)) return true;
    return false;
  }

  /** Makes people known; of other servers' users those who are in a room here. */
  load(userIds: Iterable<string>): Promise<void> {
    for (const userId of userIds) if (!this.#people.has(userId)) this.#asked.add(userId);
    if (this.#asked.size === 0) return this.#next ?? Promise.resolve();
    this.#next ??= this.#running.then(() => this.#load());
    return this.#next;
  }

  /** Reads anew whether accounts hide their presence. */
  async reloadHidden(userId: string): Promise<void> {
    const hidden = await this.store.hidden([userId]);
    const person = this.#people.get(userId);
    if (person) person.isHidden = hidden.has(userId);
  }

  forget(userId: string): void {
    for (const room of this.roomsOf(userId)) this.#leave(room, userId);
    this.#people.delete(userId);
  }

  /** Called when somebody has joined a room; the room is undefined while nobody in it is known. */
  onJoined(listener: JoinListener): () => void {
    this.#joinListeners.add(listener);
    return () => this.#joinListeners.delete(listener);
  }

  #load(): Promise<void> {
    const asked = [...this.#asked];
    this.#asked = new Set();
    this.#next = null;
    const run = this.#read(asked);
    this.#running = run.catch(() => undefined);
    return run;
  }

  async #read(asked: readonly string[]): Promise<void> {
    this.#meanwhile = new Map(asked.map((userId) => [userId, []]));
    try {
      for (let at = 0; at < asked.length; at += MAX_AT_ONCE) {
        const ids = asked.slice(at, at + MAX_AT_ONCE);
        const here = ids.filter((userId) => this.accounts.has(userId));
        const [rooms, hidden] = await Promise.all([this.store.rooms(ids), here.length === 0 ? new Set<string>() : this.store.hidden(here)]);
        for (const userId of ids) this.#enter(userId, rooms.get(userId) ?? [], hidden.has(userId));
      }
    } finally {
      this.#meanwhile = null;
    }
  }

  #enter(userId: string, roomIds: readonly string[], isHidden: boolean): void {
    const joined = new Set(roomIds);
    for (const [roomId, isJoin] of this.#meanwhile!.get(userId)!) {
      if (isJoin) joined.add(roomId);
      else joined.delete(roomId);
    }
    this.#meanwhile!.delete(userId);
    if (joined.size === 0 && !this.accounts.has(userId)) return;
    const person: Person = { rooms: new Set(), isHidden };
    this.#people.set(userId, person);
    for (const roomId of joined) this.#join(person, userId, roomId);
  }

  #change(roomId: string, { userId, membership, previous }: MembershipChange): void {
    if (membership === previous || (membership !== 'join' && previous !== 'join')) return;
    const isJoin = membership === 'join';
    this.#meanwhile?.get(userId)?.push([roomId, isJoin]);
    const person = this.#people.get(userId);
    if (person && isJoin) this.#join(person, userId, roomId);
    else if (person) for (const room of person.rooms) if (room.id === roomId) this.#leave(room, userId);
    if (isJoin) for (const listener of this.#joinListeners) listener(userId, this.#rooms.get(roomId), roomId);
  }

  #join(person: Person, userId: string, roomId: string): void {
    let room = this.#rooms.get(roomId);
    if (!room) this.#rooms.set(roomId, (room = { id: roomId, here: new Set(), elsewhere: new Set(), servers: null }));
    person.rooms.add(room);
    (this.accounts.has(userId) ? room.here : room.elsewhere).add(userId);
  }

  #leave(room: PeopledRoom, userId: string): void {
    this.#people.get(userId)?.rooms.delete(room);
    room.here.delete(userId);
    room.elsewhere.delete(userId);
    if (room.here.size + room.elsewhere.size === 0) this.#rooms.delete(room.id);
  }
}

const NOWHERE: ReadonlySet<PeopledRoom> = new Set();
