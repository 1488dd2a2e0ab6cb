import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DataSource, MigrationExecutor, type MigrationInterface, type QueryRunner } from 'typeorm';
import { limitsOf, usualLimits, type DatabaseLimits } from './database-limits.js';

/** Key of the advisory lock that lets one server migrate at a time ("party" in ASCII, cut to 32 bits). */
const LOCK_KEY = 0x70617274;
const POLL_MS = 100;
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** TypeORM reads a migration's place from 13 digits at the end of its name, as of a time in milliseconds. */
const FIRST_PLACE = 1_700_000_000_000;
const PLACE = /-\d{13}$/;

/** A migration as TypeORM takes it: a class without arguments. */
export type MigrationClass = new () => MigrationInterface;

/** Reads the migrations of a folder in the order of their numbers. Throws when two have the same number. */
export function readMigrations(folder: string): MigrationClass[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql')).sort();
  const numbers = new Set<string>();
  return files.map((file) => {
    const number = FILE_NAME.exec(file)?.[1];
    if (number === undefined) throw new Error(`migrations/${file}: expected a name like 0001-what.sql`);
    if (numbers.has(number)) throw new Error(`migrations/${file}: the number ${number} is used twice`);
    numbers.add(number);
    return sqlMigration(file.slice(0, -'.sql'.length), readFileSync(join(folder, file), 'utf8'));
  });
}

/** A forward-only step of the schema. @param name begins with its four-digit number, e.g. `0001-rooms` */
export function sqlMigration(name: string, sql: string): MigrationClass {
  return class implements MigrationInterface {
    readonly name = `${name}-${FIRST_PLACE + Number(name.slice(0, 4))}`;

    async up(runner: QueryRunner): Promise<void> {
      try {
        await runner.query(sql);
      } catch (error) {
        throw new Error(`Migration ${name} failed: ${(error as Error).message}`, { cause: error });
      }
    }

    down(): Promise<void> {
      return Promise.reject(new Error('Migrations go forward only; restore a backup instead'));
    }
  };
}

/**
 * Applies what is missing of the data source's migrations, each in a transaction of its own. Servers that start together on one
 * database take turns. The lock is polled: a waiting `pg_advisory_lock` would hold a snapshot, and a `CREATE INDEX CONCURRENTLY` of
 * the one that migrates would wait for it for ever.
 *
 * @param limits of the connection, which has none meanwhile
 * @returns names of the migrations that this call applied
 */
export async function migrate(dataSource: DataSource, limits: DatabaseLimits = usualLimits): Promise<string[]> {
  const runner = dataSource.createQueryRunner();
  await runner.connect();
  try {
    // A migration takes as long as it takes.
    await runner.query('SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0');
    while (!(await tryLock(runner))) await sleep(POLL_MS);
    try {
      await prepareTable(runner);
      const executor = new MigrationExecutor(dataSource, runner);
      executor.transaction = 'each';
      refuseNewer(await executor.getExecutedMigrations(), dataSource.migrations);
      return (await executor.executePendingMigrations()).map(({ name }) => name.replace(PLACE, ''));
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

/** TypeORM's table with the time beside. Programs before it wrote names only; they refuse a database with the longer names. */
async function prepareTable(runner: QueryRunner): Promise<void> {
  await runner.query(
    'CREATE TABLE IF NOT EXISTS migrations (id serial, timestamp bigint, name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())',
  );
  await runner.query('ALTER TABLE migrations ADD COLUMN IF NOT EXISTS id serial, ADD COLUMN IF NOT EXISTS timestamp bigint');
  await runner.query(
    `UPDATE migrations SET timestamp = $1::bigint + left(name, 4)::int, name = name || '-' || ($1::bigint + left(name, 4)::int) WHERE timestamp IS NULL`,
    [FIRST_PLACE],
  );
}

function refuseNewer(executed: readonly { name: string }[], all: readonly MigrationInterface[]): void {
  const known = new Set(all.map(({ name }) => name));
  const newer = executed.filter(({ name }) => !known.has(name)).map(({ name }) => name.replace(PLACE, ''));
  if (newer.length === 0) return;
  throw new Error(`The database was written by a newer version of Partyline (it has ${newer.join(', ')}); install that version or a later one.`);
}
