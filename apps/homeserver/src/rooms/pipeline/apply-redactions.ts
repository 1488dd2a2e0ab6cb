import { mayRedact, type RoomEvent, type RoomVersionRules } from '#federation';
import type { EventsStore } from '../timeline/events.store.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';

/** The event id that a redaction names; in `content` since room version 11, and what the other place says is nothing. */
export function redactsOf(event: RoomEvent, rules: RoomVersionRules): string | undefined {
  const target = rules.updatedRedaction ? event.pdu.content['redacts'] : event.pdu.redacts;
  return event.pdu.type === 'm.room.redaction' && typeof target === 'string' ? target : undefined;
}

/** What a redaction names, where it is an event of the draft's room; events of other rooms are none of its business. */
export async function redactedEvent(draft: RoomDraft, targetId: string, events: EventsStore): Promise<RoomEvent | undefined> {
  return draft.find(targetId)?.event ?? (await events.byId(draft.room.id, targetId))?.event;
}

/**
 * Applies an accepted redaction to what it names, or keeps it until that arrives; and applies to an accepted event the redaction that
 * was waiting for it (Server-Server, "Redactions": both must be allowed and of one room). For received events and for those made here.
 */
export async function applyRedactions(draft: RoomDraft, added: NewEvent, events: EventsStore): Promise<void> {
  const { room } = draft;
  const target = redactsOf(added.event, room.rules);
  if (target !== undefined) {
    const redacted = await redactedEvent(draft, target, events);
    if (!redacted) draft.pendingRedactions.push({ targetId: target, eventId: added.event.eventId });
    else if (mayRedact(added.event, redacted, draft, room.rules)) draft.redact(redacted, added.event);
    return;
  }
  for (const redaction of await events.pendingRedactions(room.nid, added.event.eventId)) {
    if (mayRedact(redaction, added.event, draft, room.rules)) draft.redact(added.event, redaction);
  }
}

/**
 * Whether a redaction is of no effect because of what it names: then clients are not to see it either (Client-Server,
 * "Redactions"). One whose target is not here yet is not.
 */
export async function isVoidRedaction(draft: RoomDraft, event: RoomEvent, events: EventsStore): Promise<boolean> {
  const { room } = draft;
  const target = redactsOf(event, room.rules);
  if (target === undefined) return false;
  const redacted = await redactedEvent(draft, target, events);
  return redacted ? !mayRedact(event, redacted, draft, room.rules) : (await events.elsewhere(room.id, [target])).size > 0;
}
