import { statSync } from 'node:fs';
import { join } from 'node:path';
import { parseStoredJson } from '#json';
import { type Database, statement } from './database.js';

const identity = statement(
  'database.identity',
  `SELECT (SELECT system_identifier FROM pg_control_system())::text AS system,
     left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline,
     (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database,
     'database_runs'::regclass::oid::text AS relation`,
);
/** Where a managed database does not tell of its cluster. */
const shortIdentity = statement(
  'database.short_identity',
  `SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text AS database, 'database_runs'::regclass::oid::text AS relation`,
);

/**
 * Which copy of the database this is. PostgreSQL gives each cluster, database and table a number of its own, and each recovery
 * a timeline; a dump has none of them. So a database that says of itself that it was another one has been restored, or moved.
 *
 * @param folder of the cluster where it is this server's own: a copied folder is told by its files, which are other ones
 */
export async function databaseIdentity(db: Database, folder: string | null): Promise<string> {
  const [row] = await db.query(identity).catch(() => db.query(shortIdentity));
  return JSON.stringify({ ...row, ...(folder === null ? {} : { file: fileIdentity(join(folder, 'global', 'pg_control')) }) });
}

/** Whether the second is another copy than the first; what only one of them knows is no difference. */
export function isOtherCopy(before: string, now: string): boolean {
  const [a, b] = [parseStoredJson(before), parseStoredJson(now)] as Record<string, unknown>[];
  return Object.keys(a!).some((key) => key in b! && differs(key, a![key], b![key]));
}

/** PostgreSQL writes this file in place. Where a file system gives it another number at each mount, the time of its birth is the same. */
function fileIdentity(path: string): [number, number] | null {
  const file = statSync(path, { throwIfNoEntry: false });
  return file ? [file.ino, file.birthtimeMs] : null;
}

function differs(key: string, before: unknown, now: unknown): boolean {
  if (key !== 'file') return before !== now;
  if (!Array.isArray(before) || !Array.isArray(now)) return false;
  return before[0] !== now[0] && before[1] !== now[1];
}
