import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { sha256Base64, sha256Base64Url } from '../signing/sha256.js';
import type { Pdu } from './pdu.js';

/** The event's id by its room version. @param signed what its signatures cover */
export function eventIdOf(pdu: Pdu, signed: string, rules: RoomVersionRules): string {
  switch (rules.eventId) {
    case 'chosen': return pdu.event_id as string;
    case 'hash': return '$' + sha256Base64(signed);
    case 'url-safe-hash': return '$' + sha256Base64Url(signed);
  }
}
