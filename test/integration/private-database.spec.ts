import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { openPrivateDatabase, type PrivateDatabase } from '../../apps/homeserver/src/storage/private-database.js';
import { runningPostmaster } from '../../apps/homeserver/src/storage/postmaster.js';
import { eventually } from '../network/eventually.js';

const settings = { fsync: 'off' };

describe('the private database', () => {
  let folder: string;
  const open: PrivateDatabase[] = [];
  const start = async (dataDir = join(folder, 'data')): Promise<PrivateDatabase> => {
    const database = await openPrivateDatabase({ dataDir, path: process.env['PATH'], progress: () => undefined, settings });
    open.push(database);
    return database;
  };
  const query = async (database: PrivateDatabase, sql: string): Promise<unknown[]> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const clusterFolder = () => join(folder, 'data', 'postgres', 'cluster');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-database-'));
    chmodSync(folder, 0o755);
  });
  afterEach(async () => {
    await Promise.all(open.splice(0).map((database) => database.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('keeps what was written, and leaves no process behind', async () => {
    const first = await start();
    await query(first, 'CREATE TABLE kept (id int)');
    await first.close();
    expect(runningPostmaster(clusterFolder())).toBeNull();
    expect(await query(await start(), `SELECT to_regclass('kept') AS kept`)).toEqual([{ kept: 'kept' }]);
  });

  it('serves one server at a time', async () => {
    const first = await start();
    const second = start();
    // The second takes over when the first has ended, and not before its cluster is down.
    await first.close();
    expect(await query(await second, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('starts over the lock file of a process that is gone', async () => {
    const first = await start();
    const pid = runningPostmaster(clusterFolder())!;
    const lockFile = join(clusterFolder(), 'postmaster.pid');
    const lock = readFileSync(lockFile, 'utf8');
    process.kill(pid, 'SIGQUIT');
    await eventually(() => runningPostmaster(clusterFolder()) === null);
    open.splice(0);
    await first.close();
    // A living process that is no PostgreSQL has the number now.
    writeFileSync(lockFile, lock.replace(String(pid), String(process.pid)));
    chmodSync(lockFile, 0o644);
    expect(await query(await start(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('listens on no network address', async () => {
    expect(await query(await start(), 'SHOW listen_addresses')).toEqual([{ listen_addresses: '' }]);
  });

  it('uses a short socket path where the data folder has a long one', async () => {
    const dataDir = join(folder, 'x'.repeat(120), 'data');
    mkdirSync(dataDir, { recursive: true });
    const database = await start(dataDir);
    expect(await query(database, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const socketFolder = decodeURIComponent(new URL(database.url).host);
    expect(socketFolder).toMatch(/^\/tmp\/partyline-/);
    await open.splice(0)[0]!.close();
    rmSync(socketFolder, { recursive: true });
  });

  it('works in a folder that only its owner can enter', async () => {
    chmodSync(folder, 0o700);
    expect(await query(await start(), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const pointer = join(folder, 'data', 'postgres-folder');
    // As root the cluster is then elsewhere; the test must not leave it there.
    const elsewhere = existsSync(pointer) ? readFileSync(pointer, 'utf8').trim() : null;
    await open.splice(0)[0]!.close();
    if (elsewhere !== null) rmSync(join(elsewhere, '..'), { recursive: true });
  });
});
