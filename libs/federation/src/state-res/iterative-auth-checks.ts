import { AuthError, checkAuth, type AuthContext, type StateReader } from '../event-auth/index.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { stateKeyOfEvent, type EventLookup } from './event-graph.js';

/** What the checks need beside the state and the events. */
export interface AuthChecksInput {
  readonly rules: RoomVersionRules;
  readonly lookup: EventLookup;
  isRejected(eventId: string): boolean;
  readonly ctx: AuthContext;
  /** Where events do not cite the create event: it is in every state. */
  readonly create: RoomEvent | undefined;
  /** Portable rooms: whether the event is from before its home was dropped. */
  readonly outlivesHome?: (event: RoomEvent) => boolean;
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
    if (key === undefined || !isAllowed(event, readerFor(event, state, input), input)) continue;
    state.set(key, event.eventId);
  }
}

function isAllowed(event: RoomEvent, state: StateReader, { rules, ctx }: AuthChecksInput): boolean {
  try {
    checkAuth(event, state, rules, ctx);
    return true;
  } catch (error) {
    if (error instanceof AuthError) return false;
    throw error;
  }
}

function readerFor(
  event: RoomEvent, state: ReadonlyMap<string, string>, { lookup, isRejected, create, outlivesHome }: AuthChecksInput,
): StateReader {
  const cited = new Map<string, RoomEvent>();
  for (const id of event.pdu.auth_events) {
    const found = isRejected(id) ? undefined : lookup(id);
    const key = found && stateKeyOfEvent(found);
    if (found && key !== undefined) cited.set(key, found);
  }
  return {
    actingMember: outlivesHome?.(event) ? cited.get(stateKeyOf('m.room.member', event.pdu.sender)) : undefined,
    get(type, stateKey) {
      const key = stateKeyOf(type, stateKey);
      const id = state.get(key);
      if (id !== undefined) return lookup(id);
      return cited.get(key) ?? (type === 'm.room.create' && stateKey === '' ? create : undefined);
    },
  };
}
