import type { Pool, PoolClient } from 'pg';
import { isLost } from './database-errors.js';

/**
 * The connections that work is done on. When one falls silent others may have, too: each of those that were open then would cost a
 * time-out, so they are replaced instead.
 */
export class Connections {
  readonly #madeIn = new WeakMap<object, number>();
  #generation = 0;

  constructor(private readonly pool: Pool) {
    pool.on('connect', (client) => this.#madeIn.set(client, this.#generation));
  }

  /** Those that are there are not used any more. */
  renew(): void {
    this.#generation++;
  }

  /** A connection that nobody else uses, until `giveBack`. */
  async take(): Promise<PoolClient> {
    for (;;) {
      const client = await this.pool.connect();
      if (this.#generationOf(client) === this.#generation) return client;
      client.release(true);
    }
  }

  /** @param error what happened on it last, if that was an error */
  giveBack(client: PoolClient, error?: unknown): void {
    const lost = isLost(error);
    if (lost && this.#generationOf(client) === this.#generation) this.renew();
    client.release(lost);
  }

  /** The first ones may have been made before this object was. */
  #generationOf(client: PoolClient): number {
    return this.#madeIn.get(client) ?? 0;
  }
}
