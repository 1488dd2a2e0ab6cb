import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, QueryRunner } from 'typeorm';
import { limitsOf, usualLimits, type DatabaseLimits } from './database-limits.js';

/** Key of the advisory lock that lets one server migrate at a time ("party" in ASCII, cut to 32 bits). */
const LOCK_KEY = 0x70617274;
const POLL_MS = 100;
const MIGRATION_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** One forward-only step of the schema. */
export interface Migration {
  /** File name without `.sql`, e.g. `0001-rooms`. */
  readonly name: string;
  readonly sql: string;
}

/** Reads the migrations of a folder in the order of their numbers. Throws when two have the same number. */
export function readMigrations(folder: string): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql')).sort();
  const numbers = new Set<string>();
  return files.map((file) => {
    const number = MIGRATION_NAME.exec(file)?.[1];
    if (number === undefined) throw new Error(`migrations/${file}: expected a name like 0001-what.sql`);
    if (numbers.has(number)) throw new Error(`migrations/${file}: the number ${number} is used twice`);
    numbers.add(number);
    return { name: file.slice(0, -'.sql'.length), sql: readFileSync(join(folder, file), 'utf8') };
  });
}

/**
 * Applies what is missing, each migration in a transaction of its own. Servers that start together on one database take
 * turns. The lock is polled: a waiting `pg_advisory_lock` would hold a snapshot, and a `CREATE INDEX CONCURRENTLY` of the
 * one that migrates would wait for it for ever.
 *
 * @param limits of the connection, which has none meanwhile
 * @returns names of the migrations that this call applied
 */
export async function migrate(dataSource: DataSource, migrations: readonly Migration[], limits: DatabaseLimits = usualLimits): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    // A migration takes as long as it takes.
    await runner.query('SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    while (!(await tryLock(runner))) await sleep(POLL_MS);
    try {
      return await applyMissing(runner, migrations);
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]);
      await runner.query(limitsOf(limits));
    }
  } finally {
    await runner.release();
  }
}

async function tryLock(runner: QueryRunner): Promise<boolean> {
  const rows = (await runner.query('SELECT pg_try_advisory_lock($1) AS locked', [LOCK_KEY])) as { locked: boolean }[];
  return rows[0]!.locked;
}

async function applyMissing(runner: QueryRunner, migrations: readonly Migration[]): Promise<string[]> {
  await runner.query(
    'CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  const rows = (await runner.query('SELECT name FROM migrations')) as { name: string }[];
  const done = new Set(rows.map((row) => row.name));
  const known = new Set(migrations.map((migration) => migration.name));
  const newer = [...done].filter((name) => !known.has(name));
  if (newer.length > 0) {
    throw new Error(`The database was written by a newer version of Partyline (it has ${newer.join(', ')}); install that version or a later one.`);
  }
  const applied: string[] = [];
  for (const migration of migrations) {
    if (done.has(migration.name)) continue;
    await runner.startTransaction();
    try {
      await runner.query(migration.sql);
      await runner.query('INSERT INTO migrations (name) VALUES ($1)', [migration.name]);
      await runner.commitTransaction();
    } catch (error) {
      await runner.rollbackTransaction();
      throw new Error(`Migration ${migration.name} failed: ${(error as Error).message}`, { cause: error });
    }
    applied.push(migration.name);
  }
  return applied;
}
