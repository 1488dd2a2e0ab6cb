import { KNOWN_RECORD_TYPE, knownRecordKey } from '../event-auth/known-record.js';
import { isOwnMemberEvent } from '../event-auth/room-facts.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { compareRecords, isSameGenesis } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { EventLookup } from './event-graph.js';
import type { StateMap } from './split-states.js';

/** By user id: the member event with a higher record than the one that the state shows. */
export type KnownInState = ReadonlyMap<string, string>;

const PREFIX = stateKeyOf(KNOWN_RECORD_TYPE, '');

/** The states as they are shown, and by state what it knows beyond. */
export function splitKnown(sets: readonly StateMap[]): { states: readonly StateMap[]; beyond: readonly KnownInState[] } {
  const beyond = sets.map((set) => {
    const known = new Map<string, string>();
    for (const [key, id] of set) if (key.startsWith(PREFIX)) known.set(key.slice(PREFIX.length), id);
    return known;
  });
  const states = sets.map((set, i) => (beyond[i]!.size === 0 ? set : new Map([...set].filter(([key]) => !key.startsWith(PREFIX)))));
  return { states, beyond };
}

/**
 * Portable rooms (protocol §3, "What the state knows"): the state with the member events that have a higher record than the one
 * shown, of the same genesis; of several the highest, then the user's own, which cites what stands, then the one with the lower event
 * id. So no state knows less of anybody's
 * record than those that it was resolved from, whatever becomes of the event that brought it.
 *
 * @param candidates ids of member events, and of others
 */
export function withKnown(state: Map<string, string>, candidates: Iterable<string>, lookup: EventLookup): Map<string, string> {
  const best = new Map<string, RoomEvent>();
  for (const id of candidates) {
    const event = lookup(id);
    const userId = event?.pdu.type === 'm.room.member' ? event.pdu.state_key : undefined;
    const record = recordOf(event);
    if (userId === undefined || !record) continue;
    const shown = recordOf(lookup(state.get(stateKeyOf('m.room.member', userId)) ?? ''));
    if (!shown || !isSameGenesis(shown, record) || compareRecords(record, shown) <= 0) continue;
    const other = best.get(userId);
    if (!other || isBetter(event!, other)) best.set(userId, event!);
  }
  for (const [userId, { eventId }] of best) state.set(knownRecordKey(userId), eventId);
  return state;
}

function isBetter(event: RoomEvent, other: RoomEvent): boolean {
  const order = compareRecords(recordOf(event)!, recordOf(other)!) || Number(isOwnMemberEvent(event.pdu)) - Number(isOwnMemberEvent(other.pdu));
  return order !== 0 ? order > 0 : event.eventId < other.eventId;
}
