import { Injectable } from '@nestjs/common';
import { atMost } from '../../observability/at-most.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';

/** How long an event waits for its room; less than other servers wait for an answer. */
const PATIENCE_MS = 25_000;
/** How long others wait who bring the same room while this one waits for a server. */
const HOLD_MS = 10_000;

/** A turn in bringing a room here. */
export interface ArrivalTurn {
  /**
   * Waits for another server. When it takes long the turn is the next one's, and this one waits for another turn before it goes on:
   * the room may have come meanwhile.
   */
  waitFor<T>(answer: Promise<T>): Promise<T>;
}

/** Rooms that are being brought to this server, by a join or because an account moves in. */
@Injectable()
export class RoomArrivals {
  readonly #turns = new KeyedQueue();

  /**
   * Runs `work` alone among those that bring the room here, from before they ask for it until it is stored: two copies of one
   * room, taken at different moments, must not be laid over each other.
   */
  async run<T>(roomId: string, work: (turn: ArrivalTurn) => Promise<T>): Promise<T> {
    let leave = await this.#enter(roomId);
    const waitFor = async <U>(answer: Promise<U>): Promise<U> => {
      const isAnswered = await atMost(answer.then(() => true, () => true), HOLD_MS, false);
      if (isAnswered) return answer;
      leave();
      const given = await answer;
      leave = await this.#enter(roomId);
      return given;
    };
    try {
      return await work({ waitFor });
    } finally {
      leave();
    }
  }

  /** @returns what ends the turn */
  #enter(roomId: string): Promise<() => void> {
    return new Promise((entered) => {
      void this.#turns.run(roomId, () => new Promise<void>((leave) => entered(() => leave())));
    });
  }

  /**
   * Waits until nothing brings the room here any more, whether it came or not; at once when nothing does.
   *
   * @returns false when that takes too long
   */
  async settled(roomId: string): Promise<boolean> {
    return this.#turns.size(roomId) === 0 || atMost(this.#turns.run(roomId, async () => true), PATIENCE_MS, false);
  }
}
