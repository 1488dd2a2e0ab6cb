import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { FairSlots, fairLimits } from '../outgoing/fair-slots.js';

/** Answers at once that may be as large as a room. */
const CONCURRENCY = 8;
/** Who has not read its answer by then is a slow reader, for whom others do not wait. */
const SLOW_MS = 5_000;

/** Large answers to other servers (states, copies of rooms and accounts): a few at a time per server, the servers in turn. */
@Injectable()
export class AnswerTurns {
  readonly #slots = new FairSlots(fairLimits(CONCURRENCY, {
    all: { quick: CONCURRENCY, fresh: CONCURRENCY, slow: 2, overdue: CONCURRENCY }, waiting: 2_000, waitingPerAccount: 100,
  }), SLOW_MS);

  /**
   * The turn ends when the answer has been read, or its connection has ended: until then it takes memory.
   *
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when too many of the server's questions wait, and what `work` throws
   */
  run<T>(origin: string, response: ServerResponse, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#slots.run({ account: origin, destination: origin }, async () => {
        if (response.destroyed) return reject(new Error('nobody waits for the answer'));
        const closed = new Promise((end) => response.once('close', end));
        resolve(await work());
        await closed;
      }).catch(reject);
    });
  }
}
