/** Which text of an event is searched in; the values are stored. */
export const TextKey = { body: 1, name: 2, topic: 3 } as const;
export type TextKey = (typeof TextKey)[keyof typeof TextKey];

/** What the index has to know of an event. */
export interface IndexedText {
  readonly eventId: string;
  readonly key: TextKey;
  readonly text: string;
  /** An edit: id of the event whose text it replaces. */
  readonly replaces: string | null;
}

/** An event, of the bus or of the database. */
interface Readable {
  readonly type: string;
  readonly state_key?: string | null | undefined;
  readonly content: Readonly<Record<string, unknown>>;
  readonly redacts?: unknown;
}

/** Characters of a text that are looked at. */
const MAX_TEXT = 32_768;

/** The types of the events that the index follows. */
export const INDEXED_TYPES: readonly string[] = ['m.room.message', 'm.room.name', 'm.room.topic', 'm.room.redaction'];

/** The text of an event that can be found; undefined for one without. */
export function indexedTextOf(event: Readable, eventId: string): IndexedText | undefined {
  const { type, content } = event;
  const isState = event.state_key !== undefined && event.state_key !== null;
  if (isState) {
    if (event.state_key !== '') return undefined;
    const [key, value] = type === 'm.room.name' ? [TextKey.name, content['name']] : type === 'm.room.topic' ? [TextKey.topic, content['topic']] : [];
    return key !== undefined && typeof value === 'string' ? { eventId, key, text: cleaned(value), replaces: null } : undefined;
  }
  if (type !== 'm.room.message') return undefined;
  const replaces = replacedBy(content);
  const { body } = replaces === null ? content : (objectOf(content['m.new_content']) ?? {});
  if (typeof body !== 'string' && replaces === null) return undefined;
  return { eventId, key: TextKey.body, text: typeof body === 'string' ? cleaned(body) : '', replaces };
}

/** What an event may redact: it did where the database says so of that event. */
export function redactedBy(event: Readable): string | undefined {
  if (event.type !== 'm.room.redaction') return undefined;
  const target = event.redacts ?? event.content['redacts'];
  return typeof target === 'string' ? target : undefined;
}

function replacedBy(content: Readable['content']): string | null {
  const relation = objectOf(content['m.relates_to']);
  const target = relation?.['event_id'];
  return relation?.['rel_type'] === 'm.replace' && typeof target === 'string' && !target.includes('\0') ? target : null;
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}

/** PostgreSQL stores no NUL. */
function cleaned(text: string): string {
  return text.slice(0, MAX_TEXT).replaceAll('\0', ' ');
}
