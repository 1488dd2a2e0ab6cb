import pg from 'pg';
import { Config } from '../../apps/homeserver/src/config/config.js';
import { Log } from '../../apps/homeserver/src/observability/log.js';
import { startServer, type RunningServer } from '../../apps/homeserver/src/server.js';
import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import { freePort } from '../network/free-port.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const LOCK = 0x73657276;

describe('a database that a server has', () => {
  let net: Network;
  let proxy: DatabaseProxy;
  let directUrl = '';
  let a: TestServer;
  let alice: TestClient;
  const others: RunningServer[] = [];

  beforeEach(async () => {
    net = await Network.start({
      databaseUrl: async (_label, url) => {
        directUrl = url;
        const way = await DatabaseProxy.open(url);
        ({ proxy } = way);
        return way.url;
      },
    });
    a = net.server('a');
    alice = await net.client().register('alice');
  });
  afterEach(async () => {
    for (const other of others.splice(0)) await other.stop();
    await net?.stop();
    await proxy?.close();
  });

  /** Another process on the same database. */
  const start = async (settings: Partial<Config> = {}): Promise<RunningServer> => {
    const [httpPort, httpsPort] = [await freePort(), await freePort()];
    const config = Object.assign(new Config(), a.config, { httpPort, httpsPort, databaseUrl: directUrl, publicUrl: `http://localhost:${httpPort}` }, settings);
    const other = await startServer(config, { log: new Log('silent'), databaseLimits: { ...usualLimits, takeOverMs: 0 } });
    others.push(other);
    return other;
  };
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ connectionString: directUrl });
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const holders = async (): Promise<unknown[]> => (await query(
    `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
  )).map(({ pid }) => pid);
  /** The lock is cut, and somebody else has it at once. */
  const taken = async (): Promise<pg.Client> => {
    const [lock] = await holders();
    const other = new pg.Client({ connectionString: directUrl });
    await other.connect();
    // He waits for it, so that nobody comes before him.
    const waits = other.query('SELECT pg_advisory_lock($1)', [LOCK]);
    await eventually(async () => (await query(`SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = ${LOCK} AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)).length > 0);
    await query(`SELECT pg_terminate_backend(${String(lock)})`);
    await waits;
    return other;
  };
  const write = (n: number): Promise<{ status: number }> =>
    alice.raw('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.x`, { n });

  it('is not given to a second process, which says who has it', async () => {
    await expect(start()).rejects.toThrow(new RegExp(`in use by the server ${a.name} \\(.*process ${process.pid}, since 20`));
    expect((await write(1)).status).toBe(200);
  });

  it.each([['', ''], [', also by a version that did not write the name down', 'DROP TABLE database_holder']])('is not given to a server of another name%s', async (_what, sql) => {
    await alice.request('POST', '/v3/createRoom', { room_version: '11' });
    await a.stop();
    if (sql !== '') await query(sql);
    await expect(start({ serverName: 'other.example' })).rejects.toThrow(`PARTYLINE_SERVER_NAME=${a.name}`);
  });

  it('is kept by whose lock is cut', async () => {
    const before = await holders();
    await query(`SELECT pg_terminate_backend(${String(before[0])})`);
    await eventually(async () => {
      const now = await holders();
      return now.length === 1 && now[0] !== before[0];
    });
    await expect(start()).rejects.toThrow('in use');
    expect((await write(1)).status).toBe(200);
  });

  it('is taken from a process that cannot be reached, which ends when it notices', async () => {
    // Its way to the database is broken, all but the connections that it writes on.
    proxy.refuse(true);
    const [lock] = await holders();
    await query(`SELECT pg_terminate_backend(${String(lock)})`);
    await eventually(async () => (await holders()).length === 0);
    const open = await query(`SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`);
    expect(open.length).toBeGreaterThan(0);
    await start();
    const left = await query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND pid = ANY('{${open.map(({ pid }) => pid).join(',')}}')`);
    expect(left).toEqual([]);
    expect((await write(2)).status).toBeGreaterThanOrEqual(500);
    proxy.refuse(false);
    expect(await a.ended).toMatch(/^Another process has taken over this server's database/);
    expect((await write(3)).status).toBeGreaterThanOrEqual(500);
  });

  it('is given up when somebody has had it meanwhile, though he has left again', async () => {
    proxy.refuse(true);
    const other = await taken();
    // As a process does on the connection that holds the lock, before it reads anything.
    await other.query('UPDATE database_holder SET epoch = epoch + 1');
    await other.end();
    proxy.refuse(false);
    expect(await a.ended).toMatch(/^Another process has taken over/);
    expect((await write(4)).status).toBeGreaterThanOrEqual(500);
  });

  it('is kept when somebody has the lock for a while, and nothing more', async () => {
    const other = await taken();
    const tries = async (): Promise<number> => Number((await other.query('SELECT sessions FROM pg_stat_database WHERE datname = current_database()')).rows[0].sessions);
    const before = await tries();
    await eventually(async () => (await tries()) >= before + 3);
    await other.end();
    await eventually(async () => (await holders()).length === 1);
    expect((await write(4)).status).toBe(200);
  });

  it('takes no commit of an epoch that is over', async () => {
    expect((await write(1)).status).toBe(200);
    await query('UPDATE database_holder SET epoch = epoch + 1');
    expect((await write(2)).status).toBeGreaterThanOrEqual(500);
    expect(await a.ended).toMatch(/^Another process has taken over/);
    expect(await query("SELECT json FROM account_data WHERE type = 'org.example.x'")).toEqual([{ json: '{"n":1}' }]);
  });
});
