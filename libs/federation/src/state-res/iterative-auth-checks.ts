import { isOwnMemberEvent } from '../event-auth/room-facts.js';
import { AuthError, checkAuth, type AuthContext, type StateReader } from '../event-auth/index.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { genesisHash } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { actingOf } from './acting-homes.js';
import { standing, stateKeyOfEvent, type EventLookup } from './event-graph.js';

/** What the checks need beside the state and the events. */
export interface AuthChecksInput {
  readonly rules: RoomVersionRules;
  readonly lookup: EventLookup;
  isRejected(eventId: string): boolean;
  /** Events that do not count: where they are cited, what they replaced is consulted. */
  readonly revoked: ReadonlySet<string>;
  readonly ctx: AuthContext;
  /** Where events do not cite the create event: it is in every state. */
  readonly create: RoomEvent | undefined;
}

/**
 * The iterative auth checks ("State resolution", definitions): applies each state event in turn to `state`, if the
 * authorization rules allow it there. What the state lacks is taken from the event's own auth events, unless rejected.
 */
export function applyIterativeAuthChecks(
  state: Map<string, string>, events: Iterable<RoomEvent>, input: AuthChecksInput,
): void {
  for (const event of events) {
    const key = stateKeyOfEvent(event);
    if (key === undefined || !isAllowed(event, state, input)) continue;
    state.set(key, event.eventId);
  }
}

/** Whether the rules allow an event where the state is resolved this far. */
export function isAllowed(event: RoomEvent, state: ReadonlyMap<string, string>, input: AuthChecksInput): boolean {
  const { rules, ctx, lookup } = input;
  const reader = readerFor(event, state, input);
  if (rules.portable && !isByKnownBearer(event, reader, lookup)) return false;
  try {
    checkAuth(event, reader, rules, ctx, 'resolution');
    return true;
  } catch (error) {
    if (error instanceof AuthError) return false;
    throw error;
  }
}

/** Portable rooms: an event of a bearer of the name whom the state does not know is nobody's. Member events have a rule for that. */
function isByKnownBearer(event: RoomEvent, state: StateReader, lookup: EventLookup): boolean {
  if (isOwnMemberEvent(event.pdu) || event.pdu.type === 'm.room.create') return true;
  const acting = actingOf(event, lookup);
  const known = recordOf(state.get('m.room.member', event.pdu.sender));
  return acting === undefined || (known !== undefined && genesisHash(known.genesis) === acting.genesis);
}

function readerFor(
  event: RoomEvent, state: ReadonlyMap<string, string>, { lookup, isRejected, revoked, create, rules }: AuthChecksInput,
): StateReader {
  const cited = new Map<string, RoomEvent>();
  for (const named of event.pdu.auth_events) {
    const id = standing(named, revoked, lookup);
    const found = id === undefined || isRejected(id) ? undefined : lookup(id);
    const key = found && stateKeyOfEvent(found);
    // Of several of one key, which only portable rooms have, the first: the others are there to stand.
    if (found && key !== undefined && !(rules.portable && cited.has(key))) cited.set(key, found);
  }
  return {
    get(type, stateKey) {
      const key = stateKeyOf(type, stateKey);
      const id = state.get(key);
      if (id !== undefined) return lookup(id);
      return cited.get(key) ?? (type === 'm.room.create' && stateKey === '' ? create : undefined);
    },
  };
}
