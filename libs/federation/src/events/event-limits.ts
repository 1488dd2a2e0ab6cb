/** Bytes of the whole event as canonical JSON with its signatures (client-server API, §Size limits). */
export const MAX_EVENT_BYTES = 65_536;
/**
 * The same of events that are made here: Synapse counts an empty `unsigned` with it (`,"unsigned":{}`), and would drop a larger one.
 */
export const MAX_OWN_EVENT_BYTES = MAX_EVENT_BYTES - 14;
/** Bytes of `type`, `state_key`, `sender`, `room_id` and of an event id; see `countsCodePoints` of a room version. */
export const MAX_FIELD_BYTES = 255;
/**
 * Levels of lists and objects in `content` or another member. The specification has no limit; the parsers of other servers end at 128
 * levels of the whole event, so that a deeper one is none to them.
 */
export const MAX_MEMBER_DEPTH = 126;
export const MAX_PREV_EVENTS = 20;
export const MAX_AUTH_EVENTS = 10;
/** Portable rooms: state events that a member event or `io.partyline.stands` cites above these (protocol §3). */
export const MAX_STANDING_EVENTS = 1_000;

/** A new event that is beyond a size limit; `M_TOO_LARGE` for clients. */
export class EventTooLargeError extends Error {
  override readonly name = 'EventTooLargeError';
}

/** Whether a text has more code points than `limit`, without counting where its length alone decides. */
export function exceedsCodePoints(text: string, limit: number): boolean {
  return text.length > limit && (text.length > 2 * limit || [...text].length > limit);
}

/** Whether a text takes more bytes of UTF-8 than `limit`, without counting where its length alone decides. */
export function exceedsBytes(text: string, limit: number): boolean {
  return text.length > limit || (text.length * 3 > limit && Buffer.byteLength(text) > limit);
}
