import { Injectable } from '@nestjs/common';
import { MAX_ENDS } from '../pipeline/room-ends.js';
import { RoomRegistry } from '../room-registry.js';
import { MissingEvents } from './missing-events.js';

/** Ends that are asked for: beside the one that is about to come. */
const MAX_UNSPREAD = MAX_ENDS - 1;

/**
 * What this server holds of a portable room in which nobody of it is any more, as it sees it, and those who bring the room anew do
 * not have: somebody's way out that was acknowledged here and has not reached them, say. It stays an end of the graph.
 */
@Injectable()
export class UnspreadEnds {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly missing: MissingEvents,
  ) {}

  /**
   * To be asked when the others count this server in; before the room's state is replaced.
   *
   * @returns ids of the room's ends that none of these servers gives
   */
  async of(roomId: string, servers: readonly string[]): Promise<string[]> {
    const room = await this.registry.find(roomId);
    if (!room?.rules.portable || room.state.isResident) return [];
    let ends = room.extremities.slice(0, MAX_UNSPREAD).map((end) => end.eventId);
    for (const server of servers) {
      if (ends.length === 0) break;
      const given = new Set((await this.missing.single(room, ends, server)).map((event) => event.eventId));
      ends = ends.filter((id) => !given.has(id));
    }
    return ends;
  }
}
