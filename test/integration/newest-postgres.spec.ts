import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPostgresBinaries } from '../../apps/homeserver/src/storage/postgres-binaries.js';
import { ensureDatabase, startPrivateCluster, type PrivateCluster } from '../../apps/homeserver/src/storage/private-cluster.js';
import { Network } from '../network/network.js';

const binaries = findPostgresBinaries(process.env['PATH']).filter(({ packageRoot }) => packageRoot !== null);
if (binaries.length === 0) process.stdout.write('newest-postgres: npm has no PostgreSQL for this platform; left out\n');

(binaries.length > 0 ? describe : describe.skip)('on the PostgreSQL of npm, which a machine without one of its own gets', () => {
  let folder: string;
  let cluster: PrivateCluster;
  let net: Network;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-newest-'));
    chmodSync(folder, 0o755);
    cluster = await startPrivateCluster({ dataDir: join(folder, 'data'), path: undefined, binaries, progress: () => undefined, settings: { fsync: 'off' } });
    await ensureDatabase(cluster, 'empty');
    net = await Network.start({ databaseUrl: () => Promise.resolve(cluster.url('empty')) });
  }, 120_000);
  afterAll(async () => {
    await net?.stop();
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  it('makes its tables and serves', async () => {
    const alice = await net.client().register('alice');
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { name: 'hall' });
    await alice.request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'hello' });
    const { rooms } = await alice.request('GET', '/v3/sync');
    expect(rooms.join[roomId].timeline.events.at(-1).content.body).toBe('hello');
  });
});
