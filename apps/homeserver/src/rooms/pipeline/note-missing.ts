import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';

/** The event is here; those of its prev_events that are not are noted as missing below it. */
export function noteMissing(draft: RoomDraft, added: NewEvent, related: ReadonlyMap<string, StoredEvent>): void {
  draft.found.push(added.event.eventId);
  for (const id of added.event.pdu.prev_events) {
    const isInGraph = [related.get(id), draft.find(id)].some((prev) => prev && prev.status !== EventStatus.outlier);
    if (!isInGraph) draft.missing.push({ eventId: id, child: added });
  }
}
