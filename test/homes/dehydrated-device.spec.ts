import { TestDeviceKeys } from '../integration/test-keys.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const PATH = '/unstable/org.matrix.msc3814.v1/dehydrated_device';
const TYPE = 'org.example.test';

let net: Network;
let a: TestServer;
let b: TestServer;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  bob = await net.client(a).register('bob');
});
afterAll(() => net.stop());

const bodyOf = (userId: string, deviceId: string): Json => {
  const device = new TestDeviceKeys(userId, deviceId);
  return {
    device_id: deviceId, device_data: { algorithm: 'm.dehydration.v2', device_pickle: `pickle of ${deviceId}` }, initial_device_display_name: 'Dehydrated device',
    device_keys: { ...device.keys, dehydrated: true }, one_time_keys: device.oneTimeKeys(1, 'once'), fallback_keys: device.oneTimeKeys(1, 'fallback'),
  };
};
const put = (client: TestClient, deviceId: string): Promise<Json> => client.request('PUT', PATH, bodyOf(client.userId, deviceId));
const idOf = async (client: TestClient): Promise<string | undefined> => (await client.raw('GET', PATH)).body.device_id;
const claim = async (client: TestClient, userId: string, deviceId: string): Promise<string[]> => {
  const { one_time_keys: keys } = await client.request('POST', '/v3/keys/claim', { one_time_keys: { [userId]: { [deviceId]: 'signed_curve25519' } } });
  return Object.keys(keys[userId]?.[deviceId] ?? {});
};
const sendTo = (userId: string, deviceId: string, from: number, to: number): Promise<unknown> =>
  Promise.all(Array.from({ length: to - from }, (_, i) => bob.request('PUT', `/v3/sendToDevice/${TYPE}/${bob.nextTxn()}`, { messages: { [userId]: { [deviceId]: { n: from + i } } } })));

/** All that waits for a device, page by page as clients read it. */
async function waiting(client: TestClient, deviceId: string): Promise<number[]> {
  const numbers: number[] = [];
  for (let token: string | undefined; ;) {
    const page = await client.request('POST', `${PATH}/${deviceId}/events`, token === undefined ? {} : { next_batch: token });
    if (page.events.length === 0) return numbers.sort((x, y) => x - y);
    for (const event of page.events) {
      expect(event).toEqual({ type: TYPE, sender: bob.userId, content: { n: expect.any(Number) } });
      numbers.push(event.content.n);
    }
    token = page.next_batch;
  }
}
const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe('a dehydrated device', () => {
  let alice: TestClient;
  beforeAll(async () => {
    alice = await net.client(a).register('alice');
  });

  it('is offered, and is none before it is put away', async () => {
    expect((await alice.request('GET', '/versions')).unstable_features['org.matrix.msc3814']).toBe(true);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', PATH);
    await alice.expectError(404, 'M_NOT_FOUND', 'DELETE', PATH);
    await alice.expectError(403, 'M_FORBIDDEN', 'POST', `${PATH}/${alice.deviceId}/events`, {});
  });

  it('is given to its owner alone, and has keys and a name as others have', async () => {
    expect(await put(alice, 'DRY1')).toEqual({ device_id: 'DRY1' });
    expect(await alice.request('GET', PATH)).toEqual({ device_id: 'DRY1', device_data: { algorithm: 'm.dehydration.v2', device_pickle: 'pickle of DRY1' } });
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', PATH);
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${PATH}/DRY1/events`, {});
    expect((await alice.request('GET', '/v3/devices/DRY1')).display_name).toBe('Dehydrated device');
    const { device_keys: keys } = await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] } });
    expect(keys[alice.userId].DRY1).toMatchObject({ device_id: 'DRY1', dehydrated: true });
    expect(await claim(bob, alice.userId, 'DRY1')).toEqual(['signed_curve25519:once0']);
    expect(await claim(bob, alice.userId, 'DRY1')).toEqual(['signed_curve25519:fallback0']);
  });

  it('gets messages, which stay whoever reads them', async () => {
    await sendTo(alice.userId, 'DRY1', 0, 230);
    expect(await waiting(alice, 'DRY1')).toEqual(upTo(230));
    expect(await waiting(alice, 'DRY1')).toEqual(upTo(230));
    const { next_batch: token } = await alice.request('POST', `${PATH}/DRY1/events`, {});
    await a.restart();
    const next = await alice.request('POST', `${PATH}/DRY1/events`, { next_batch: token });
    expect(next.events).toHaveLength(100);
    await alice.expectError(400, 'M_INVALID_PARAM', 'POST', `${PATH}/DRY1/events`, { next_batch: 'nonsense' });
  });

  it('is replaced with all that it had, and not by what is wrong', async () => {
    const body = bodyOf(alice.userId, 'DRY2');
    for (const [code, change] of [
      ['M_MISSING_PARAM', { device_keys: undefined }], ['M_MISSING_PARAM', { device_id: undefined }], ['M_MISSING_PARAM', { device_data: undefined }], ['M_BAD_JSON', { device_data: {} }],
      ['M_INVALID_PARAM', { device_keys: new TestDeviceKeys(alice.userId, 'OTHER').keys }], ['M_INVALID_PARAM', { one_time_keys: { nonsense: 'x' } }],
      ['M_INVALID_PARAM', { device_id: alice.deviceId, device_keys: new TestDeviceKeys(alice.userId, alice.deviceId).keys }],
    ] as const) await alice.expectError(400, code, 'PUT', PATH, { ...body, ...change });
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', PATH, { ...body, device_data: { algorithm: 'x', pickle: 'x'.repeat(64 * 1024) } });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/devices/DRY2');
    expect(await idOf(alice)).toBe('DRY1');
    await put(alice, 'DRY2');
    expect(await idOf(alice)).toBe('DRY2');
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/devices/DRY1');
    await alice.expectError(403, 'M_FORBIDDEN', 'POST', `${PATH}/DRY1/events`, {});
    expect(await waiting(alice, 'DRY2')).toEqual([]);
  });

  it('is one, of those that are put away at once', async () => {
    await Promise.all(['DRY3', 'DRY4', 'DRY5'].map((deviceId) => put(alice, deviceId)));
    const { devices } = await alice.request('GET', '/v3/devices');
    const left = devices.map(({ device_id: id }: Json) => id).filter((id: string) => id.startsWith('DRY'));
    expect(left).toEqual([await idOf(alice)]);
  });

  it('goes by its own address, and like any device', async () => {
    const deviceId = await idOf(alice);
    expect(await alice.request('DELETE', PATH)).toEqual({ device_id: deviceId });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', PATH);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `/v3/devices/${deviceId}`);
    await put(alice, 'DRY6');
    const { body: { session } } = await alice.raw('DELETE', '/v3/devices/DRY6', {});
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, password: 'password of alice', session };
    await alice.request('DELETE', '/v3/devices/DRY6', { auth });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', PATH);
  });
});

describe('a dehydrated device at two homes', () => {
  it('is there with its messages when the home that it was put away at is dead, and goes and changes at both', async () => {
    const carol = await Person.named('carol', a);
    await put(carol.at(a), 'DRY1');
    await sendTo(carol.userId, 'DRY1', 0, 3);
    await carol.addHome(b);
    const [atA, atB] = [carol.at(a), carol.at(b)];
    await eventually(async () => (await idOf(atB)) === 'DRY1' && (await waiting(atB, 'DRY1')).length === 3);
    await sendTo(carol.userId, 'DRY1', 3, 6);
    await eventually(async () => (await waiting(atB, 'DRY1')).length === 6);
    const near = await net.client(b).register('near');
    await eventually(async () => (await claim(near, carol.userId, 'DRY1'))[0] === 'signed_curve25519:fallback0');
    const { next_batch: token } = await atA.request('POST', `${PATH}/DRY1/events`, {});
    await a.stop();
    try {
      expect(await atB.request('GET', PATH)).toEqual({ device_id: 'DRY1', device_data: { algorithm: 'm.dehydration.v2', device_pickle: 'pickle of DRY1' } });
      expect(await waiting(atB, 'DRY1')).toEqual(upTo(6));
      // A place in the other home's list is none in this one.
      expect((await atB.request('POST', `${PATH}/DRY1/events`, { next_batch: token })).events).toHaveLength(6);
      await put(atB, 'DRY2');
    } finally {
      await a.start();
    }
    await eventually(async () => (await idOf(atA)) === 'DRY2', 20_000);
    await eventually(async () => (await atA.raw('GET', '/v3/devices/DRY1')).status === 404, 20_000);
    await atA.request('DELETE', PATH);
    await eventually(async () => (await idOf(atB)) === undefined && (await atB.raw('GET', '/v3/devices/DRY2')).status === 404, 20_000);
  }, 90_000);
});
