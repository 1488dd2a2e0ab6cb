/** What `parseJson` can return. Numbers are safe integers wherever an event is concerned (room version 6 and later). */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [k: string]: JsonValue };
export type JsonObject = { [k: string]: JsonValue };

/**
 * An event as servers exchange it, in the format of room versions 3 and later: `prev_events` and `auth_events` are
 * lists of event ids, and the event's own id is not in it (it derives from the reference hash). Events of versions 1 and
 * 2 are read into this form, and have an `event_id`; `wirePdu` gives their own form back.
 */
export interface Pdu {
  type: string;
  /** Absent in the create event of versions whose room id is the hash of that event (12 and later). */
  room_id?: string;
  sender: string;
  /** Present, perhaps empty, in state events and only there. */
  state_key?: string;
  content: JsonObject;
  /** Milliseconds since the Unix epoch, as the sending server claims. */
  origin_server_ts: number;
  depth: number;
  prev_events: string[];
  auth_events: string[];
  hashes: { sha256: string };
  /** Server name (in portable rooms: home) → key id → unpadded Base64. */
  signatures: Record<string, Record<string, string>>;
  /** Event id that an `m.room.redaction` applies to; before room version 11, afterwards it is in `content`. */
  redacts?: string;
  unsigned?: JsonObject;
  /** Portable rooms: the server that acts for the sender. */
  home?: string;
  /** Portable rooms: the client's transaction, equal at every home of the sender. */
  txn?: string;
  /** Portable rooms: servers that saw proof of the name when they let it in; outside of hash and signatures (`Admitted`). */
  'io.partyline.admitted'?: JsonValue[];
  [k: string]: JsonValue | undefined;
}

/** A parsed PDU and what derives from it. Immutable: nobody writes to `pdu`. */
export interface RoomEvent {
  readonly eventId: string;
  readonly roomId: string;
  readonly pdu: Pdu;
  /** Canonical JSON of the PDU with its signatures, without `unsigned`: what is stored and sent to servers. */
  readonly json: string;
}

/** What a caller supplies for a new event; `buildEvent` adds hashes and signatures. */
export type EventDraft = Pick<
  Pdu, 'type' | 'sender' | 'content' | 'origin_server_ts' | 'depth' | 'prev_events' | 'auth_events'
> & { room_id?: string; state_key?: string; redacts?: string; home?: string; txn?: string };
