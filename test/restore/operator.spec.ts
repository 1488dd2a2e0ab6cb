import { createHmac } from 'node:crypto';
import { DatabaseEpoch } from '../../apps/homeserver/src/storage/database-epoch.js';
import { sync } from '../integration/test-keys.js';
import { Network, REGISTRATION_SECRET } from '../network/network.js';
import { homesPath } from '../network/person.js';
import { TestClient, type Json } from '../network/test-client.js';

const admin = '/_synapse/admin/v1';

describe('an operator', () => {
  let net: Network;
  beforeEach(async () => {
    net = await Network.start();
  });
  afterEach(() => net.stop());

  const ask = async (what: string, secret = REGISTRATION_SECRET): Promise<Json> => {
    const client = new TestClient(net.server('a'));
    const { nonce } = await client.request('GET', `${admin}/register`);
    const mac = createHmac('sha1', secret).update(`${nonce}\0${what}`).digest('hex');
    return client.request('POST', `${admin}/io.partyline/${what}`, { nonce, mac });
  };

  it('may say that the database was restored, and nobody else', async () => {
    const { epoch } = net.server('a').get(DatabaseEpoch);
    const alice = await net.client().register('alice');
    const { next_batch: since } = await sync(alice);
    expect(await alice.request('GET', `${homesPath}/account/homes`)).not.toHaveProperty('restored_ts');
    await expect(ask('restored', 'a guess')).rejects.toThrow();
    expect(net.server('a').get(DatabaseEpoch).epoch).toBe(epoch);
    expect(await ask('restored')).toEqual({ restored_ts: expect.any(Number), cause: 'command' });
    expect(net.server('a').get(DatabaseEpoch).epoch).not.toBe(epoch);
    // Owners see it, and who was not ahead goes on as before.
    expect(await alice.request('GET', `${homesPath}/account/homes`)).toMatchObject({ restored_ts: expect.any(Number) });
    expect((await sync(alice, since)).rooms).toBeUndefined();
    await net.server('a').restart();
    expect((await sync(alice, since)).rooms).toBeUndefined();
  });

  it('may end all sessions, whose devices log in again with what they have', async () => {
    const [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
    const backup = await net.backUp('a');
    await alice.request('POST', '/v3/logout', {});
    const lost = await net.client().login('bob');
    await net.restore('a', backup);
    // The logout is lost, a newer session too: that one is told to keep its keys.
    await alice.request('GET', '/v3/account/whoami');
    expect(await lost.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami')).toMatchObject({ soft_logout: true });
    await expect(ask('end_sessions', 'a guess')).rejects.toThrow();
    expect(await ask('end_sessions')).toEqual({ ended: 2 });
    for (const client of [alice, bob]) {
      expect(await client.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami')).toMatchObject({ soft_logout: true });
    }
    const again = await net.client().login('bob', undefined, { device_id: bob.deviceId });
    expect(again.deviceId).toBe(bob.deviceId);
  });
});
