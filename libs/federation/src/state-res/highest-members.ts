import { isOwnMemberEvent, isReleased } from '../event-auth/room-facts.js';
import { canonicalJson } from '../canonical-json/index.js';
import { jsonMember, type JsonValue, type RoomEvent } from '../events/index.js';
import { compareRecords, isSameGenesis } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { stateKeyOfEvent, type EventLookup } from './event-graph.js';
import { compareByTime } from './power-ordering.js';

/**
 * Portable rooms (protocol §3, "Resolution"): of the member events that say the same of somebody as the one that came out, the one
 * with the highest record takes its place. Which membership somebody has is for Matrix's rules to say and not for records; but a
 * record that is known stays known.
 *
 * @param candidates the events of the full conflicted set that count
 * @param mayStand whether an event that somebody else sent is allowed beside the state that came out
 */
export function takeHighestRecords(
  state: Map<string, string>, candidates: Iterable<RoomEvent>, lookup: EventLookup, mayStand: (event: RoomEvent) => boolean,
): void {
  const best = new Map<string, RoomEvent>();
  for (const event of candidates) {
    const key = event.pdu.type === 'm.room.member' ? stateKeyOfEvent(event) : undefined;
    const shown = key === undefined ? undefined : lookup(state.get(key) ?? '');
    if (key === undefined || !shown || !isHigher(event, shown) || !saysTheSame(event, shown)) continue;
    const current = best.get(key);
    if (current && !isPreferred(event, current)) continue;
    if (isOwnMemberEvent(event.pdu) || mayStand(event)) best.set(key, event);
  }
  for (const [key, event] of best) state.set(key, event.eventId);
}

function isHigher(event: RoomEvent, shown: RoomEvent): boolean {
  const [record, current] = [recordOf(event), recordOf(shown)];
  return record !== undefined && current !== undefined && isSameGenesis(record, current) && compareRecords(record, current) > 0;
}

function isPreferred(event: RoomEvent, current: RoomEvent): boolean {
  const order = compareRecords(recordOf(event)!, recordOf(current)!);
  return order !== 0 ? order > 0 : compareByTime(event, current) > 0;
}

/** The same membership, on the same terms. */
function saysTheSame(a: RoomEvent, b: RoomEvent): boolean {
  const terms = (event: RoomEvent): string => canonicalJson(['membership', 'genesis_sha256', 'third_party_invite']
    .map((name): JsonValue => jsonMember(event.pdu.content, name) ?? null));
  return isReleased(a) === isReleased(b) && terms(a) === terms(b);
}
