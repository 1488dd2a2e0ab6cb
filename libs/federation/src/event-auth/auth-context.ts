import type { RoomEvent } from '../events/index.js';

/** A room state to authorise against. It holds the create event in every room version. */
export interface StateReader {
  get(type: string, stateKey: string): RoomEvent | undefined;
  /** Portable rooms: the sender's member event whose record names the acting home, where that is not the state's. */
  readonly actingMember?: RoomEvent | undefined;
}

/** What the rules need and cannot compute from events alone. */
export interface AuthContext {
  /**
   * True when the event's signature by `(home, keyId)` verifies with `publicKey` (unpadded Base64). Only portable rooms
   * ask. The caller may have verified it before, on the thread pool; the same event is asked about many times.
   */
  verifyHomeSignature(event: RoomEvent, home: string, keyId: string, publicKey: string): boolean;
}
