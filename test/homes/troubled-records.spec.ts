import { lastHomeRecord } from '#e2e';
import type { CommitFate, DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import type { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { roomPath } from '../network/room-pages.js';
import { troubledNetwork } from '../network/troubled-network.js';

// Promise P3: a drop is a drop, also where the database troubles the server while it takes the record, or right after it.
describe.each<CommitFate>(['answer lost', 'last'])('a home whose database is away when it learns that it is none any more (%s)', (when) => {
  let net: Network;
  let proxy: DatabaseProxy;
  let count = 0;

  beforeAll(async () => {
    ({ net, proxy } = await troubledNetwork());
  }, 120_000);
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  /** Its database is away from the commit of a record on, which is stored; then it is back. */
  const whileAway = async (work: () => Promise<unknown>): Promise<void> => {
    const cut = proxy.cut('account_record.put', when).then(() => proxy.refuse(true));
    const done = work().catch(() => undefined);
    await cut;
    await done;
    proxy.refuse(false);
  };

  it('ends its sessions as soon as it can', async () => {
    const [a, b] = [net.server('a'), net.server('b')];
    const alice = await Person.named(`alice${++count}`, a);
    await alice.addHome(b);
    const dropped = alice.next({ drop: [a.name] });
    await whileAway(() => alice.publish(dropped, a));
    await eventually(async () => (await alice.at(a).raw('GET', '/v3/account/whoami')).status === 401, 20_000);
    await expect(alice.login(a, 'BACK')).rejects.toThrow('403');
  }, 120_000);

  it('ends an account that has ended, and leaves its rooms', async () => {
    const [a] = [net.server('a')];
    const alice = await Person.named(`alice${++count}`, a);
    const bob = await net.client('b').register(`bob${count}${when.length}`);
    const { room_id: roomId } = await alice.at(a).request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: a.name } });
    await whileAway(() => alice.publish(lastHomeRecord(alice.record, false, alice.key), a));
    await eventually(async () => (await alice.at(a).raw('GET', '/v3/account/whoami')).status === 401, 20_000);
    await eventually(async () => (await bob.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`)).membership === 'leave', 20_000);
  }, 120_000);
});
