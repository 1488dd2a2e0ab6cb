import { sync, TestDeviceKeys } from '../integration/test-keys.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

const query = (client: TestClient, user: TestClient): Promise<Json> =>
  client.request('POST', '/v3/keys/query', { timeout: 5_000, device_keys: { [user.userId]: [] } });
const devicesOf = async (client: TestClient, user: TestClient): Promise<string[]> =>
  Object.keys((await query(client, user)).device_keys[user.userId] ?? {}).sort();
const claim = async (client: TestClient, user: TestClient): Promise<Json> =>
  (await client.request('POST', '/v3/keys/claim', { one_time_keys: { [user.userId]: { [user.deviceId!]: 'signed_curve25519' } } }))
    .one_time_keys[user.userId]?.[user.deviceId!];

describe('keys of devices after a restore', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    alice = await net.client('a').register('alice');
    bob = await net.client('b').register('bob');
  });
  afterEach(() => net.stop());

  const meet = async (): Promise<string> => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: alice.server.name } });
    return roomId;
  };

  it.each(['database', 'nothing'] as const)('are given out to nobody again, when it is noticed by %s', async (noticed) => {
    const device = await TestDeviceKeys.upload(alice, 3);
    const fallback = device.sign({ key: 'f'.repeat(43), fallback: true });
    await alice.request('POST', '/v3/keys/upload', { fallback_keys: { 'signed_curve25519:f': fallback } });
    const backup = await net.backUp('a');
    const given = Object.keys(await claim(bob, alice));
    const lost = await sync(alice);
    expect(lost.device_one_time_keys_count).toEqual({ signed_curve25519: 2 });
    expect(lost.device_unused_fallback_key_types).toEqual(['signed_curve25519']);
    await net.restore('a', backup, noticed);

    const after = await sync(alice, lost.next_batch);
    expect(after.device_one_time_keys_count).toEqual({ signed_curve25519: 0 });
    expect(after.device_unused_fallback_key_types).toEqual([]);
    expect(Object.keys(await claim(bob, alice))).toEqual(['signed_curve25519:f']);
    // The answer to an upload was lost together with the database: the client repeats it.
    await alice.request('POST', '/v3/keys/upload', { one_time_keys: device.oneTimeKeys(2, 'new') });
    const fresh = Object.keys(await claim(bob, alice));
    expect(fresh).toEqual(['signed_curve25519:new0']);
    expect(given).not.toEqual(fresh);
  });

  it('are told to the servers of the rooms anew, where they know of a device that was lost', async () => {
    await TestDeviceKeys.upload(alice);
    await meet();
    await eventually(async () => (await devicesOf(bob, alice)).length === 1);
    const backup = await net.backUp('a');
    const phone = await net.client('a').login('alice');
    await TestDeviceKeys.upload(phone);
    const lost = await eventually(async () => {
      const devices = await devicesOf(bob, alice);
      return devices.includes(phone.deviceId!) && devices;
    });
    expect(lost).toHaveLength(2);
    const { next_batch: since } = await sync(bob);
    await net.restore('a', backup);
    await eventually(async () => (await sync(bob, since)).device_lists?.changed?.includes(alice.userId));
    await eventually(async () => (await devicesOf(bob, alice)).join() === alice.deviceId);
    // And what comes later is told as usual.
    const tablet = await net.client('a').login('alice');
    await TestDeviceKeys.upload(tablet);
    await eventually(async () => (await devicesOf(bob, alice)).includes(tablet.deviceId!));
  });

  it('are asked for anew, where others have told of changes that were lost', async () => {
    await TestDeviceKeys.upload(bob);
    await meet();
    await eventually(async () => (await devicesOf(alice, bob)).length === 1);
    const backup = await net.backUp('a');
    const phone = await net.client('b').login('bob');
    await TestDeviceKeys.upload(phone);
    await eventually(async () => (await devicesOf(alice, bob)).length === 2);
    // A client that was away, whose token is good.
    const { next_batch: since } = await sync(alice);
    await net.restore('a', backup);
    await eventually(async () => (await sync(alice, since)).device_lists?.changed?.includes(bob.userId));
    expect(await devicesOf(alice, bob)).toEqual([bob.deviceId, phone.deviceId].sort());
  });
});
