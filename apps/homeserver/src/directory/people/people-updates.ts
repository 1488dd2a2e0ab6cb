import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Profiles } from '../../accounts/profiles.js';
import { Bus, type RoomCommitted } from '../../bus/bus.js';
import { Log } from '../../observability/log.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { type MemberChange, PeopleStore, type SeenName } from './people.store.js';
import { seenNameIn, seenNameOf } from './seen-names.js';

/** People whose names wait to be stored, and rooms to be read; beyond that they are found when they are seen again. */
const MAX_WAITING = 50_000;
const MAX_ROOMS = 10_000;
const BATCH = 500;
const GATHER_MS = 250;

/** Notes how people are called, some time after they were seen; after a start what was missed before it. */
@Injectable()
export class PeopleUpdates implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #waiting = new Map<string, SeenName>();
  /** Rooms whose members are to be read, and after which position, by number. */
  readonly #rooms = new Map<number, number>();
  #running: Promise<void> | undefined;
  #isStopped = false;
  #unsubscribe: (() => void)[] = [];

  constructor(
    private readonly store: PeopleStore,
    private readonly accounts: AccountDirectory,
    private readonly profiles: Profiles,
    private readonly positions: StreamPositions,
    private readonly bus: Bus,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#unsubscribe = [
      this.bus.subscribe((message) => {
        if (message.kind !== 'room') return;
        for (const { event } of message.events) this.#saw(seenNameOf(event.pdu));
        if (hasOthers(message)) this.#entered(message);
      }),
      this.profiles.onChanged(async (userId) => this.#saw({ userId, displayName: null, avatarUrl: null })),
    ];
    this.#running = this.#catchUp();
  }

  async onModuleDestroy(): Promise<void> {
    this.#isStopped = true;
    for (const end of this.#unsubscribe) end();
    await this.#running;
  }

  #saw(name: SeenName | undefined): void {
    if (!name || (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(name.userId))) return;
    this.#waiting.set(name.userId, name);
    this.#running ??= this.#work();
  }

  #entered({ roomNid, events, pos }: RoomCommitted): void {
    if (this.#rooms.size >= MAX_ROOMS || this.#rooms.has(roomNid)) return;
    this.#rooms.set(roomNid, Math.min(pos, ...events.map((event) => event.pos)) - 1);
    this.#running ??= this.#work();
  }

  async #catchUp(): Promise<void> {
    try {
      const [pos, upTo] = [await this.store.progress(), this.positions.current('events')];
      if (pos < upTo) for (const roomNid of await this.store.changedRooms(pos)) await this.#catchUpRoom(roomNid, pos);
      if (pos < upTo && !this.#isStopped) await this.store.put([], upTo);
    } catch (error) {
      this.log.error('the directory of people could not be brought up to date', error);
    }
    await this.#work();
  }

  async #catchUpRoom(roomNid: number, pos: number): Promise<void> {
    let page: MemberChange[] = [];
    do {
      if (this.#isStopped) return;
      page = await this.store.changedMembers(roomNid, pos, page.at(-1));
      const names = new Map<string, SeenName>();
      for (const { json } of page) {
        const name = seenNameIn(json);
        if (name) names.set(name.userId, name);
      }
      if (names.size > 0) await this.store.put(await this.#named([...names.values()]), pos);
    } while (page.length > 0);
  }

  async #work(): Promise<void> {
    while (this.#waiting.size + this.#rooms.size > 0 && !this.#isStopped) {
      // Many come at once, and nobody waits for it.
      await pause(GATHER_MS);
      await this.#readRooms();
      const upTo = this.positions.current('events');
      const batch = [...this.#waiting.values()].slice(0, BATCH);
      for (const { userId } of batch) this.#waiting.delete(userId);
      try {
        await this.store.put(await this.#named(batch), upTo);
      } catch (error) {
        this.log.error('names of people could not be stored', error);
      }
    }
    // At once, so that nobody who is seen from now on is left lying.
    this.#running = undefined;
  }

  async #readRooms(): Promise<void> {
    for (const [roomNid, pos] of this.#rooms) {
      this.#rooms.delete(roomNid);
      await this.#catchUpRoom(roomNid, pos).catch((error: unknown) => this.log.error('the members of a room could not be noted', error, { roomNid }));
    }
  }

  /** People of this server are called as their profile says: what they call themselves in one room is for that room. */
  #named(names: readonly SeenName[]): Promise<SeenName[]> {
    return Promise.all(names.map(async (name) => {
      if (!this.accounts.has(name.userId)) return name;
      const { displayname, avatar_url } = await this.profiles.get(name.userId);
      return { userId: name.userId, displayName: displayname || null, avatarUrl: avatar_url || null };
    }));
  }
}

/** Whether members came by no event of the timeline: with the state in which this server entered a room, or by a resolution. */
function hasOthers({ membershipChanges, events }: RoomCommitted): boolean {
  const own = new Set(events.flatMap(({ event: { pdu } }) => (pdu.type === 'm.room.member' ? [pdu.state_key] : [])));
  return membershipChanges.some(({ userId, membership, previous }) => membership === 'join' && previous !== 'join' && !own.has(userId));
}
