import type { Socket } from 'node:net';
import type { Pool } from 'pg';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { databaseOf, openDataSource } from '../../apps/homeserver/src/storage/data-source.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';

const ownPid = statement('test.own_pid', 'SELECT pg_backend_pid() AS pid');
const terminate = statement('test.terminate', 'SELECT pg_terminate_backend($1)');
const present = statement('test.present', 'SELECT 1 FROM pg_stat_activity WHERE pid = $1');

describe('a server whose database drops a connection', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start();
  });
  afterAll(() => net.stop());

  it('fails the transaction that was between two statements, and goes on', async () => {
    const db = net.server('a').get(Database);
    const work = db.transaction(async (tx) => {
      const [row] = await tx.query<{ pid: number }>(ownPid);
      await db.query(terminate, [row!.pid]);
      await eventually(async () => (await db.query(present, [row!.pid])).length === 0);
      await tx.query(ownPid);
    });
    await expect(work).rejects.toThrow();
    expect((await net.client().register('alice')).userId).toMatch(/^@alice:/);
  });

  it('lives on when a connection is lost before its first user has it', async () => {
    const dataSource = await openDataSource(net.server('a').config.databaseUrl);
    try {
      const db = databaseOf(dataSource);
      const pool = (dataSource.driver as PostgresDriver).master as Pool;
      // The first connection is there already.
      const held = await pool.connect();
      pool.once('acquire', (client) => process.nextTick(() => (client as unknown as { connection: { stream: Socket } }).connection.stream.destroy()));
      await expect(db.query(ownPid)).rejects.toThrow('Connection terminated');
      expect(await db.query(ownPid)).toHaveLength(1);
      held.release();
    } finally {
      await dataSource.destroy();
    }
  });
});
