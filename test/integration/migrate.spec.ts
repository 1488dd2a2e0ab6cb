import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DataSource } from 'typeorm';
import { openDataSource } from '../../apps/homeserver/src/storage/data-source.js';
import { migrate, type MigrationClass, readMigrations, sqlMigration } from '../../apps/homeserver/src/storage/migrate.js';
import { migrationsFolder } from '../../apps/homeserver/src/server.js';
import { createTestDatabase, dropTestDatabase, testCluster, type TestCluster } from '../network/test-cluster.js';

describe('migrations', () => {
  let cluster: TestCluster;
  let name: string;
  let url: string;
  let first: DataSource;
  let opened: DataSource[];
  const open = async (...migrations: MigrationClass[]): Promise<DataSource> => {
    const source = await openDataSource(url, { migrations });
    opened.push(source);
    return source;
  };
  beforeEach(async () => {
    cluster = await testCluster();
    name = `t_${randomBytes(8).toString('hex')}`;
    url = await createTestDatabase(cluster, name);
    opened = [];
    first = await open();
    await first.query('DROP SCHEMA public CASCADE');
    await first.query('CREATE SCHEMA public');
  });
  afterEach(async () => {
    await Promise.all(opened.map((source) => source.destroy()));
    await dropTestDatabase(cluster, name);
  });

  it('are applied once by two servers that start together', async () => {
    const migrations = readMigrations(migrationsFolder());
    const servers = [await open(...migrations), await open(...migrations)];
    const applied = await Promise.all(servers.map((server) => migrate(server)));
    expect(applied.flat().sort()).toEqual(readdirSync(migrationsFolder()).map((file) => file.replace('.sql', '')));
    expect(applied.some((names) => names.length === 0)).toBe(true);
  });

  it('leave nothing of one that fails, and keep those before it', async () => {
    const good = sqlMigration('0001-good', 'CREATE TABLE good (id int)');
    const bad = sqlMigration('0002-bad', 'CREATE TABLE half (id int); SELECT no_such_function()');
    await expect(open(good, bad).then(migrate)).rejects.toThrow(/0002-bad failed/);
    expect(await first.query(`SELECT to_regclass('good') AS good, to_regclass('half') AS half`)).toEqual([{ good: 'good', half: null }]);
    expect(await open(good).then(migrate)).toEqual([]);
  });

  it('refuse a database of a newer version', async () => {
    await open(sqlMigration('0009-later', 'SELECT 1')).then(migrate);
    await expect(migrate(first)).rejects.toThrow(/newer version.*0009-later/);
  });

  it('know what was applied before TypeORM ran them', async () => {
    await first.query('CREATE TABLE migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())');
    await first.query(`INSERT INTO migrations (name) VALUES ('0001-good')`);
    const migrations = [sqlMigration('0001-good', 'SELECT no_such_function()'), sqlMigration('0002-next', 'CREATE TABLE next (id int)')];
    expect(await open(...migrations).then(migrate)).toEqual(['0002-next']);
    expect(await open(...migrations).then(migrate)).toEqual([]);
  });

  it('comment every column', async () => {
    const uncommented = readdirSync(migrationsFolder()).flatMap((file) =>
      [...readFileSync(join(migrationsFolder(), file), 'utf8').matchAll(/^CREATE TABLE (\w+) \(\n([\s\S]*?)^\)/gm)].flatMap(([, table, body]) =>
        body!
          .split('\n')
          .filter((line) => /^ {2}[a-z_]+ /.test(line) && !line.includes('--'))
          .map((line) => `${file}: ${table}.${line.trim().split(' ')[0]}`),
      ),
    );
    expect(uncommented).toEqual([]);
  });

  it('are read with bigint as numbers', async () => {
    expect(await first.query(`SELECT 5000000000::bigint AS one, '{1,2}'::bigint[] AS many, '{}'::bigint[] AS none`)).toEqual([
      { one: 5_000_000_000, many: [1, 2], none: [] },
    ]);
  });
});
