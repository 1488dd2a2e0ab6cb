import type { RoomVersionRules } from '../room-versions/room-version-rules.js';
import { sha256Base64, sha256Base64Url } from '../signing/sha256.js';
import type { SigningKey } from '../signing/signing-key.js';
import { EventTooLargeError, exceedsBytes, MAX_OWN_EVENT_BYTES, MAX_FIELD_BYTES } from './event-limits.js';
import { fullText, hashedText, pduMembers, signedText, withMember } from './pdu-members.js';
import { eventIdOf } from './event-id-of.js';
import type { EventDraft, Pdu, RoomEvent } from './pdu.js';
import { pairedReferences, withPlainReferences } from './references.js';

/**
 * Hashes and signs a new event, and computes its id (server-server API, §Adding hashes and signatures).
 *
 * A create event in a version whose room id is that event's hash comes out without `room_id`, whatever the draft says;
 * the room id is in the result. Every other event needs one.
 *
 * @param signer `name` is the server name, or in portable rooms the home; the signature is `signatures[name][keyId]`.
 * @throws EventTooLargeError beyond 65,522 bytes, or 255 for type, state key, sender or room id.
 * @throws CanonicalJsonError when the content has none.
 */
export function buildEvent(
  draft: EventDraft, rules: RoomVersionRules, signer: { readonly name: string; readonly key: SigningKey },
): RoomEvent {
  const namesRoom = rules.roomIdIsCreateHash && draft.type === 'm.room.create' && draft.state_key === '';
  if (!namesRoom && draft.room_id === undefined) throw new TypeError(`${draft.type} needs a room_id`);
  const isChosen = rules.eventId === 'chosen';
  const unhashed: Omit<Pdu, 'hashes' | 'signatures'> = {
    auth_events: isChosen ? pairedReferences(draft.auth_events) : draft.auth_events, content: draft.content, depth: draft.depth,
    ...(draft.home !== undefined && { home: draft.home }),
    origin_server_ts: draft.origin_server_ts,
    prev_events: isChosen ? pairedReferences(draft.prev_events) : draft.prev_events,
    ...(draft.redacts !== undefined && { redacts: draft.redacts }),
    ...(!namesRoom && { room_id: draft.room_id }),
    sender: draft.sender,
    ...(draft.state_key !== undefined && { state_key: draft.state_key }),
    ...(draft.txn !== undefined && { txn: draft.txn }),
    type: draft.type,
  };
  for (const key of ['type', 'state_key', 'sender', 'room_id'] as const) {
    const value = unhashed[key];
    if (typeof value === 'string' && exceedsBytes(value, MAX_FIELD_BYTES)) {
      throw new EventTooLargeError(`${key} is longer than ${MAX_FIELD_BYTES} bytes`);
    }
  }

  let members = pduMembers(unhashed as Pdu);
  if (isChosen) {
    // Any id of ours will do; this one needs no random number.
    unhashed['event_id'] = `$${sha256Base64Url(hashedText(members, rules))}:${signer.name}`;
    members = pduMembers(unhashed as Pdu);
  }
  const hashes = { sha256: sha256Base64(hashedText(members, rules)) };
  members = withMember(members, 'hashes', hashes);
  const signed = signedText(members, unhashed as Pdu, rules);
  const signatures = { [signer.name]: { [signer.key.keyId]: signer.key.sign(signed) } };
  const json = fullText(withMember(members, 'signatures', signatures));
  if (exceedsBytes(json, MAX_OWN_EVENT_BYTES)) throw new EventTooLargeError(`the event exceeds ${MAX_OWN_EVENT_BYTES} bytes`);

  const eventId = eventIdOf(unhashed as Pdu, signed, rules);
  return {
    eventId,
    roomId: namesRoom ? '!' + eventId.slice(1) : draft.room_id!,
    pdu: withPlainReferences({ ...unhashed, hashes, signatures } as Pdu),
    json,
  };
}
