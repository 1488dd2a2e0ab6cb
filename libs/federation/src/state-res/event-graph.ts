import { stateKeyOf, type RoomEvent } from '../events/index.js';

/** Events by id, as far as the caller has them. */
export type EventLookup = (eventId: string) => RoomEvent | undefined;

/**
 * The auth chain of some events: everything that their auth events reach. An event of `from` is in it only if another
 * one leads to it. Iterative, since chains are as long as a room is old.
 */
export function authChain(from: Iterable<string>, lookup: EventLookup): Set<string> {
  const chain = new Set<string>();
  const stack = [...from];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    for (const parent of lookup(id)?.pdu.auth_events ?? []) {
      if (chain.has(parent)) continue;
      chain.add(parent);
      stack.push(parent);
    }
  }
  return chain;
}

/** The auth event of an event for a type and a state key; the first one, where there are several. */
export function authEventOf(
  event: RoomEvent, type: string, stateKey: string, lookup: EventLookup,
): RoomEvent | undefined {
  for (const id of event.pdu.auth_events) {
    const cited = lookup(id);
    if (cited?.pdu.type === type && cited.pdu.state_key === stateKey) return cited;
  }
  return undefined;
}

/**
 * Portable rooms: the event, or if it does not count what it replaced, which it cites, and so on.
 *
 * @param revoked events that do not count
 */
export function standing(id: string, revoked: ReadonlySet<string>, lookup: EventLookup): string | undefined {
  for (let at: string | undefined = id; at !== undefined;) {
    if (!revoked.has(at)) return at;
    const event = lookup(at);
    const { type, state_key: stateKey } = event?.pdu ?? {};
    at = event && type !== undefined && stateKey !== undefined ? authEventOf(event, type, stateKey, lookup)?.eventId : undefined;
  }
  return undefined;
}

/** The key of a state event in a state map, undefined for an event that is no state. */
export function stateKeyOfEvent({ pdu }: RoomEvent): string | undefined {
  return pdu.state_key === undefined ? undefined : stateKeyOf(pdu.type, pdu.state_key);
}
