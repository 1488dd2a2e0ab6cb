import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus } from '../timeline/stored-event.js';
import type { RoomDraft } from './room-draft.js';

/** Events of portable rooms that came of one request of a client (protocol §3 rule 6, §6). Only one of them is shown. */
@Injectable()
export class Twins {
  constructor(private readonly events: EventsStore) {}

  /** The event's once-only key. */
  keyOf(draft: RoomDraft, { pdu }: RoomEvent): string | null {
    return draft.room.rules.portable && typeof pdu.txn === 'string' ? pdu.txn : null;
  }

  /** The other event with this one's key that is shown; null without one. */
  async of(draft: RoomDraft, event: RoomEvent): Promise<string | null> {
    const txn = this.keyOf(draft, event);
    if (txn === null) return null;
    const { sender } = event.pdu;
    const isOther = (other: RoomEvent): boolean => other.eventId !== event.eventId;
    const inDraft = draft.events.find((item) =>
      item.status === EventStatus.accepted && item.event.pdu.sender === sender && item.event.pdu.txn === txn && isOther(item.event));
    if (inDraft) return inDraft.event.eventId;
    const stored = await this.events.byTxn(draft.room.id, sender, [txn]);
    return stored.find((item) => isOther(item.event))?.event.eventId ?? null;
  }
}
