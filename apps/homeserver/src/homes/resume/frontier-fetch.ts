import { Injectable } from '@nestjs/common';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { atMost } from '../../observability/at-most.js';
import { Log } from '../../observability/log.js';
import { RoomReceiver } from '../../rooms/remote/room-receiver.js';
import { RoomRegistry } from '../../rooms/room-registry.js';

/** A client waits ten seconds for its resume. */
const TIMEOUT_MS = 3_000;
const BUDGET_MS = 6_000;
const MAX_EVENTS = 32;
const MAX_SERVERS = 3;

/** Asks other replicas for events that a client has seen and this server has not, before the client goes on without them. */
@Injectable()
export class FrontierFetch {
  readonly #slots = new FairSlots(fairLimits(32));

  constructor(
    private readonly registry: RoomRegistry,
    private readonly receiver: RoomReceiver,
    private readonly federation: FederationClient,
    private readonly destinations: Destinations,
    private readonly log: Log,
  ) {}

  /** @param missing event ids by room; resolves when they are here, are not to be had quickly, or others are to be asked for first */
  async fetch(userId: string, missing: ReadonlyMap<string, readonly string[]>): Promise<void> {
    const wanted = [...missing].flatMap(([roomId, ids]) => ids.map((eventId) => ({ roomId, eventId }))).slice(0, MAX_EVENTS);
    await atMost(Promise.all(wanted.map(({ roomId, eventId }) => this.#fetch(userId, roomId, eventId))), BUDGET_MS, []);
  }

  async #fetch(userId: string, roomId: string, eventId: string): Promise<void> {
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) return;
    const alive = room.state.otherServers.filter((server) => this.destinations.failures(server) === 0).slice(0, MAX_SERVERS);
    for (const server of alive) {
      try {
        const answer = await this.#slots.run({ account: userId, destination: server }, () => this.federation.request({
          destination: server, method: 'GET', path: federationPath`/_matrix/federation/v1/event/${eventId}`, timeoutMs: TIMEOUT_MS,
        }));
        if (!Array.isArray(answer['pdus']) || answer['pdus'].length === 0) continue;
        const results = await this.receiver.receive(server, answer['pdus'].slice(0, 1));
        const result = results[eventId];
        if (result && result.error === undefined && result.rejected === undefined) return;
      } catch (error) {
        this.log.debug('an event of a frontier was not to be had', { server, eventId, reason: String(error) });
      }
    }
  }
}
