import { isEventId, type JsonObject } from '#federation';

/** Bytes of a relation's name, and of an annotation's key: the database has them in indexes. */
const MAX_TYPE_BYTES = 255;
const MAX_KEY_BYTES = 512;

/** What an event says of another one (Client-Server, "Forming relationships between events"). */
export interface Relation {
  /** Event id; the event need not be here, nor anywhere. */
  readonly parentId: string;
  readonly relType: string;
  /** Of an annotation; null for others, and where it is longer than any reaction. */
  readonly key: string | null;
  /** Whether the event may take the place of the other one, as far as it says itself ("Validity of replacement events"). */
  readonly replaces: boolean;
}

/** What is looked at of an event. */
export interface Relating {
  readonly type: string;
  readonly state_key?: string;
  readonly content: JsonObject;
}

/** Undefined for an event that relates to none. What is malformed counts for nothing, as the specification wants. */
export function relationOf({ type, state_key: stateKey, content }: Relating): Relation | undefined {
  const relation = content['m.relates_to'];
  if (!isObject(relation)) return undefined;
  const { event_id: parentId, rel_type: relType, key } = relation;
  if (!isEventId(parentId) || !isShort(relType, MAX_TYPE_BYTES) || relType === '') return undefined;
  return {
    parentId,
    relType,
    key: relType === 'm.annotation' && isShort(key, MAX_KEY_BYTES) ? key : null,
    // Nobody but those who can read it knows what an encrypted one says.
    replaces: relType === 'm.replace' && stateKey === undefined && (type === 'm.room.encrypted' || isObject(content['m.new_content'])),
  };
}

/** The database takes no NUL, and no half of a surrogate pair. */
function isShort(value: unknown, maxBytes: number): value is string {
  return typeof value === 'string' && value.length <= maxBytes && Buffer.byteLength(value) <= maxBytes && !value.includes('\0') && value.isWellFormed();
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
