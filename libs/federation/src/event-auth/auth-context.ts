import type { RoomEvent } from '../events/index.js';

/** A room state to authorise against. It holds the create event in every room version. */
export interface StateReader {
  get(type: string, stateKey: string): RoomEvent | undefined;
}

/**
 * What the state is to the event. It matters in portable rooms only, where people change their homes (protocol §3):
 *
 * - `before`: the state before the event, or what its auth events make of it. The home must be among the homes of the record,
 *   and a record must not go back.
 * - `beside`: another state of the room, the current one say. The event did not know it: a home that retired there counts, and
 *   a record that has risen there is no reason against an event that copied the lower one.
 * - `resolution`: a state while it is resolved. Which events count by their homes was decided before (`revokedEvents`).
 */
export type Judged = 'before' | 'beside' | 'resolution';

/** What the rules need and cannot compute from events alone. */
export interface AuthContext {
  /**
   * True when the event's signature by `(home, keyId)` verifies with `publicKey` (unpadded Base64). Only portable rooms
   * ask. The caller may have verified it before, on the thread pool; the same event is asked about many times.
   */
  verifyHomeSignature(event: RoomEvent, home: string, keyId: string, publicKey: string): boolean;
}
