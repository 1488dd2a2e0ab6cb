import type { ServerResponse } from 'node:http';
import { ByteBudget } from './byte-budget.js';

/** Smaller answers fit into the buffers of the system, whether anybody reads them or not. */
export const LARGE_BYTES = 64 * 1024;
/** Bytes of large answers that are on their way: in all, and to one party. */
const MAX_HELD_BYTES = 128 * 1024 * 1024;
const MAX_HELD_BYTES_PER_PARTY = 16 * 1024 * 1024;
/** Servers ask for whole rooms, two at a time. */
export const MAX_HELD_BYTES_PER_SERVER = 64 * 1024 * 1024;
/** Who reads more slowly than 16 KiB a second, after the first half minute, is taken for gone. */
const GRACE_MS = 30_000;
const BYTES_PER_MS = 16;

/** Large answers until they are read: they take memory, which nobody who does not read may have for ever. */
export class AnswerDelivery {
  readonly #budget: ByteBudget;

  constructor(
    maxPerParty = MAX_HELD_BYTES_PER_PARTY,
    private readonly graceMs = GRACE_MS,
  ) {
    this.#budget = new ByteBudget(MAX_HELD_BYTES, maxPerParty);
  }

  /**
   * To be called before the answer is written.
   *
   * @param party account, server or address that gets it
   * @returns false when too much is on its way already; then it must not be sent
   */
  begin(response: ServerResponse, party: string, bytes: number): boolean {
    if (response.destroyed || !this.#budget.take(party, bytes)) return false;
    const drop = setTimeout(() => response.destroy(), this.graceMs + bytes / BYTES_PER_MS);
    response.once('close', () => {
      clearTimeout(drop);
      this.#budget.give(party, bytes);
    });
    return true;
  }
}
