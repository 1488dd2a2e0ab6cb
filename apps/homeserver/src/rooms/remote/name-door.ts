import type { RoomEvent } from '#federation';
import type { RoomDraft } from '../pipeline/room-draft.js';
import type { Room } from '../room.js';

/**
 * The door of portable rooms: who comes in under a name is asked once whose name it is (protocol §2). It decides about soft-failing
 * only and is no auth rule, because servers know different things and their states would differ for good.
 */
export abstract class NameDoor {
  /**
   * Asks what has to be asked about the first member events among these, before they go into the room's queue. Never rejects
   * because of other servers.
   *
   * @returns the events; those that this server finds proven carry its attestation
   */
  abstract prepare(origin: string, room: Room, events: readonly RoomEvent[]): Promise<RoomEvent[]>;

  /**
   * What was found about an event, inside the room's queue.
   *
   * @returns why the event is soft-failed; null when the door is open
   * @throws MatrixError 502 while it cannot be told, 429 when its origin brings too many strangers: the event is to come again
   */
  abstract objection(draft: RoomDraft, event: RoomEvent): string | null;
}
