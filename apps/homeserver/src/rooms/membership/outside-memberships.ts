import { Injectable } from '@nestjs/common';
import type { JsonObject, RoomEvent, RoomVersionRules } from '#federation';
import { parseStoredJson } from '#json';
import { StreamPositions } from '../../storage/stream-positions.js';
import { InvitationsStore } from '../pipeline/invitations.store.js';
import { RoomRegistry } from '../room-registry.js';
import { RoomsStore } from '../rooms.store.js';
import { EventsStore } from '../timeline/events.store.js';
import type { Membership } from './local-memberships.store.js';

export interface OutsideMembership {
  readonly roomId: string;
  readonly rules: RoomVersionRules;
  readonly userId: string;
  readonly membership: Membership;
  readonly event: RoomEvent;
  readonly sender: string;
  /** JSON array of stripped state, for invitations and knocks. */
  readonly strippedState: string | null;
  /** Servers through which the room can be reached; of knocks. */
  readonly via?: readonly string[] | undefined;
  /** Whether another home of the account told of it, and so knows. */
  readonly isReplica?: boolean;
}

/**
 * Memberships of local accounts in rooms that this server does not take part in: invitations from elsewhere, knocks, and what
 * becomes of them. The member event is kept as an outlier.
 */
@Injectable()
export class OutsideMemberships {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly invitations: InvitationsStore,
    private readonly positions: StreamPositions,
  ) {}

  record(item: OutsideMembership): Promise<void> {
    return this.registry.entering(item.roomId, () => this.#record(item));
  }

  /** A knock may be answered before the server that took it has said so. */
  async #isInvited({ userId, roomId, event }: OutsideMembership): Promise<boolean> {
    const pending = await this.invitations.inRoom(userId, roomId);
    return pending?.membership === 'invite' && Number((parseStoredJson(pending.json) as JsonObject)['depth']) > event.pdu.depth;
  }

  async #record(item: OutsideMembership): Promise<void> {
    const held = await this.registry.find(item.roomId);
    // The room has come meanwhile, and knows better than what another home tells of an invitation.
    if (item.isReplica && held?.state.isResident) return;
    if (item.membership === 'knock' && (await this.#isInvited(item))) return;
    const known = await this.events.byId(item.roomId, item.event.eventId);
    const row = held ? undefined : await this.rooms.room(item.roomId);
    const room = held ?? this.registry.create(item.roomId, item.rules, row?.room_nid);
    await room.run((draft) => {
      const nid = known?.nid ?? this.positions.nextId('event_nid');
      if (!held && !row) draft.created = { version: item.rules.id };
      if (!known) draft.addOutlier(item.event, nid);
      draft.localMemberships.push({
        userId: item.userId, membership: item.membership, eventNid: nid, sender: item.sender, strippedState: item.strippedState,
        ...(item.via ? { via: item.via } : {}), ...(item.isReplica ? { isReplica: true } : {}),
      });
    });
  }
}
