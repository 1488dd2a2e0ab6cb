export { admittedInput, readAdmitted, withAdmitted, type Admitted } from './admitted.js';
export { addSignature, withGivenSignature } from './add-signature.js';
export { buildEvent } from './build-event.js';
export { clientEventJson, strippedStateJson, type StoredEvent } from './client-event-json.js';
export { contentHash, referenceHash, signatureInput } from './event-hashes.js';
export {
  EventTooLargeError, MAX_AUTH_EVENTS, MAX_EVENT_BYTES, MAX_FIELD_BYTES, MAX_OWN_EVENT_BYTES, MAX_PREV_EVENTS, MAX_STANDING_EVENTS,
} from './event-limits.js';
export { isJsonObject, jsonMember } from './json-member.js';
export type { EventDraft, JsonObject, JsonValue, Pdu, RoomEvent } from './pdu.js';
export { wirePdu } from './pdu-members.js';
export { PduFormatError, readPdu } from './read-pdu.js';
export { pairedReferences, referencedIds } from './references.js';
export { roomEventFromJson } from './room-event-from-json.js';
export { stateKeyOf } from './state-key-of.js';
