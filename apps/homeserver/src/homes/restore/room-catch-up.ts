import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Log } from '../../observability/log.js';
import { RoomReceiver } from '../../rooms/remote/room-receiver.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { RestoredRoomsStore } from './restored-rooms.store.js';

const CONCURRENCY = 4;
const PAGE = 100;
/** Of a room's other servers, the living ones first. */
const MAX_SERVERS = 5;
const MAX_ENDS = 20;
const TIMEOUT_MS = 10_000;

/**
 * After a restore this server knows an old end of each room, also of what it has written itself. It asks the others for theirs and
 * fetches what leads there, rather than wait for the next event.
 */
@Injectable()
export class RoomCatchUp implements OnModuleDestroy {
  #stopped = false;

  constructor(
    private readonly store: RestoredRoomsStore,
    private readonly identities: HomeIdentities,
    private readonly registry: RoomRegistry,
    private readonly receiver: RoomReceiver,
    private readonly events: EventsStore,
    private readonly federation: FederationClient,
    private readonly destinations: Destinations,
    private readonly log: Log,
  ) {}

  onModuleDestroy(): void {
    this.#stopped = true;
  }

  /** @returns the rooms of which no other server answered */
  async all(): Promise<string[]> {
    const silent: string[] = [];
    for (let rooms = await this.store.rooms('', PAGE); rooms.length > 0; rooms = await this.store.rooms(rooms.at(-1)!, PAGE)) {
      silent.push(...(await this.some(rooms)));
    }
    return silent;
  }

  /** The same for these rooms. */
  async some(roomIds: readonly string[]): Promise<string[]> {
    const queue = [...roomIds];
    const silent: string[] = [];
    const worker = async (): Promise<void> => {
      for (let roomId = queue.shift(); roomId !== undefined && !this.#stopped; roomId = queue.shift()) {
        if (!(await this.#room(roomId))) silent.push(roomId);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return silent;
  }

  async #room(roomId: string): Promise<boolean> {
    const room = await this.registry.find(roomId);
    const [userId] = room?.state.isResident ? room.state.localJoined : [];
    if (!room || userId === undefined || room.state.otherServers.length === 0) return true;
    const isSilent = (server: string): number => (this.destinations.failures(server) > 0 ? 1 : 0);
    const servers = [...room.state.otherServers].sort((a, b) => isSilent(a) - isSilent(b)).slice(0, MAX_SERVERS);
    const answers = await Promise.all(servers.map((server) => this.#from(room, server, userId).catch((error: unknown) => {
      this.log.debug('a server did not tell the ends of a room', { server, roomId, reason: String(error) });
      return false;
    })));
    return answers.includes(true);
  }

  async #from(room: Room, server: string, userId: string): Promise<boolean> {
    const pdus = room.rules.portable ? await this.#portableEnds(room, server, userId) : await this.#ends(room, server, userId);
    if (pdus.length > 0) await this.receiver.receive(server, pdus);
    return true;
  }

  async #portableEnds(room: Room, server: string, userId: string): Promise<unknown[]> {
    const answer = await this.federation.request({
      destination: server,
      method: 'POST',
      path: federationPath`/_matrix/federation/unstable/io.partyline/attach/${room.id}`,
      body: { user_id: userId, record: await this.identities.record(userId), ends_only: true },
      timeoutMs: TIMEOUT_MS,
    });
    return Array.isArray(answer['pdus']) ? answer['pdus'].slice(0, MAX_ENDS) : [];
  }

  /** The template of a leave names the ends of the room at that server; nobody leaves. There is no other way to ask for them. */
  async #ends(room: Room, server: string, userId: string): Promise<unknown[]> {
    const path = federationPath`/_matrix/federation/v1/make_leave/${room.id}/${userId}`;
    const answer = await this.federation.request({ destination: server, method: 'GET', path, timeoutMs: TIMEOUT_MS });
    const prev = (answer['event'] as { prev_events?: unknown } | undefined)?.prev_events;
    const ids = (Array.isArray(prev) ? prev : []).map((one: unknown) => (Array.isArray(one) ? (one[0] as unknown) : one));
    const named = ids.filter((id): id is string => typeof id === 'string').slice(0, MAX_ENDS);
    const known = new Set((await this.events.byIds(room.id, named)).map((stored) => stored.event.eventId));
    const events = await Promise.all(named.filter((id) => !known.has(id)).map(async (id) => {
      const found = await this.federation.request({
        destination: server, method: 'GET', path: federationPath`/_matrix/federation/v1/event/${id}`, timeoutMs: TIMEOUT_MS,
      });
      return Array.isArray(found['pdus']) ? found['pdus'].slice(0, 1) : [];
    }));
    return events.flat();
  }
}
