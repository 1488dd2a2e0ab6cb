import { stateKeyOf, type RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { compareRecords, isSameGenesis } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { AuthContext, StateReader } from './auth-context.js';
import { authStateKeys } from './auth-state-keys.js';
import { checkAuth } from './check-auth.js';
import { KNOWN_RECORD_TYPE } from './known-record.js';
import { isOwnMemberEvent } from './room-facts.js';
import { reject } from './rule-input.js';
import { ruleNumbers } from './rule-numbers.js';
import { isAboutSubject, mayCite } from './standing-events.js';
import { stateOf } from './state-of.js';

/**
 * Checks an event against the auth events that it names: first the list itself (rule 2; 3 in version 12), then the
 * authorization rules with the state that the list makes.
 *
 * @param authEvents the events of `event.pdu.auth_events`, all of them. That none was rejected (2.3; 3.3 in version 12)
 *   is the caller's to check, who knows what was rejected
 * @param createEvent the room's accepted create event, for versions whose events do not cite it (12 and later)
 * @throws AuthError
 */
export function checkAuthEvents(
  event: RoomEvent, authEvents: readonly RoomEvent[], createEvent: RoomEvent | undefined, rules: RoomVersionRules,
  ctx: AuthContext,
): void {
  if (event.pdu.type === 'm.room.create') return checkAuth(event, stateOf([]), rules, ctx);
  const n = ruleNumbers(rules);
  const allowed = new Set(authStateKeys(event.pdu, rules).map(([type, stateKey]) => stateKeyOf(type, stateKey)));
  const previous = authEvents.find(({ pdu }) => pdu.type === 'm.room.member' && pdu.state_key === event.pdu.sender);
  const seen = new Set<string>();
  const judging: RoomEvent[] = [];
  const known: RoomEvent[] = [];
  for (const cited of authEvents) {
    const { pdu, roomId } = cited;
    const key = pdu.state_key === undefined ? undefined : stateKeyOf(pdu.type, pdu.state_key);
    const isFirst = key === undefined || !seen.has(key);
    if (key !== undefined) seen.add(key);
    // In portable rooms what stands may be cited beside; the first of a key has its say.
    const mayStand = rules.portable && mayCite(event, cited, previous);
    // One event for one key.
    if (!isFirst && !mayStand) reject(`${n.authEvents}.1`, `two auth events for ${pdu.type}`);
    // Of this room.
    if (roomId !== event.roomId) reject(n.authEventsRoom, 'an auth event is of another room');
    if (key !== undefined && isFirst && allowed.has(key)) judging.push(cited);
    // Only what has a say in this event; in version 12 not the create event.
    else if (rules.portable && !isOwnMemberEvent(event.pdu) && isAboutSubject(event, cited)) known.push(cited);
    else if (!mayStand) reject(`${n.authEvents}.2`, `${pdu.type} is not an auth event here`);
  }
  // Up to version 11 a create event must be among them; checkAuth misses it if not.
  const create = rules.roomIdIsCreateHash && createEvent ? [createEvent] : [];
  checkAuth(event, withKnown(stateOf([...create, ...judging]), event.pdu.state_key, known), rules, ctx);
}

/** Who is kicked or banned with a copy of a record has, by the auth events, the highest one that they show. */
function withKnown(state: StateReader, userId: string | undefined, known: readonly RoomEvent[]): StateReader {
  if (userId === undefined || known.length === 0) return state;
  const shown = recordOf(state.get('m.room.member', userId));
  const same = known.filter((event) => {
    const record = recordOf(event);
    return shown !== undefined && record !== undefined && isSameGenesis(record, shown);
  });
  const [highest] = same.sort((a, b) => compareRecords(recordOf(b)!, recordOf(a)!));
  return { get: (type, stateKey) => (type === KNOWN_RECORD_TYPE && stateKey === userId ? highest : state.get(type, stateKey)) };
}
