import { Injectable } from '@nestjs/common';
import type { RoomEvent, RoomVersionRules } from '#federation';
import { StreamPositions } from '../../storage/stream-positions.js';
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
  /** JSON array of stripped state, for invitations. */
  readonly strippedState: string | null;
  /** Whether another home of the account told of it, and so knows. */
  readonly isReplica?: boolean;
}

/**
 * Memberships of local accounts in rooms that this server does not take part in: invitations from elsewhere, and what
 * becomes of them. The member event is kept as an outlier.
 */
@Injectable()
export class OutsideMemberships {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly positions: StreamPositions,
  ) {}

  record(item: OutsideMembership): Promise<void> {
    return this.registry.entering(item.roomId, () => this.#record(item));
  }

  async #record(item: OutsideMembership): Promise<void> {
    const held = await this.registry.find(item.roomId);
    // The room has come meanwhile, and knows better than what another home tells of an invitation.
    if (item.isReplica && held?.state.isResident) return;
    const known = await this.events.byId(item.roomId, item.event.eventId);
    const row = held ? undefined : await this.rooms.room(item.roomId);
    const room = held ?? this.registry.create(item.roomId, item.rules, row?.room_nid);
    await room.run((draft) => {
      const nid = known?.nid ?? this.positions.nextId('event_nid');
      if (!held && !row) draft.created = { version: item.rules.id };
      if (!known) draft.addOutlier(item.event, nid);
      draft.localMemberships.push({
        userId: item.userId, membership: item.membership, eventNid: nid, sender: item.sender, strippedState: item.strippedState,
        ...(item.isReplica ? { isReplica: true } : {}),
      });
    });
  }
}
