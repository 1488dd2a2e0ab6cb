import { Injectable } from '@nestjs/common';
import { atMost } from '../../observability/at-most.js';
import { Lanes } from './lanes.js';

/** How long an event waits for its room; less than other servers wait for an answer. */
const PATIENCE_MS = 25_000;

/** Rooms that are being brought to this server, by a join or because an account moves in. */
@Injectable()
export class RoomArrivals {
  readonly #lanes = new Lanes();

  /**
   * Runs `work` alone among those that bring the room here, from before they ask for it until it is stored: two copies of one
   * room, taken at different moments, must not be laid over each other.
   */
  run<T>(roomId: string, work: () => Promise<T>): Promise<T> {
    return this.#lanes.run(roomId, work);
  }

  /**
   * Waits until nothing brings the room here any more, whether it came or not; at once when nothing does.
   *
   * @returns false when that takes too long
   */
  async settled(roomId: string): Promise<boolean> {
    const tail = this.#lanes.tail(roomId);
    return tail === undefined || atMost(tail.then(() => true), PATIENCE_MS, false);
  }
}
