import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { openDataSource } from '../../apps/homeserver/src/storage/data-source.js';
import { migrate, readMigrations } from '../../apps/homeserver/src/storage/migrate.js';
import { migrationsFolder } from '../../apps/homeserver/src/server.js';
import { createTestDatabase, dropTestDatabase, testCluster, type TestCluster } from '../network/test-cluster.js';

describe('migrations', () => {
  let cluster: TestCluster;
  let name: string;
  let first: DataSource;
  let second: DataSource;
  beforeEach(async () => {
    cluster = await testCluster();
    name = `t_${randomBytes(8).toString('hex')}`;
    const url = await createTestDatabase(cluster, name);
    [first, second] = await Promise.all([openDataSource(url), openDataSource(url)]);
    await first.query('DROP SCHEMA public CASCADE');
    await first.query('CREATE SCHEMA public');
  });
  afterEach(async () => {
    await Promise.all([first.destroy(), second.destroy()]);
    await dropTestDatabase(cluster, name);
  });

  it('are applied once by two servers that start together', async () => {
    const migrations = readMigrations(migrationsFolder());
    const applied = await Promise.all([migrate(first, migrations), migrate(second, migrations)]);
    expect(applied.flat().sort()).toEqual(migrations.map((migration) => migration.name));
    expect(applied.some((names) => names.length === 0)).toBe(true);
  });

  it('leave nothing of one that fails, and keep those before it', async () => {
    const good = { name: '0001-good', sql: 'CREATE TABLE good (id int)' };
    const bad = { name: '0002-bad', sql: 'CREATE TABLE half (id int); SELECT no_such_function()' };
    await expect(migrate(first, [good, bad])).rejects.toThrow(/0002-bad failed/);
    expect(await first.query(`SELECT to_regclass('good') AS good, to_regclass('half') AS half`)).toEqual([{ good: 'good', half: null }]);
    expect(await migrate(second, [good])).toEqual([]);
  });

  it('refuse a database of a newer version', async () => {
    await migrate(first, [{ name: '0009-later', sql: 'SELECT 1' }]);
    await expect(migrate(first, [])).rejects.toThrow(/newer version.*0009-later/);
  });

  it('comment every column', async () => {
    const uncommented = readMigrations(migrationsFolder()).flatMap(({ name: file, sql }) =>
      [...sql.matchAll(/^CREATE TABLE (\w+) \(\n([\s\S]*?)^\)/gm)].flatMap(([, table, body]) =>
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
