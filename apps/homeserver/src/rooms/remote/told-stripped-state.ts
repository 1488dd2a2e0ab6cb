import { canonicalJson, CanonicalJsonError, isJsonObject, readPdu, strippedStateJson, type JsonObject, type RoomEvent, type RoomVersionRules } from '#federation';
import { MAX_NESTING } from '#json';

/** Most state events of an invitation or a knock that are kept. */
export const MAX_TOLD_STATE = 50;
/** As for events. */
const MAX_STATE_BYTES = 65_536;

/** An event of a list that another server gave; undefined for what is none. */
export function tryRead(value: unknown, rules: RoomVersionRules): RoomEvent | undefined {
  try {
    return readPdu(value, rules);
  } catch {
    return undefined;
  }
}

/** What who is invited, or knocks, is shown, of whole or stripped events: JSON text of an array. */
export function toldStrippedState(state: readonly unknown[], rules: RoomVersionRules, member: RoomEvent): string {
  const texts: string[] = [];
  for (const value of state.slice(0, MAX_TOLD_STATE)) {
    const event = tryRead(value, rules);
    if (event && event.roomId !== member.roomId) continue;
    const text = event ? strippedStateJson(event) : strippedText(value);
    if (text !== undefined) texts.push(text);
  }
  texts.push(strippedStateJson(member));
  return `[${texts.join(',')}]`;
}

/** A stripped event as it came, if it is sound and no larger than an event. */
function strippedText(value: unknown): string | undefined {
  const { type, state_key: stateKey, sender, content } = (value ?? {}) as JsonObject;
  if (typeof type !== 'string' || typeof stateKey !== 'string' || typeof sender !== 'string' || !isJsonObject(content)) return undefined;
  try {
    const text = canonicalJson({ type, state_key: stateKey, sender, content }, MAX_NESTING);
    return Buffer.byteLength(text) <= MAX_STATE_BYTES ? text : undefined;
  } catch (error) {
    if (error instanceof CanonicalJsonError) return undefined;
    throw error;
  }
}
