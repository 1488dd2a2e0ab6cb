import type { CommitFate, DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import type { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import { troubledNetwork } from '../network/troubled-network.js';

describe.each<CommitFate>(['answer lost', 'last'])('an account that ends while the database goes away (%s)', (fate) => {
  let net: Network;
  let proxy: DatabaseProxy;

  beforeAll(async () => {
    ({ net, proxy } = await troubledNetwork());
  }, 120_000);
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  it('has no session when it is back, and leaves its rooms', async () => {
    const [alice, bob] = [await net.client('a').register('alice'), await net.client('b').register('bob')];
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: net.server('a').name } });
    const { body: { session } } = await alice.raw('POST', '/v3/account/deactivate', {});
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'password of alice', session };
    const cut = proxy.cut('account.deactivate', fate).then(() => proxy.refuse(true));
    const answer = alice.raw('POST', '/v3/account/deactivate', { auth });
    await cut;
    // While it is away as long as somebody waits.
    await eventually(async () => (await alice.raw('GET', '/v3/profile/%40nobody%3Alocalhost')).status >= 500);
    proxy.refuse(false);
    await answer;
    await eventually(async () => (await alice.raw('GET', '/v3/account/whoami')).status === 401, 20_000);
    await eventually(async () => (await bob.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`)).membership === 'leave', 20_000);
  }, 120_000);
});
