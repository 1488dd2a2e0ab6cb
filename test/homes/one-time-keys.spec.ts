import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { TestDeviceKeys } from '../integration/test-keys.js';
import { RoutedPerson } from './routed-person.js';
import { isCaughtUp } from './talk.js';

const DEVICE = 'PHONE';
const ALGORITHM = 'signed_curve25519';

// One-time keys while homes die under their uploads: none lies at two homes, so that none is given out twice.
let net: Network;
let a: TestServer; let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());

async function claim(client: TestClient, userId: string): Promise<string | undefined> {
  const answer = await client.request('POST', '/v3/keys/claim', { one_time_keys: { [userId]: { [DEVICE]: ALGORITHM } } });
  return Object.keys(answer.one_time_keys[userId]?.[DEVICE] ?? {})[0];
}

it('are given out once each, though a home is killed under every upload, before or after it stored the keys', async () => {
  const alice = await Person.named('alice', a);
  await alice.addHome(b);
  for (const server of [a, b]) await alice.login(server, DEVICE);
  const device = await TestDeviceKeys.upload(alice.at(a));
  await isCaughtUp(alice, a, b);
  const near = [await net.client(a).register('near.a'), await net.client(b).register('near.b')];
  const routed = await RoutedPerson.enter(alice, [a, b], DEVICE);
  const uploaded: string[] = [];
  try {
    for (const [round, delayMs] of [0, 2, 5, 10, 20].entries()) {
      const keys: Json = device.oneTimeKeys(3, `r${round}.`);
      uploaded.push(...Object.keys(keys));
      await routed.router.pick('' + a.name);
      const upload = routed.request('POST', 'v3/keys/upload', { one_time_keys: keys }).then(() => true, () => false);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await a.crash();
      // The crypto layer uploads the same keys again until it is told that they have arrived.
      if (!(await upload)) await routed.request('POST', 'v3/keys/upload', { one_time_keys: keys });
      await a.start();
      // What the next home counts makes it send others.
      const more: Json = device.oneTimeKeys(1, `m${round}.`);
      uploaded.push(...Object.keys(more));
      await routed.request('POST', 'v3/keys/upload', { one_time_keys: more });
    }
  } finally {
    routed.leave();
  }
  const given: string[] = [];
  for (const client of near) {
    for (let i = 0; i < 30; i++) {
      const name = await claim(client, alice.userId);
      if (name === undefined) break;
      given.push(name);
    }
  }
  expect(new Set(given).size).toBe(given.length);
  expect(given.filter((name) => !uploaded.includes(name))).toEqual([]);
  expect(given.length).toBeGreaterThanOrEqual(5);
}, 120_000);
