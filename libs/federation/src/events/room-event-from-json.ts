import { parseStoredJson } from '#json';
import { withPlainReferences } from './references.js';
import type { Pdu, RoomEvent } from './pdu.js';

/** An event as our own database holds it: everything was checked when it was stored, so nothing is checked here. */
export function roomEventFromJson(json: string, eventId: string, roomId: string): RoomEvent {
  return { eventId, roomId, pdu: withPlainReferences(parseStoredJson(json) as Pdu), json };
}
