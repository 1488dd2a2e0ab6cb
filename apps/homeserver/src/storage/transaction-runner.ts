import { QueryFailedError, type DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import type { QueryResult } from 'pg';

/** What a repository's statement runs on: text and values, as `pg` takes them. */
export type RunText = (text: string, values?: unknown[]) => Promise<QueryResult>;

/** Lets TypeORM's repositories work where all statements do: inside a transaction that is not TypeORM's own, or on the database's own connections. */
export class TransactionRunner extends PostgresQueryRunner {
  readonly #connection: { readonly query: RunText };

  constructor(dataSource: DataSource, query: RunText) {
    super(dataSource.driver as PostgresDriver, 'master');
    this.#connection = { query };
    // Otherwise each `save` would begin one of its own.
    this.isTransactionActive = true;
  }

  override connect(): Promise<{ readonly query: RunText }> {
    return Promise.resolve(this.#connection);
  }

  /** Errors stay what they are, so that it is known which of them say that nothing was stored. */
  override async query(...args: Parameters<PostgresQueryRunner['query']>): Promise<never> {
    try {
      return (await super.query(...args)) as never;
    } catch (error) {
      throw error instanceof QueryFailedError ? error.driverError : error;
    }
  }
}
