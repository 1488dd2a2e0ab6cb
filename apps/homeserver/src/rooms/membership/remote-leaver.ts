import { Injectable } from '@nestjs/common';
import { roomVersion, serverNameOf, type JsonObject, type RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { Log } from '../../observability/log.js';
import { RoomsStore } from '../rooms.store.js';
import { EventsStore } from '../timeline/events.store.js';
import type { RoomMembership } from './local-memberships.store.js';
import { OutsideMemberships } from './outside-memberships.js';
import { RemoteJoiner } from './remote-joiner.js';

/** Rejects invitations and leaves rooms that this server does not hold (Server-Server, "Leaving Rooms"). */
@Injectable()
export class RemoteLeaver {
  constructor(
    private readonly federation: FederationClient,
    private readonly joiner: RemoteJoiner,
    private readonly outside: OutsideMemberships,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly log: Log,
  ) {}

  /** The room disappears from the user's list even if nobody can be told: an invitation must not be stuck to somebody. */
  async leave(userId: string, roomId: string, held: RoomMembership, reason: string | undefined): Promise<void> {
    const [invitation] = await this.events.byNids([held.eventNid]);
    const row = await this.rooms.room(roomId);
    if (!row || !invitation) throw MatrixError.notFound('Unknown room');
    const content: JsonObject = reason === undefined ? {} : { reason };
    const via = [invitation.event.pdu.home, serverNameOf(held.sender), serverNameOf(roomId)].filter((server) => !!server) as string[];
    let left: RoomEvent | null = null;
    for (const server of new Set(via)) {
      try {
        const template = await this.joiner.template(server, 'make_leave', roomId, userId);
        const event = await this.joiner.sign(template, { roomId, userId, content, membership: 'leave' });
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
    left ??= await this.joiner.sign(
      { rules, draft: { prev_events: [eventId], auth_events: [eventId], depth: pdu.depth + 1 } }, { roomId, userId, content, membership: 'leave' },
    );
    await this.outside.record({ roomId, rules, userId, membership: 'leave', event: left, sender: userId, strippedState: null });
  }
}
