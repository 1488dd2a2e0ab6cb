import { mayRedact, type RoomEvent } from '#federation';
import type { EventsStore } from '../timeline/events.store.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';

/** The event id that a redaction names; in `content` since room version 11. */
export function redactsOf(event: RoomEvent): string | undefined {
  const target = event.pdu.redacts ?? event.pdu.content['redacts'];
  return event.pdu.type === 'm.room.redaction' && typeof target === 'string' ? target : undefined;
}

/**
 * Applies an accepted redaction to what it names, or keeps it until that arrives; and applies to an accepted event the redaction that
 * was waiting for it (Server-Server, "Redactions": both must be allowed and of one room).
 */
export async function applyRedactions(draft: RoomDraft, added: NewEvent, events: EventsStore): Promise<void> {
  const target = redactsOf(added.event);
  if (target !== undefined) {
    const redacted = draft.find(target)?.event ?? (await events.byId(target))?.event;
    if (!redacted) draft.pendingRedactions.push({ targetId: target, eventId: added.event.eventId });
    else if (isAllowed(draft, added.event, redacted)) draft.redact(redacted, added.event);
    return;
  }
  for (const redaction of await events.pendingRedactions(draft.room.nid, added.event.eventId)) {
    if (isAllowed(draft, redaction, added.event)) draft.redact(added.event, redaction);
  }
}

/**
 * Whether a redaction is of no effect because of what it names: then clients are not to see it either (Client-Server,
 * "Redactions"). One whose target is not here yet is not.
 */
export async function isVoidRedaction(draft: RoomDraft, event: RoomEvent, events: EventsStore): Promise<boolean> {
  const target = redactsOf(event);
  if (target === undefined) return false;
  const redacted = draft.find(target)?.event ?? (await events.byId(target))?.event;
  return redacted !== undefined && !isAllowed(draft, event, redacted);
}

function isAllowed(draft: RoomDraft, redaction: RoomEvent, target: RoomEvent): boolean {
  return target.roomId === draft.room.id && mayRedact(redaction, target, draft, draft.room.rules);
}
