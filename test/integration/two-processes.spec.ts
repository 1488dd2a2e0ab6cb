import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import pg from 'pg';
import { ServeProcess } from '../network/serve-process.js';
import { createTestDatabase, dropTestDatabase, testCluster, type TestCluster } from '../network/test-cluster.js';

describe('two processes on one database', () => {
  let cluster: TestCluster;
  let name = '';
  let first: ServeProcess;
  let second: ServeProcess;

  beforeAll(async () => {
    cluster = await testCluster();
    name = `t_${randomBytes(8).toString('hex')}`;
    const database = await createTestDatabase(cluster, name);
    [first, second] = [new ServeProcess(), new ServeProcess()];
    first.database = second.database = database;
    await first.start();
    await first.createUser('alice');
  }, 120_000);
  afterAll(async () => {
    await first.remove();
    await second.remove();
    await dropTestDatabase(cluster, name);
  }, 60_000);

  it('are not started: the second says who has it, and ends', async () => {
    expect(await second.fails()).toMatch(
      new RegExp(`^partyline: .*This database is in use by the server localhost \\(.+, process ${first.child.pid}, since 20.+\\): end that one first`, 'm'),
    );
  }, 60_000);

  it('never write both: one that was frozen and lost its lock meanwhile ends when it wakes', async () => {
    first.child.kill('SIGSTOP');
    const client = new pg.Client({ connectionString: first.database });
    await client.connect();
    // As a network does that is cut between them.
    await client.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())", [0x73657276]);
    await client.end();
    await second.start();
    expect(await second.login('alice')).toBe(200);
    const exit = once(first.child, 'exit');
    first.child.kill('SIGCONT');
    expect((await exit)[0]).toBe(1);
    expect(first.output).toMatch(/^partyline: Another process has taken over this server's database.*; this one ends\.$/m);
    expect(await second.login('alice')).toBe(200);
  }, 120_000);
});
