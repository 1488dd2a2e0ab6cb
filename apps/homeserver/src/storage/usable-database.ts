import type { DataSource } from 'typeorm';
import { isUnavailable } from './database-errors.js';
import { operatorSentence } from './operator-errors.js';

/** Oldest version that the statements of this program run on. */
const OLDEST_VERSION = 130_000;

/**
 * Why a database cannot be connected to.
 *
 * @param setting what the operator named it with; null for a private one
 */
export function connectionError(error: unknown, setting: string | null): Error {
  const reason = operatorSentence(error, true) ?? (isUnavailable(error) ? `The database does not answer (${(error as Error).message}).` : null);
  return reason === null ? (error as Error) : new Error(setting === null ? reason : `${setting}: ${reason}`, { cause: error });
}

/** @throws Error with a sentence for a PostgreSQL that is too old, or a database that cannot hold every text */
export async function checkDatabase(dataSource: DataSource): Promise<void> {
  const [row] = (await dataSource.query(
    `SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS name, current_setting('server_encoding') AS encoding`,
  )) as { version: number; name: string; encoding: string }[];
  if (row!.version < OLDEST_VERSION) throw new Error(`DATABASE_URL: the database is PostgreSQL ${row!.name}; version 13 or later is needed.`);
  if (row!.encoding !== 'UTF8') {
    throw new Error(`DATABASE_URL: the database has the encoding ${row!.encoding}; make it with UTF8 (CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0).`);
  }
}
