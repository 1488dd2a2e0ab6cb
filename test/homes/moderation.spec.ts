import { createHmac } from 'node:crypto';
import { Network, REGISTRATION_SECRET } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { settles } from './talk.js';

// What an operator decides about an account holds at his server, and the other homes show it (protocol §2, "Deactivation").
let net: Network;
let a: TestServer;
let b: TestServer;
let admin: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  admin = await administrator();
}, 90_000);
afterAll(() => net?.stop());

async function administrator(): Promise<TestClient> {
  const client = net.client(a);
  const { nonce } = await client.request('GET', '/_synapse/admin/v1/register');
  const mac = createHmac('sha1', REGISTRATION_SECRET).update(`${nonce}\0admin\0x long enough\0admin`).digest('hex');
  client.accessToken = (await client.request('POST', '/_synapse/admin/v1/register', { nonce, username: 'admin', password: 'x long enough', admin: true, mac })).access_token;
  return client;
}

const decide = (userId: string, what: 'lock' | 'suspend', body: Json): Promise<Json> =>
  admin.request('PUT', `/v1/admin/${what}/${encodeURIComponent(userId)}`, body);
const shown = async (client: TestClient): Promise<Json> =>
  (await client.request('GET', `${homesPath}/account/homes`)).homes.find((home: Json) => home.server_name === a.name).moderation;

it('is shown by the other home, which goes on serving', async () => {
  const alice = await Person.named('moderated', a);
  await decide(alice.userId, 'suspend', { suspended: true });
  // Decided before there was another home, and after.
  const atB = await alice.addHome(b, { through: a });
  await settles(async () => expect(await shown(atB)).toEqual({ locked: false, suspended: true }));
  await decide(alice.userId, 'lock', { locked: true });
  await settles(async () => expect(await shown(atB)).toEqual({ locked: true, suspended: true }));
  await alice.at(a).expectError(401, 'M_USER_LOCKED', 'GET', '/v3/sync');
  expect((await atB.raw('GET', '/v3/sync')).status).toBe(200);
  expect((await atB.raw('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'goes on' })).status).toBe(200);
  await decide(alice.userId, 'lock', { locked: false });
  await decide(alice.userId, 'suspend', { suspended: false });
  await settles(async () => expect(await shown(atB)).toBeUndefined());
}, 60_000);
