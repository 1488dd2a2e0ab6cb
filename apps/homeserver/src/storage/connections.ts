import type { Pool, PoolClient } from 'pg';
import { isLost } from './database-errors.js';

/**
 * The connections that work is done on. When one falls silent others may have, too: each of those that were open then would cost a
 * time-out, so they are replaced instead.
 */
export class Connections {
  readonly #madeIn = new WeakMap<object, number>();
  #generation = 0;

  constructor(private readonly pool: Pool) {}

  /** A connection that nobody else uses, until `giveBack`. */
  async take(): Promise<PoolClient> {
    for (;;) {
      const client = await this.pool.connect();
      const made = this.#madeIn.get(client);
      if (made === undefined) this.#madeIn.set(client, this.#generation);
      if (made === undefined || made === this.#generation) return client;
      client.release(true);
    }
  }

  /** @param error what happened on it last, if that was an error */
  giveBack(client: PoolClient, error?: unknown): void {
    const lost = isLost(error);
    if (lost && this.#madeIn.get(client) === this.#generation) this.#generation++;
    client.release(lost);
  }
}
