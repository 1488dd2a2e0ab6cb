import type { DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import type { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import { troubledNetwork } from '../network/troubled-network.js';
import type { TestClient } from '../network/test-client.js';

describe('a new name', () => {
  let net: Network;
  let proxy: DatabaseProxy;
  let alice: TestClient;
  let bob: TestClient;
  let rooms: string[];

  beforeAll(async () => {
    ({ net, proxy } = await troubledNetwork());
    [alice, bob] = await Promise.all([net.client('a').register('alice'), net.client('b').register('bob')]);
    rooms = [];
    for (let i = 0; i < 3; i++) rooms.push((await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id);
    await bob.request('POST', `/v3/join/${encodeURIComponent(rooms[2]!)}`, {}, { query: { server_name: net.server('a').name } });
  }, 120_000);
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  const path = (): string => `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`;
  const nameIn = async (reader: TestClient, roomId: string): Promise<string> =>
    (await reader.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`)).displayname;
  const shows = async (name: string): Promise<void> => {
    for (const roomId of rooms) await eventually(async () => (await nameIn(alice, roomId)) === name, 20_000);
    await eventually(async () => (await nameIn(bob, rooms[2]!)) === name, 20_000);
  };

  it('comes to all rooms although the database goes away when it is stored', async () => {
    const cut = proxy.cut('profile.note_change', 'answer lost').then(() => proxy.refuse(true));
    const answer = alice.raw('PUT', path(), { displayname: 'Alice of the trouble' });
    await cut;
    await eventually(async () => (await alice.raw('GET', '/v3/profile/%40nobody%3Alocalhost')).status >= 500);
    proxy.refuse(false);
    await answer;
    await eventually(async () => (await alice.request('GET', path())).displayname === 'Alice of the trouble', 20_000);
    await shows('Alice of the trouble');
  }, 120_000);

  it('comes to all rooms although the server dies before it has told any', async () => {
    const cut = proxy.cut('profile.note_change', 'answer lost').then(() => proxy.refuse(true));
    const answer = alice.raw('PUT', path(), { displayname: 'Alice of the crash' }).catch(() => undefined);
    await cut;
    await net.server('a').crash();
    await answer;
    proxy.refuse(false);
    await net.server('a').start();
    await shows('Alice of the crash');
  }, 120_000);
});
