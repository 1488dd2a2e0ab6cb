import { AuthError, checkAuthEvents, UnsignedError, type AuthContext, type RoomEvent, type RoomVersionRules } from '#federation';

/** Events that are judged before others have a turn. */
const JUDGED_AT_ONCE = 200;

/**
 * Judges events by their auth events, which are among them or known already. One whose auth events are missing or do not hold
 * is invalid too.
 *
 * @param known valid events by id that the others may refer to
 * @returns `valid` holds the new valid ones, `invalid` the rest; `unsigned` of these the copies that lack a home's signature, and what
 *   cites them: of them nothing may be kept
 */
export async function checkChain(
  events: readonly RoomEvent[], known: ReadonlyMap<string, RoomEvent>, rules: RoomVersionRules, context: AuthContext,
): Promise<{ valid: Map<string, RoomEvent>; invalid: RoomEvent[]; unsigned: Set<string> }> {
  const valid = new Map<string, RoomEvent>();
  const unsigned = new Set<string>();
  const order = inAuthOrder(events);
  const create = [...order, ...known.values()].find((event) => event.pdu.type === 'm.room.create');
  for (const [i, event] of order.entries()) {
    if (i % JUDGED_AT_ONCE === JUDGED_AT_ONCE - 1) await new Promise(setImmediate);
    const authEvents = event.pdu.auth_events.map((id) => valid.get(id) ?? known.get(id));
    if (event.pdu.auth_events.some((id) => unsigned.has(id))) unsigned.add(event.eventId);
    if (authEvents.some((auth) => auth === undefined)) continue;
    try {
      checkAuthEvents(event, authEvents as RoomEvent[], create, rules, context);
      valid.set(event.eventId, event);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      if (error instanceof UnsignedError) unsigned.add(event.eventId);
    }
  }
  return { valid, invalid: events.filter((event) => !valid.has(event.eventId)), unsigned };
}

/** Copies of one event that are tried: each server that was asked gives one. */
const MAX_COPIES = 8;
const MAX_ROUNDS = 50;

/**
 * The valid ones among events of several servers, of which one may have given a copy without its home's signature where another gave a good
 * one.
 */
export async function checkCopies(
  events: readonly RoomEvent[], known: ReadonlyMap<string, RoomEvent>, rules: RoomVersionRules, context: AuthContext,
): Promise<Map<string, RoomEvent>> {
  const copies = new Map<string, RoomEvent[]>();
  for (const event of events) {
    const others = copies.get(event.eventId);
    if (!others) copies.set(event.eventId, [event]);
    else if (others.length < MAX_COPIES && !others.some((other) => other.json === event.json)) others.push(event);
  }
  const most = Math.max(0, ...[...copies.values()].map((list) => list.length));
  const valid = new Map<string, RoomEvent>();
  // What rests upon a bad copy is judged again with a good one, until all copies of what is left were tried in vain.
  for (let round = 0, idle = 0; round < MAX_ROUNDS && idle < most && copies.size > 0; round++, idle++) {
    const tried = [...copies.values()].map((list) => list[round % list.length]!);
    for (const [id, event] of (await checkChain(tried, new Map([...known, ...valid]), rules, context)).valid) {
      valid.set(id, event);
      copies.delete(id);
      idle = -1;
    }
  }
  return valid;
}

/** Events so that each comes after its auth events. Those that form a cycle, which no honest server makes, are left out. */
function inAuthOrder(events: readonly RoomEvent[]): RoomEvent[] {
  const ids = new Set(events.map((event) => event.eventId));
  const waiting = new Map<string, number>();
  const dependants = new Map<string, RoomEvent[]>();
  for (const event of events) {
    const inSet = new Set(event.pdu.auth_events.filter((id) => ids.has(id)));
    waiting.set(event.eventId, inSet.size);
    for (const id of inSet) {
      const list = dependants.get(id);
      if (list) list.push(event);
      else dependants.set(id, [event]);
    }
  }
  const order = events.filter((event) => waiting.get(event.eventId) === 0);
  for (const event of order) {
    for (const dependant of dependants.get(event.eventId) ?? []) {
      const left = waiting.get(dependant.eventId)! - 1;
      waiting.set(dependant.eventId, left);
      if (left === 0) order.push(dependant);
    }
  }
  return order;
}
