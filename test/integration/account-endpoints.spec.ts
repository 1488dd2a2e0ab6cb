import { nextHomeRecord } from '#e2e';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// The table of docs/protocol.md §2: what an access token alone gets, at each endpoint of an account. It must never change who the account is.
describe('with a token alone', () => {
  let net: Network;
  let a: TestServer;
  let owned: Person;
  let ordinary: TestClient;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
    a = net.server('a');
    owned = await Person.named('owned', a);
    ordinary = await net.client(a).register('ordinary');
  });
  afterAll(() => net.stop());

  const record = (client: TestClient): Promise<Json> => client.request('GET', `${homesPath}/account/record`);
  const stranger = async (): Promise<Person> => Person.selfCertified(`thief${Math.random().toString(36).slice(2, 8)}`, a);

  it.each<[string, string, number, (thief: Person, userId: string) => Promise<Json>]>([
    ['GET', 'account/record', 200, async () => undefined],
    ['GET', 'account/homes', 200, async () => undefined],
    ['POST', 'account/attach', 200, async (_thief, user_id) => ({ user_id })],
    ['POST', 'account/claim', 401, async () => ({})],
    // Signed by whoever has the token, not by the account key.
    ['PUT', 'account/record', 403, async (thief) => ({ record: { ...nextHomeRecord(thief.record, {}, thief.key), user_id: owned.userId } })],
    ['PUT', 'account/record', 403, async (thief) => ({ record: { ...owned.record, seq: 5, signature: thief.record.signature } })],
  ])('%s %s is answered with %i and changes nothing', async (method, path, status, body) => {
    const thief = await stranger();
    for (const client of [owned.at(a), ordinary]) {
      const before = await record(client);
      expect((await client.raw(method, `${homesPath}/${path}`, await body(thief, client.userId))).status).toBe(status);
      expect(await record(client)).toEqual(before);
    }
  });

  it('another genesis cannot be had for an account that has one, nor a first one', async () => {
    const thief = await stranger();
    const genesis = { ...thief.record.genesis, label: 'owned' };
    expect(await owned.at(a).request('POST', `${homesPath}/account/attach`, { user_id: owned.userId, genesis })).not.toHaveProperty('endorsement');
    const fresh = await net.client(a).register('fresh');
    const first = { user_id: fresh.userId, genesis: { ...genesis, label: 'fresh' } };
    expect((await fresh.raw('POST', `${homesPath}/account/attach`, first)).status).toBe(401);
  });
});
