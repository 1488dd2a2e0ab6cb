import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { TestCrossSigning, TestDeviceKeys } from '../integration/test-keys.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, settles } from './talk.js';

// What a client that has verified somebody is told of him at an emergency home, which has none of the account's signatures (protocol §4, "Kinds").
let net: Network;
let a: TestServer; let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'c'] });
  [a, c] = net.servers as [TestServer, TestServer];
}, 60_000);
afterAll(() => net?.stop());

it('keeps its client from taking back that it has verified somebody, until the copy is there', async () => {
  const alice = await Person.named('alice', a);
  const bob = await net.client(c).register('bob');
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  const [alices, bobs] = [new TestCrossSigning(alice.userId), new TestCrossSigning(bob.userId)];
  const phone = await TestDeviceKeys.upload(alice.at(a));
  await TestDeviceKeys.upload(bob);
  await alice.at(a).request('POST', '/v3/keys/device_signing/upload', alices.body());
  await bob.request('POST', '/v3/keys/device_signing/upload', bobs.body());
  const query = (client: TestClient): Promise<Json> => client.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [], [bob.userId]: [] } });
  // Her master key is known at his server; what she signs is nobody's business.
  await settles(async () => expect((await query(bob)).master_keys).toHaveProperty([alice.userId]));
  await settles(async () => expect((await query(alice.at(a))).master_keys).toHaveProperty([bob.userId]));
  const signed = { [bob.userId]: { [bobs.masterPublicKey]: alices.signUser(bobs.body().master_key) } };
  expect(await alice.at(a).request('POST', '/v3/keys/signatures/upload', signed)).toEqual({ failures: {} });
  const signersAt = async (client: TestClient): Promise<string[]> => Object.keys((await query(client)).master_keys[bob.userId]?.signatures ?? {});
  expect(await signersAt(alice.at(a))).toContain(alice.userId);

  await c.get(KeyRing).listed(a.name);
  await a.stop();
  try {
    const entry = await alice.offer(c);
    await alice.publish(alice.next({ add: [entry] }), c, { rooms: { [roomId]: [c.name] }, ...(await alice.proof(c)) });
    const atC = await alice.login(c, phone.deviceId);
    await isIn(atC, roomId);
    const { device_keys: devices, master_keys: masters, self_signing_keys: selfSigning } = await query(atC);
    expect([Object.keys(masters), Object.keys(selfSigning)]).toEqual([[alice.userId], [alice.userId]]);
    expect(Object.keys(devices[bob.userId])).toEqual([bob.deviceId]);
    expect(Object.keys((await query(bob)).master_keys).sort()).toEqual([alice.userId, bob.userId].sort());
  } finally {
    await a.start();
  }
  await settles(async () => expect(await signersAt(alice.at(c))).toContain(alice.userId), 40_000);
}, 90_000);
