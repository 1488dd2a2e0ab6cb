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
});
