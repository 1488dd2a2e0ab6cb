import { stateKeyOf, type RoomEvent } from '../events/index.js';
import type { StateReader } from './auth-context.js';

/** A state made of events: a later one replaces an earlier one of the same key, and what is no state is left out. */
export function stateOf(events: Iterable<RoomEvent>): StateReader {
  const byKey = new Map<string, RoomEvent>();
  for (const event of events) {
    const { type, state_key: stateKey } = event.pdu;
    if (stateKey !== undefined) byKey.set(stateKeyOf(type, stateKey), event);
  }
  return { get: (type, stateKey) => byKey.get(stateKeyOf(type, stateKey)) };
}
