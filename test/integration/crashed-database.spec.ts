import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import pg from 'pg';
import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { runningPostmaster } from '../../apps/homeserver/src/storage/postmaster.js';
import { ensureDatabase, startPrivateCluster, type PrivateCluster } from '../../apps/homeserver/src/storage/private-cluster.js';
import { DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { allPages, roomPath, shownAs } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';

/**
 * A PostgreSQL that is killed forgets the numbers of transactions that left nothing on its disk, and gives them to others: such a number says
 * nothing about what was lost.
 */
describe('a server whose database is killed before a COMMIT arrives', () => {
  let folder: string;
  let cluster: PrivateCluster;
  let net: Network;
  let proxy: DatabaseProxy;
  let alice: TestClient;
  let roomId = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-crash-'));
    // What is not committed stays off the disk until the kill.
    cluster = await startPrivateCluster({
      dataDir: folder, path: process.env['PATH'], progress: () => undefined, settings: { wal_writer_delay: '10s', wal_writer_flush_after: '1GB', autovacuum: 'off' },
    });
    await ensureDatabase(cluster, 'partyline');
    net = await Network.start({
      databaseLimits: { ...usualLimits, answerMs: 2_500 },
      databaseUrl: async () => {
        const way = await DatabaseProxy.open(cluster.url('partyline'));
        ({ proxy } = way);
        return way.url;
      },
    });
    alice = await net.client('a').register('alice');
    ({ room_id: roomId } = await alice.request('POST', '/v3/createRoom', {}));
  }, 120_000);
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const bodies = async (): Promise<string[]> => shownAs((await allPages(alice, roomId, { dir: 'b', limit: 100 })).events);

  it.each([['is not given again', 0], ['is given to somebody else', 50]])('stores it once, where its number %s', async (title, others) => {
    let ended = '';
    void net.server('a').ended.then((sentence) => (ended = sentence));
    const cut = proxy.cut('events.insert', 'commit lost').then(() => proxy.refuse(true));
    const answer = alice.raw('PUT', `${roomPath(roomId)}/send/m.room.message/${alice.nextTxn()}`, { msgtype: 'm.text', body: title });
    await cut;
    process.kill(runningPostmaster(cluster.folder)!, 'SIGKILL');
    await eventually(() => runningPostmaster(cluster.folder) === null);
    await cluster.revive();
    const other = new pg.Client({ connectionString: cluster.url('partyline') });
    await other.connect();
    for (let i = 0; i < others; i++) await other.query('SELECT txid_current()');
    await other.end();
    proxy.refuse(false);
    expect((await answer).status).toBe(200);
    expect(ended).toBe('');
    await net.server('a').restart();
    expect((await bodies()).filter((body) => body === title)).toEqual([title]);
  }, 60_000);
});
