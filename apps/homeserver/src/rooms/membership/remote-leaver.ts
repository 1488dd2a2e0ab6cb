import { Injectable } from '@nestjs/common';
import { roomVersion, type JsonObject, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Log } from '../../observability/log.js';
import { RoomsStore } from '../rooms.store.js';
import { EventsStore } from '../timeline/events.store.js';
import type { RoomMembership } from './local-memberships.store.js';
import { OutsideMemberships } from './outside-memberships.js';
import { MemberHandshake } from './member-handshake.js';
import { RoomServers } from './room-servers.js';

/** Most servers that are asked before it is noted here only. */
const MAX_SERVERS = 4;

/** Rejects invitations, takes back knocks and leaves rooms that this server does not hold (Server-Server, "Leaving Rooms"). */
@Injectable()
export class RemoteLeaver {
  constructor(
    private readonly federation: FederationClient,
    private readonly handshake: MemberHandshake,
    private readonly servers: RoomServers,
    private readonly outside: OutsideMemberships,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly log: Log,
  ) {}

  /** The room disappears from the user's list even if nobody can be told: an invitation or a knock must not be stuck to somebody. */
  async leave(userId: string, roomId: string, held: RoomMembership, reason: string | undefined): Promise<void> {
    const [invitation] = await this.events.byNids([held.eventNid]);
    const row = await this.rooms.room(roomId);
    if (!row || !invitation) throw MatrixError.notFound('Unknown room');
    const content: JsonObject = reason === undefined ? {} : { reason };
    let left: RoomEvent | null = null;
    for (const server of (await this.servers.of(roomId, userId, [])).slice(0, MAX_SERVERS)) {
      try {
        const template = await this.handshake.template(server, 'leave', roomId, userId);
        const event = await this.handshake.sign(template, { roomId, userId, content, membership: 'leave' });
        await this.federation.request({
          destination: server,
          method: 'PUT',
          path: federationPath`/_matrix/federation/v2/send_leave/${roomId}/${event.eventId}`,
          body: event.json,
          ignoreBackoff: true,
        });
        left = event;
        break;
      } catch (error) {
        this.log.info('leaving through another server failed', { server, roomId, reason: String(error) });
      }
    }
    const rules = roomVersion(row.version)!;
    // Clients read in the event, which nobody else ever gets, that the user has left.
    const { eventId, pdu } = invitation.event;
    left ??= await this.handshake.sign(
      { rules, draft: { prev_events: [eventId], auth_events: [eventId], depth: pdu.depth + 1 } }, { roomId, userId, content, membership: 'leave' },
    );
    await this.outside.record({ roomId, rules, userId, membership: 'leave', event: left, sender: userId, strippedState: null });
  }
}
