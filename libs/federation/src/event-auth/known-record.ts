import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { compareRecords, isSameGenesis, type HomeRecord } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateReader } from './auth-context.js';

/**
 * Portable rooms (protocol §3, "What the state knows"): beside events a state has, by user, the member event with the highest record
 * where the one that is shown has a lower one of the same genesis: where resolution has let a ban or a kick stand that copied the
 * record from before. It has no event of its own; the entry of the state is the member event, under this type and the user's id.
 */
export const KNOWN_RECORD_TYPE = 'io.partyline.known_record';

export function knownRecordKey(userId: string): string {
  return stateKeyOf(KNOWN_RECORD_TYPE, userId);
}

/** The highest record that a state knows of a user, of the genesis that it shows. */
export function knownRecord(state: StateReader, userId: string): HomeRecord | undefined {
  const shown = recordOf(state.get('m.room.member', userId));
  const known = recordOf(state.get(KNOWN_RECORD_TYPE, userId));
  return shown && known && isSameGenesis(shown, known) && compareRecords(known, shown) > 0 ? known : shown;
}

/** What an event changes in a state: its own entry, and with a member event what was known beyond the one that it replaces. */
export function changesOf(
  { pdu }: Pick<RoomEvent, 'pdu'>, state: { has(key: string): boolean }, rules: RoomVersionRules,
): { sets: string | undefined; ends: string | undefined } {
  if (pdu.state_key === undefined) return { sets: undefined, ends: undefined };
  const known = rules.portable && pdu.type === 'm.room.member' ? knownRecordKey(pdu.state_key) : undefined;
  return { sets: stateKeyOf(pdu.type, pdu.state_key), ends: known !== undefined && state.has(known) ? known : undefined };
}

/**
 * The entries of a state that is given as a list of events, as servers give it to each other: of two member events about one user
 * the one with the higher record is what is known beyond the other.
 */
export function entriesOf<T>(items: Iterable<T>, eventOf: (item: T) => RoomEvent, rules: RoomVersionRules): Map<string, T> {
  const entries = new Map<string, T>();
  for (const item of items) {
    const { type, state_key: stateKey } = eventOf(item).pdu;
    if (stateKey === undefined) continue;
    const key = stateKeyOf(type, stateKey);
    const other = entries.get(key);
    if (!rules.portable || type !== 'm.room.member' || other === undefined) {
      entries.set(key, item);
      continue;
    }
    const [a, b] = [recordOf(eventOf(item)), recordOf(eventOf(other))];
    const isHigher = a !== undefined && (b === undefined || compareRecords(a, b) > 0);
    entries.set(key, isHigher ? other : item);
    if (a && b && isSameGenesis(a, b)) entries.set(knownRecordKey(stateKey), isHigher ? item : other);
  }
  return entries;
}
