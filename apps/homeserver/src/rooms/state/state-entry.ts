import { createHash } from 'node:crypto';
import { canonicalJson, type JsonObject, type JsonValue, type RoomEvent, type RoomVersionRules } from '#federation';

/** A state event with its numeric id. */
export interface StateEntry {
  readonly nid: number;
  /** The event, or where `whole` is set a part of it: without what neither the rules nor the server itself ask for. */
  readonly event: RoomEvent;
  readonly whole?: {
    /** Of the whole event's JSON. */
    readonly bytes: number;
    /** `contentHash` of it. */
    readonly content: string;
  };
}

/** Bytes of JSON beyond which of an event only a part is kept in memory; the whole one is in the database. */
export const LARGE_STATE_EVENT = 4_096;

/** State of which a room has one event each, and that the rules or the server itself look into. */
const LOOKED_INTO = new Set([
  'm.room.create', 'm.room.power_levels', 'm.room.join_rules', 'm.room.history_visibility', 'm.room.guest_access', 'm.room.server_acl',
  'm.room.encryption', 'm.room.name', 'm.room.topic', 'm.room.avatar', 'm.room.canonical_alias', 'm.room.tombstone', 'm.room.policy',
]);

/** Members of a PDU that are kept, and of the content of state of which a room has many. */
const PDU_MEMBERS = ['type', 'room_id', 'sender', 'state_key', 'origin_server_ts', 'depth', 'prev_events', 'auth_events', 'home'] as const;
const CONTENT_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  'm.room.member': ['membership', 'displayname', 'avatar_url', 'join_authorised_via_users_server'],
  'm.room.third_party_invite': ['public_key', 'public_keys'],
  'm.space.child': ['via', 'order', 'suggested'],
};
const MAX_TEXT = 1_000;
/** Items of a list that are kept: keys that prove an invitation, servers by which a room is found. */
const MAX_ITEMS = 20;

/** Bytes of the whole event's JSON. */
export function bytesOf({ event, whole }: StateEntry): number {
  return whole?.bytes ?? event.json.length;
}

/** Whether the content is at hand as far as anybody asks for it without asking for the whole event. */
export function isReadable({ event, whole }: StateEntry): boolean {
  return whole === undefined || Object.hasOwn(CONTENT_MEMBERS, event.pdu.type);
}

export function contentHash(content: JsonObject): string {
  return createHash('sha256').update(canonicalJson(content)).digest('base64');
}

/** What is kept in memory of a state event: all of it, or what may be asked for at any moment. */
export function keptEntry(entry: StateEntry, rules: RoomVersionRules): StateEntry {
  const { eventId, roomId, pdu, json } = entry.event;
  if (entry.whole || json.length <= LARGE_STATE_EVENT || (pdu.state_key === '' && LOOKED_INTO.has(pdu.type))) return entry;
  // Members of portable rooms carry records, which are signed as they are, and which only their homes make.
  if (rules.portable && pdu.type === 'm.room.member') return entry;
  const members = PDU_MEMBERS.flatMap((name) => (pdu[name] === undefined ? [] : [[name, pdu[name]] as const]));
  const kept = { ...Object.fromEntries(members), content: keptContent(pdu.type, pdu.content), hashes: { sha256: '' }, signatures: {} } as unknown as RoomEvent['pdu'];
  return {
    nid: entry.nid,
    event: { eventId, roomId, pdu: kept, json: JSON.stringify(kept) },
    whole: { bytes: json.length, content: contentHash(pdu.content) },
  };
}

function keptContent(type: string, content: JsonObject): JsonObject {
  const kept: JsonObject = {};
  for (const name of CONTENT_MEMBERS[type] ?? []) {
    const value = content[name];
    if (typeof value === 'boolean' || (typeof value === 'string' && value.length <= MAX_TEXT)) kept[name] = value;
    if (Array.isArray(value)) kept[name] = value.filter(isShort).slice(0, MAX_ITEMS);
  }
  return kept;
}

function isShort(value: JsonValue): boolean {
  return JSON.stringify(value).length <= MAX_TEXT;
}

/** Bytes of large state events of one room in one answer to a client. */
const MAX_LARGE_BYTES = 16 * 1024 * 1024;

/**
 * The state events of a room that have a place in an answer to a client: all but the largest ones, where the large ones are more than
 * this server's own people could have made of them. The others are asked for one by one.
 */
export function placed<T>(items: readonly T[], sizeOf: (item: T) => number): readonly T[] {
  const large = items.filter((item) => sizeOf(item) > LARGE_STATE_EVENT).sort((a, b) => sizeOf(a) - sizeOf(b));
  let bytes = 0;
  const first = large.findIndex((item) => (bytes += sizeOf(item)) > MAX_LARGE_BYTES);
  if (first === -1) return items;
  const left = new Set(large.slice(first));
  return items.filter((item) => !left.has(item));
}
