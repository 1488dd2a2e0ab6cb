import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { serverNameOf } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { EduHandlers } from '../../federation/edu-handlers.js';
import { EduOutbox } from '../../federation/outbox/edu-outbox.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { serversOfMember } from '../../rooms/state/room-state.js';
import { RoomAudience } from '../room-audience.js';
import { PeopleInRooms, type PeopledRoom } from './people-in-rooms.js';
import { presencePush, readPresenceEdu, type PresencePush } from './presence-edu.js';
import { type PresenceChange, Presences } from './presences.js';

const TYPE = 'm.presence';
/** People in one EDU. */
const MAX_PEOPLE = 100;
/** Rooms that are asked whether a server speaks for somebody. */
const MAX_ROOMS = 20;
/** How often other servers are told at most. */
const TELL_EVERY_MS = 1_000;
/** Who is there is told again after so long, and believed to be there for so long: other servers count with the same half hour. */
const AGAIN_MS = 20 * 60_000;
const BELIEVED_MS = 30 * 60_000;

/** What of an account is to be told. */
interface Telling extends PresenceChange {
  /** In these rooms only; null for all. */
  readonly rooms: ReadonlySet<PeopledRoom> | null;
}

/**
 * Presence between servers (Server-Server, "Presence"). Each home of an account tells the others what its own devices say, and they
 * count it in (protocol §4). The server of the account's domain tells everybody else what all homes say, the other homes what their own
 * devices do: of who is at a home only servers that know of homes take it.
 */
@Injectable()
export class PresenceEdus implements OnModuleInit, OnModuleDestroy {
  #waiting = new Map<string, Telling>();
  /** Local people who are to be shown to a server that has come into a room. */
  #welcomes = new Map<string, Set<string>>();
  #timer: NodeJS.Timeout | undefined;
  #again: NodeJS.Timeout | undefined;
  #told = -Infinity;
  #telling: Promise<void> = Promise.resolve();
  #isStopped = false;
  #unsubscribe: readonly (() => void)[] = [];

  constructor(
    private readonly config: Config,
    private readonly presences: Presences,
    private readonly people: PeopleInRooms,
    private readonly accounts: AccountDirectory,
    private readonly servers: AccountServers,
    private readonly registry: RoomRegistry,
    private readonly audience: RoomAudience,
    private readonly edus: EduHandlers,
    private readonly outbox: EduOutbox,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    if (!this.config.presence) return;
    this.edus.register(TYPE, (origin, content) => this.#receive(origin, content));
    this.#again = setInterval(() => this.tellAgain(), AGAIN_MS).unref();
    this.#unsubscribe = [
      this.presences.onChanged((userId, change) => this.#wait(userId, { ...change, rooms: null })),
      this.people.onJoined((userId, room, roomId) => this.#joined(userId, room, roomId)),
    ];
  }

  onModuleDestroy(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    clearInterval(this.#again);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** Tells of all who are there, so that others go on believing it. */
  tellAgain(): void {
    for (const userId of this.accounts.all()) {
      if (this.presences.isKnown(userId) && this.presences.ownOf(userId).presence !== 'offline') this.#wait(userId, { isOwn: true, isShown: true, rooms: null });
    }
  }

  #wait(userId: string, telling: Telling): void {
    if (!this.accounts.has(userId)) return;
    const before = this.#waiting.get(userId);
    this.#waiting.set(userId, {
      isOwn: telling.isOwn || before?.isOwn === true,
      isShown: telling.isShown || before?.isShown === true,
      rooms: telling.rooms && before?.rooms !== null ? new Set([...(before?.rooms ?? []), ...telling.rooms]) : null,
    });
    this.#schedule();
  }

  /** Who joins a room becomes visible to its servers, and its members to a server that is new in it. */
  #joined(userId: string, room: PeopledRoom | undefined, roomId: string): void {
    if (!room) return;
    if (this.accounts.has(userId)) {
      if (this.presences.of(userId).presence !== 'offline') this.#wait(userId, { isOwn: true, isShown: true, rooms: new Set([room]) });
      return;
    }
    this.#welcomes.set(roomId, (this.#welcomes.get(roomId) ?? new Set()).add(userId));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#told = this.clock.steady();
      this.#telling = this.#telling.then(() => this.#tell()).catch((error: unknown) => this.log.error('presence was not told', error));
    }, Math.max(0, this.#told + TELL_EVERY_MS - this.clock.steady())).unref();
  }

  async #tell(): Promise<void> {
    const [waiting, welcomes] = [this.#waiting, this.#welcomes];
    this.#waiting = new Map();
    this.#welcomes = new Map();
    const pushes = new Map<string, Map<string, PresencePush>>();
    const add = (server: string, push: PresencePush): void => {
      if (server === this.config.serverName) return;
      const list = pushes.get(server) ?? new Map<string, PresencePush>();
      pushes.set(server, list.set(push.userId, push));
    };
    for (const [userId, telling] of waiting) await this.#addTelling(userId, telling, add);
    for (const [roomId, newcomers] of welcomes) await this.#addWelcome(roomId, newcomers, add);
    const now = this.clock.steady();
    for (const [server, people] of pushes) {
      const items = [...people.values()].map((push) => presencePush(push, now));
      for (let at = 0; at < items.length; at += MAX_PEOPLE) this.outbox.send(server, { edu_type: TYPE, content: { push: items.slice(at, at + MAX_PEOPLE) } });
    }
  }

  async #addTelling(userId: string, { isOwn, isShown, rooms }: Telling, add: (server: string, push: PresencePush) => void): Promise<void> {
    const homes = new Set(await this.servers.of(userId));
    if (isOwn) for (const home of homes) add(home, { userId, state: this.presences.ownOf(userId) });
    if (!(this.#speaksForAll(userId) ? isShown : isOwn)) return;
    const state = this.#stateForOthers(userId);
    for (const room of rooms ?? this.people.roomsOf(userId)) {
      for (const server of await this.#serversIn(room)) if (!homes.has(server)) add(server, { userId, state });
    }
  }

  async #addWelcome(roomId: string, newcomers: ReadonlySet<string>, add: (server: string, push: PresencePush) => void): Promise<void> {
    const room = this.people.room(roomId);
    const held = await this.registry.find(roomId);
    if (!room || !held) return;
    const servers = await held.run(() => {
      const members = [...newcomers].flatMap((userId) => held.state.get('m.room.member', userId) ?? []);
      return new Set(members.flatMap((member) => serversOfMember(member, held.rules)).filter((server) => held.state.membersOn(server) <= newcomers.size));
    });
    for (const server of servers) {
      for (const userId of room.here) {
        const state = this.#stateForOthers(userId);
        if (state.presence !== 'offline') add(server, { userId, state });
      }
    }
  }

  #speaksForAll(userId: string): boolean {
    return serverNameOf(userId) === this.config.serverName;
  }

  #stateForOthers(userId: string): PresencePush['state'] {
    return this.#speaksForAll(userId) ? this.presences.of(userId) : this.presences.ownOf(userId);
  }

  /** The bus tells of a commit before the room knows of it, so this waits for its turn there. */
  async #serversIn(room: PeopledRoom): Promise<readonly string[]> {
    if (room.servers) return room.servers;
    const held = await this.registry.find(room.id);
    return (room.servers = held ? await held.run(() => held.state.otherServers) : []);
  }

  async #receive(origin: string, content: Record<string, unknown>): Promise<void> {
    const now = this.clock.steady();
    const pushes = readPresenceEdu(content, now);
    await this.people.load(pushes.map(({ userId }) => userId));
    for (const { userId, state } of pushes) {
      if (this.people.has(userId) && (await this.#maySpeakFor(origin, userId))) this.presences.put(userId, origin, state, now + BELIEVED_MS);
    }
  }

  /** A server speaks for the accounts that it is a home of, and for those of its name that have no homes; where that is not proven, rooms tell it. */
  async #maySpeakFor(origin: string, userId: string): Promise<boolean> {
    const record = await this.servers.knownRecord(userId);
    if (record) return record.homes.some((home) => home.server_name === origin) && !(await this.servers.hasDropped(userId, origin, undefined));
    if (serverNameOf(userId) === origin) return !this.accounts.has(userId);
    for (const { id } of [...this.people.roomsOf(userId)].slice(0, MAX_ROOMS)) {
      if ((await this.audience.roomOfServedMember(id, userId, origin)) !== undefined) return true;
    }
    return false;
  }
}
