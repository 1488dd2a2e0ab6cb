import { accountKeyLogin } from '#e2e';
import { eventually } from '../network/eventually.js';
import { homesPath, Person } from '../network/person.js';
import { TestClient, type Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { isCaughtUp, settles } from './talk.js';

// A device that its owner removed stays removed, whatever whoever has it does at a home that has not heard (protocol §4, "Devices").
let network: LinkedNetwork;
let a: TestServer; let b: TestServer;
let count = 0;
beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b']);
  [a, b] = network.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => network?.stop());
afterEach(() => network.cut(a, b, 'open'));

interface Scene { alice: Person; laptop: TestClient; phone: TestClient }
/** Somebody with a laptop at A and a phone at B. */
async function scene(): Promise<Scene> {
  const alice = await Person.named(`alice${++count}`, a);
  await alice.addHome(b, { through: a });
  const phone = await alice.login(b, 'PHONE');
  const laptop = await alice.login(a, 'LAPTOP');
  for (const client of [phone, laptop]) await settles(async () => expect(await devices(client)).toEqual(expect.arrayContaining(['PHONE', 'LAPTOP'])));
  await isCaughtUp(alice, a, b);
  return { alice, laptop, phone };
}
const devices = async (client: TestClient): Promise<string[]> => (await client.request('GET', '/v3/devices')).devices.map((one: Json) => one.device_id);
const isLoggedIn = async (client: TestClient): Promise<boolean> => (await client.raw('GET', '/v3/account/whoami')).status === 200;
async function remove({ alice, laptop }: Scene, deviceId: string): Promise<Json> {
  const { body: { session } } = await laptop.raw('POST', '/v3/delete_devices', { devices: [deviceId] });
  return laptop.request('POST', '/v3/delete_devices', { devices: [deviceId], auth: { ...password(alice), session } });
}
const password = (alice: Person): Json =>
  ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: alice.userId }, password: `password of ${alice.label}` });

it('does not come back by what it did at a home that was apart', async () => {
  const all = await scene();
  network.cut(a, b);
  await remove(all, 'PHONE');
  await all.phone.request('PUT', '/v3/devices/PHONE', { display_name: 'harmless' });
  expect(await isLoggedIn(all.phone)).toBe(true);
  network.cut(a, b, 'open');
  await eventually(async () => !(await isLoggedIn(all.phone)), 20_000);
  await isCaughtUp(all.alice, a, b);
  const other = await all.alice.login(b, 'OTHER');
  for (const client of [all.laptop, other]) await settles(async () => expect(await devices(client)).not.toContain('PHONE'));
});

it('cannot log in with the account key again at any home; the owner may take it back with the password', async () => {
  const all = await scene();
  const answer = await remove(all, 'PHONE');
  expect(answer['io.partyline.may_hold_account_key']).toBe(true);
  await eventually(async () => !(await isLoggedIn(all.phone)), 20_000);
  for (const server of [a, b]) {
    const body = { type: accountKeyLogin, identifier: { type: 'm.id.user', user: all.alice.userId }, device_id: 'PHONE', ...(await all.alice.proof(server)) };
    await network.net.client(server).expectError(403, 'IO_PARTYLINE_DEVICE_REMOVED', 'POST', '/v3/login', body);
  }
  const again = new TestClient(a);
  const login = await again.request('POST', '/v3/login', { ...password(all.alice), device_id: 'PHONE' });
  again.accessToken = login.access_token;
  await settles(async () => expect(await devices(await all.alice.login(b, 'OTHER'))).toContain('PHONE'));
  const phoneAtB = await all.alice.login(b, 'PHONE');
  expect(await isLoggedIn(phoneAtB)).toBe(true);
  expect(await isLoggedIn(again)).toBe(true);
});

it('loses the sessions that did not know of its removal, when the owner has taken it back meanwhile', async () => {
  const all = await scene();
  network.cut(a, b);
  await remove(all, 'PHONE');
  const again = new TestClient(a);
  again.accessToken = (await again.request('POST', '/v3/login', { ...password(all.alice), device_id: 'PHONE' })).access_token;
  network.cut(a, b, 'open');
  await eventually(async () => !(await isLoggedIn(all.phone)), 20_000);
  expect(await isLoggedIn(again)).toBe(true);
  expect(await devices(again)).toContain('PHONE');
  expect((await again.request('GET', `${homesPath}/account/homes`)).homes).toHaveLength(2);
});
