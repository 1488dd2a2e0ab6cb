import { hash } from 'node:crypto';
import { AuthError, authStateKeys, checkAuth, type StateReader } from '../event-auth/index.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import type { StateResolutionInput } from './state-resolution-input.js';

/** What is settled before the rest, in this order; each is judged by what was settled before it. */
const AUTH_TYPES = ['m.room.power_levels', 'm.room.join_rules', 'm.room.member'];

type Conflicts = Map<string, RoomEvent[]>;

/**
 * State resolution of room version 1 ("State resolution" there). It looks at the states alone and not at their history: of
 * what decides about others, the oldest event counts and is replaced step by step as far as the rules allow; of the rest,
 * the newest that is allowed.
 */
export function resolveStateV1(input: StateResolutionInput): Map<string, string> {
  const { state, conflicts } = separate(input);
  const settled = new Map(state);
  // Of a large state only what differs is kept beside it: a copy for each conflict would be conflicts times state.
  const judge = (event: RoomEvent, beside?: RoomEvent): boolean => {
    const key = beside && stateKeyOf(beside.pdu.type, beside.pdu.state_key!);
    const reader: StateReader = {
      get: (type, stateKey) => {
        const wanted = stateKeyOf(type, stateKey);
        if (wanted === key) return beside;
        const id = settled.get(wanted);
        return id === undefined ? undefined : input.event(id);
      },
    };
    return isAllowed(event, reader, input);
  };
  for (const wanted of [...AUTH_TYPES, undefined]) {
    const found = new Map<string, string>();
    for (const [key, events] of conflicts) {
      const type = events[0]!.pdu.type;
      if (wanted === undefined ? AUTH_TYPES.includes(type) : type !== wanted) continue;
      const chosen = wanted === undefined
        ? chooseNewest(events, (event) => judge(event))
        : chooseLastAllowed(events, judge);
      found.set(key, chosen.eventId);
    }
    // Events of one kind do not judge each other.
    for (const [key, id] of found) settled.set(key, id);
  }
  return settled;
}

/** What no two states disagree on (lacking it is no disagreement), and the rest, newest events first. */
function separate({ stateSets, event: lookup }: StateResolutionInput): { state: Map<string, string>; conflicts: Conflicts } {
  const ids = new Map<string, Set<string>>();
  for (const set of stateSets) {
    for (const [key, id] of set) {
      const known = ids.get(key);
      if (known) known.add(id);
      else ids.set(key, new Set([id]));
    }
  }
  const state = new Map<string, string>();
  const conflicts: Conflicts = new Map();
  for (const [key, candidates] of ids) {
    const events = [...candidates].map((id) => lookup(id)).filter((event) => event !== undefined);
    if (candidates.size === 1) state.set(key, [...candidates][0]!);
    else if (events.length > 0) conflicts.set(key, events.sort(newestFirst));
  }
  return { state, conflicts };
}

/** By depth, and for equal ones by the SHA-1 of the id; version 1 has nothing better. */
function newestFirst(a: RoomEvent, b: RoomEvent): number {
  if (a.pdu.depth !== b.pdu.depth) return b.pdu.depth - a.pdu.depth;
  return hash('sha1', a.eventId) < hash('sha1', b.eventId) ? -1 : 1;
}

/** From the oldest on, each one that the one before allows; the first that is refused ends it. */
function chooseLastAllowed(events: readonly RoomEvent[], judge: (event: RoomEvent, beside: RoomEvent) => boolean): RoomEvent {
  let chosen = events.at(-1)!;
  for (const event of events.slice(0, -1).reverse()) {
    if (!judge(event, chosen)) break;
    chosen = event;
  }
  return chosen;
}

/** The newest that is allowed; the oldest if none is. */
function chooseNewest(events: readonly RoomEvent[], isGood: (event: RoomEvent) => boolean): RoomEvent {
  return events.find(isGood) ?? events.at(-1)!;
}

function isAllowed(event: RoomEvent, state: StateReader, { rules, ctx }: StateResolutionInput): boolean {
  // Only what may be cited has a say.
  const allowed = new Set(authStateKeys(event.pdu, rules).map(([type, stateKey]) => stateKeyOf(type, stateKey)));
  try {
    checkAuth(event, { get: (type, key) => (allowed.has(stateKeyOf(type, key)) ? state.get(type, key) : undefined) }, rules, ctx);
    return true;
  } catch (error) {
    if (error instanceof AuthError) return false;
    throw error;
  }
}
