import type { JsonObject, JsonValue } from '#federation';
import { parseStoredJson } from '#json';
import type { SyncEvent } from '../rooms/sync-event.js';

/** What differs from reader to reader. */
export interface EventContext {
  readonly now: number;
  readonly userId: string;
  readonly deviceId: string | null;
  readonly fields: readonly string[] | null;
  readonly isFederationFormat: boolean;
  /** For answers that do not name the room elsewhere. */
  readonly withRoomId?: boolean;
  /** For clients that move between homes: what tells them that two events are one message (protocol §3 rule 6). */
  readonly withTxn?: boolean;
}

/** What is known of an event's surroundings. */
export interface EventSurroundings {
  /** The reader's membership at the event. */
  readonly membership?: string;
  /** The state event that it replaced. */
  readonly replaced?: SyncEvent;
  /** JSON text of what relates to it (`Aggregations`). */
  readonly relations?: string | undefined;
}

/** An event of an answer as JSON text, spliced from what is cached. */
export function writeEvent(
  event: SyncEvent, roomId: string, context: EventContext, { membership, replaced, relations }: EventSurroundings = {},
): string {
  let unsigned = `{"age":${context.now - event.originServerTs}`;
  if (event.clientTxn !== null && event.deviceId === context.deviceId && event.sender === context.userId) {
    unsigned += `,"transaction_id":${JSON.stringify(event.clientTxn)}`;
  }
  if (context.withTxn && event.txn !== null) unsigned += `,"io.partyline.txn":${JSON.stringify(event.txn)}`;
  if (membership !== undefined) unsigned += `,"membership":${JSON.stringify(membership)}`;
  if (replaced) {
    unsigned += `,"replaces_state":${JSON.stringify(replaced.eventId)},"prev_content":${replaced.contentText}`;
    unsigned += `,"prev_sender":${JSON.stringify(replaced.sender)}`;
  }
  // COMPAT(clients of Synapse, which names the redaction here too)
  if (event.redactedBy !== null) unsigned += `,"redacted_by":${JSON.stringify(event.redactedBy)}`;
  if (relations !== undefined) unsigned += `,"m.relations":${relations}`;
  if (event.redactedBecause !== null) unsigned += `,"redacted_because":${event.redactedBecause}`;
  unsigned += '}';
  if (context.isFederationFormat) return federationFormat(event, roomId, unsigned, context.fields);
  const room = context.withRoomId ? `,"room_id":${JSON.stringify(roomId)}` : '';
  const text = `${event.open}${room},"unsigned":${unsigned}}`;
  return context.fields ? pick(text, context.fields) : text;
}

/** The event as servers exchange it, with the ids that its room version leaves out. */
function federationFormat(event: SyncEvent, roomId: string, unsigned: string, fields: readonly string[] | null): string {
  const pdu = parseStoredJson(event.json) as JsonObject;
  const text = JSON.stringify({ ...pdu, event_id: event.eventId, room_id: roomId, unsigned: parseStoredJson(unsigned) as JsonObject });
  return fields ? pick(text, fields) : text;
}

/** Keeps the members that the paths name. The specification lets a server keep more, but a client must be able to tell what the event is. */
function pick(text: string, fields: readonly string[]): string {
  const event = parseStoredJson(text) as JsonObject;
  const kept: JsonObject = Object.create(null) as JsonObject;
  for (const always of ['event_id', 'type', 'state_key', 'sender', 'origin_server_ts', 'room_id']) {
    if (event[always] !== undefined) kept[always] = event[always];
  }
  for (const field of fields) copyPath(event, kept, pathOf(field));
  return JSON.stringify(kept);
}

/** Splits at dots; `\.` is a dot in a name and `\\` a backslash (appendices, "Dot-separated property paths"). */
function pathOf(field: string): string[] {
  const parts = [''];
  for (let i = 0; i < field.length; i++) {
    const char = field[i]!;
    if (char === '.') parts.push('');
    else if (char === '\\' && (field[i + 1] === '.' || field[i + 1] === '\\')) parts[parts.length - 1] += field[++i]!;
    else parts[parts.length - 1] += char;
  }
  return parts;
}

function copyPath(from: JsonObject, to: JsonObject, path: readonly string[]): void {
  const [name, ...rest] = path as [string, ...string[]];
  const value: JsonValue | undefined = Object.hasOwn(from, name) ? from[name] : undefined;
  if (value === undefined) return;
  if (rest.length === 0) to[name] = value;
  else if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const held = to[name];
    if (held === value) return;
    const target = (typeof held === 'object' && held !== null && !Array.isArray(held) ? held : Object.create(null)) as JsonObject;
    to[name] = target;
    copyPath(value, target, rest);
  }
}
