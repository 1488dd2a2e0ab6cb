import { setTimeout as delay } from 'node:timers/promises';

import pg from 'pg';

/** Counters of one database, all growing. */
export interface DatabaseCounts {
  /** Transactions that wrote (ids handed out, over the whole cluster; exact and at once). */
  writes: number;
  /** Transactions of any kind that ended in this database, as pg_stat_database counts them. */
  transactions: number;
  /** Statements run in this database; null without the extension pg_stat_statements. */
  statements: number | null;
}

/**
 * A server process reports its counts when it has been idle for up to 10 s (PostgreSQL 15 and later), so a difference
 * is only right when both ends have waited for that long.
 */
const reportDelayMs = 11_000;

/**
 * Reads a database's counters from beside it: the connection goes to the maintenance database of the same cluster, so
 * that looking does not count. Nothing else may use the cluster meanwhile, or its writes are counted too.
 */
export class DatabaseCounters {
  readonly #client: pg.Client;
  readonly #database: string;
  readonly #hasStatements: boolean;

  private constructor(client: pg.Client, database: string, hasStatements: boolean) {
    this.#client = client;
    this.#database = database;
    this.#hasStatements = hasStatements;
  }

  /** @throws Error when the cluster cannot be reached or has no database `postgres` */
  static async open(databaseUrl: string): Promise<DatabaseCounters> {
    const url = new URL(databaseUrl);
    const database = decodeURIComponent(url.pathname.slice(1));
    url.pathname = '/postgres';
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    const found = await client.query<{ found: boolean }>(
      `SELECT to_regclass('pg_stat_statements') IS NOT NULL
          AND current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%' AS found`,
    );
    return new DatabaseCounters(client, database, found.rows[0]?.found === true);
  }

  /** The counters now; takes 11 s, because the statistics arrive late. */
  async settled(): Promise<DatabaseCounts> {
    await delay(reportDelayMs);
    const statements = this.#hasStatements
      ? `(SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s
          WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = $1))`
      : 'NULL';
    const answer = await this.#client.query<{ writes: string; transactions: string; statements: string | null }>(
      `SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS writes,
              (xact_commit + xact_rollback)::text AS transactions,
              ${statements}::text AS statements
         FROM pg_stat_database WHERE datname = $1`,
      [this.#database],
    );
    const row = answer.rows[0];
    if (row === undefined) throw new Error(`the cluster has no database "${this.#database}"`);
    return {
      writes: Number(row.writes),
      transactions: Number(row.transactions),
      statements: row.statements === null ? null : Number(row.statements),
    };
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

/** How much each counter grew; statements stay null where they are not counted. */
export function countsBetween(from: DatabaseCounts, to: DatabaseCounts): DatabaseCounts {
  return {
    writes: to.writes - from.writes,
    transactions: to.transactions - from.transactions,
    statements: from.statements === null || to.statements === null ? null : to.statements - from.statements,
  };
}
