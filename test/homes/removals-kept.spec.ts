import { accountKeyLogin } from '#e2e';
import { RemovedDevices } from '../../apps/homeserver/src/accounts/removed-devices.js';
import { Network } from '../network/network.js';
import { confirmed, Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { TravellingClock } from '../network/travelling-clock.js';
import { isCaughtUp } from './talk.js';

const DAY_MS = 24 * 3_600_000;

let net: Network;
const calendar = new TravellingClock();
let a: TestServer; let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], clock: calendar });
  [a, b] = net.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());

it('removals of devices are kept for 90 days, and until every home knows them', async () => {
  const alice = await Person.named('alice', a);
  await alice.addHome(b, { through: a });
  await alice.login(b, 'PHONE');
  const laptop = await alice.login(a, 'LAPTOP');
  await isCaughtUp(alice, b, a);
  await b.stop();
  await confirmed(laptop, 'alice', 'DELETE', '/v3/devices/PHONE', {});
  const login = async (): Promise<number> => {
    const body = { type: accountKeyLogin, identifier: { type: 'm.id.user', user: alice.userId }, device_id: 'PHONE', ...(await alice.proof(a)) };
    return (await net.client(a).raw('POST', '/v3/login', body)).status;
  };
  calendar.aheadMs = 91 * DAY_MS;
  await a.get(RemovedDevices).purge();
  expect(await login()).toBe(403);
  calendar.aheadMs = 89 * DAY_MS;
  await b.start();
  await isCaughtUp(alice, a, b);
  await a.get(RemovedDevices).purge();
  expect(await login()).toBe(403);
  calendar.aheadMs = 91 * DAY_MS;
  await a.get(RemovedDevices).purge();
  expect(await login()).toBe(200);
}, 60_000);
