import { RemoteDeviceListStore } from '../../apps/homeserver/src/device-keys/device-lists/remote-device-list.store.js';
import { EduHandlers } from '../../apps/homeserver/src/federation/edu-handlers.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { settles } from '../homes/talk.js';
import { sync, TestCrossSigning, TestDeviceKeys } from '../integration/test-keys.js';

const query = (client: TestClient, user: string, timeout = 5_000): Promise<Json> =>
  client.request('POST', '/v3/keys/query', { timeout, device_keys: { [user]: [] } });
const markStale = statement('test.mark_stale', 'UPDATE remote_device_lists SET is_stale = true');

describe('device keys between servers', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  let roomId: string;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    alice = await net.client('a').register('alice');
    bob = await net.client('b').register('bob');
    ({ room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' }));
  });
  afterEach(() => net.stop());

  const join = (): Promise<Json> =>
    bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: alice.server.name } });
  const devicesOf = async (answer: Json): Promise<string[]> => Object.keys(answer.device_keys[alice.userId] ?? {}).sort();
  /** Syncs on until the user is listed as changed. */
  const untilChanged = async (client: TestClient, since: string, userId: string): Promise<string> => {
    let token = since;
    await eventually(async () => {
      const answer = await sync(client, token, 500);
      token = answer.next_batch;
      return answer.device_lists?.changed?.includes(userId);
    });
    return token;
  };

  it('are asked for where nothing is shared, and known without asking where something is', async () => {
    const device = await TestDeviceKeys.upload(alice);
    await alice.request('POST', '/v3/keys/device_signing/upload', new TestCrossSigning(alice.userId).body());
    const stranger = await query(bob, alice.userId);
    expect(stranger.device_keys[alice.userId][alice.deviceId]).toMatchObject(device.keys);
    expect(stranger.master_keys[alice.userId]).toBeDefined();
    expect(stranger.user_signing_keys).toEqual({});

    const before = await sync(bob);
    await join();
    await untilChanged(bob, before.next_batch, alice.userId);
    const shared = await query(bob, alice.userId);
    await net.server('a').stop();
    const cached = await query(bob, alice.userId);
    expect(cached).toEqual(shared);
    expect(cached.failures).toEqual({});
    expect(await devicesOf(cached)).toEqual([alice.deviceId]);
    expect(cached.self_signing_keys[alice.userId]).toBeDefined();
  });

  it('are told to a server that begins to share a room with who joins, and to no other', async () => {
    const other = await HostileServer.start();
    try {
      other.on(/v1\/send\//, () => ({ pdus: {} }));
      // A transaction may come twice.
      const edus = (): Map<string, Json> => new Map(other.requests.filter(({ path }) => path.includes('/v1/send/')).map(({ path, body }) => [path, body.edus ?? []]));
      const told = (): Json[] => [...edus().values()].flat().filter((edu: Json) => edu.edu_type === 'm.device_list_update').map((edu: Json) => edu.content);
      const carol = await net.client('a').register('carol');
      const second = await net.client('a').login('carol');
      const { keys } = await TestDeviceKeys.upload(second);
      const rooms: string[] = [];
      for (let i = 0; i < 2; i++) {
        const { room_id: shared } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', room_version: '11' });
        await HostileRoom.join(other, net.server('a'), shared);
        rooms.push(shared);
      }
      await carol.request('POST', `/v3/join/${encodeURIComponent(rooms[0]!)}`, {});
      await eventually(() => told().length === 2);
      const update = { user_id: carol.userId, stream_id: expect.any(Number), prev_id: [] };
      // One that has no keys yet is told, too.
      expect(told()).toEqual(expect.arrayContaining([{ ...update, device_id: carol.deviceId }, { ...update, device_id: second.deviceId, keys: expect.objectContaining(keys) }]));
      await carol.request('POST', `/v3/join/${encodeURIComponent(rooms[1]!)}`, {});
      await second.request('PUT', `/v3/devices/${second.deviceId}`, { display_name: 'Phone' });
      await eventually(() => told().length === 3);
      expect(told()[2]).toMatchObject({ prev_id: [told()[0].stream_id], device_display_name: 'Phone' });
    } finally {
      await other.stop();
    }
  });

  it('of who comes are known where he comes, even when his server is gone at once', async () => {
    const device = await TestDeviceKeys.upload(bob);
    await join();
    const lists = net.server('a').get(RemoteDeviceListStore);
    await eventually(async () => (await lists.lists([bob.userId])).has(bob.userId));
    await net.server('b').stop();
    const { device_keys, failures } = await query(alice, bob.userId);
    expect([device_keys[bob.userId][bob.deviceId], failures]).toEqual([expect.objectContaining(device.keys), {}]);
  });

  it('that change, come or go are told', async () => {
    await join();
    await TestDeviceKeys.upload(alice);
    await query(bob, alice.userId);
    let token = (await sync(bob)).next_batch;
    const second = await net.client('a').login('alice');
    await TestDeviceKeys.upload(second);
    token = await untilChanged(bob, token, alice.userId);
    // One change may be told in several updates: the list is what is waited for.
    await settles(async () => expect(await devicesOf(await query(bob, alice.userId))).toEqual([alice.deviceId, second.deviceId].sort()));

    // Twice: the first update after a bulk query tells that the list has to be numbered, the second fits.
    await alice.request('PUT', `/v3/devices/${alice.deviceId}`, { display_name: 'Phone' });
    token = await untilChanged(bob, token, alice.userId);
    await settles(async () => expect((await query(bob, alice.userId)).device_keys[alice.userId][alice.deviceId].unsigned).toEqual({ device_display_name: 'Phone' }));
    await second.request('POST', '/v3/logout');
    token = await untilChanged(bob, token, alice.userId);
    await settles(async () => expect(await devicesOf(await query(bob, alice.userId))).toEqual([alice.deviceId]));
    await net.server('a').stop();
    const answer = await query(bob, alice.userId);
    expect(await devicesOf(answer)).toEqual([alice.deviceId]);
    expect(answer.failures).toEqual({});
  });

  it('of cross-signing are told', async () => {
    await join();
    const device = await TestDeviceKeys.upload(alice);
    await query(bob, alice.userId);
    let token = (await sync(bob)).next_batch;
    const keys = new TestCrossSigning(alice.userId);
    await alice.request('POST', '/v3/keys/device_signing/upload', keys.body());
    token = await untilChanged(bob, token, alice.userId);
    await alice.request('POST', '/v3/keys/signatures/upload', { [alice.userId]: { [alice.deviceId]: keys.signDevice(device.keys) } });
    await untilChanged(bob, token, alice.userId);
    await settles(async () => {
      const answer = await query(bob, alice.userId);
      expect(answer.master_keys[alice.userId]).toEqual(keys.body().master_key);
      expect(Object.keys(answer.device_keys[alice.userId][alice.deviceId].signatures[alice.userId])).toContain(keys.selfSigningKeyId);
    });

    const bobKeys = new TestCrossSigning(bob.userId);
    await bob.request('POST', '/v3/keys/device_signing/upload', bobKeys.body());
    const signed = { [alice.userId]: { [keys.masterPublicKey]: bobKeys.signUser(keys.body().master_key) } };
    expect(await bob.request('POST', '/v3/keys/signatures/upload', signed)).toEqual({ failures: {} });
    const seen = (await query(bob, alice.userId)).master_keys[alice.userId].signatures;
    expect(Object.keys(seen[bob.userId])).toEqual([bobKeys.userSigningKeyId]);
  });

  it('that may be outdated are asked for again, and still used while the server is away', async () => {
    await join();
    await TestDeviceKeys.upload(alice);
    await eventually(async () => (await devicesOf(await query(bob, alice.userId))).length === 1);
    await net.server('b').get(Database).query(markStale);
    await net.server('a').stop();
    const answer = await query(bob, alice.userId, 2_000);
    expect(await devicesOf(answer)).toEqual([alice.deviceId]);
    expect(Object.keys(answer.failures)).toEqual([net.server('a').name]);
  });

  it('are believed from their own server only, and forgotten when nothing is shared', async () => {
    await join();
    await TestDeviceKeys.upload(alice);
    await eventually(async () => (await devicesOf(await query(bob, alice.userId))).length === 1);
    const since = (await sync(bob)).next_batch;
    const forged = { user_id: alice.userId, device_id: alice.deviceId, stream_id: 2 ** 50, prev_id: [], deleted: true };
    await net.server('b').get(EduHandlers).handle('evil.example', { edu_type: 'm.device_list_update', content: forged });
    expect((await sync(bob, since)).device_lists?.changed ?? []).toEqual([]);
    expect(await devicesOf(await query(bob, alice.userId))).toEqual([alice.deviceId]);

    await bob.request('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`);
    const left = statement('test.lists', 'SELECT 1 FROM remote_device_lists');
    await eventually(async () => (await net.server('b').get(Database).query(left)).length === 0);
  });

  it('for sessions are claimed once, also by other servers', async () => {
    await TestDeviceKeys.upload(alice, 3);
    const claim = (client: TestClient): Promise<Json> =>
      client.request('POST', '/v3/keys/claim', { one_time_keys: { [alice.userId]: { [alice.deviceId]: 'signed_curve25519' } } });
    const carol = await net.client('a').register('carol');
    const answers = await Promise.all([bob, carol, bob, carol, bob].map(claim));
    const names = answers.flatMap((answer) => Object.keys(answer.one_time_keys[alice.userId]?.[alice.deviceId] ?? {}));
    expect([...names].sort()).toEqual(['signed_curve25519:k0', 'signed_curve25519:k1', 'signed_curve25519:k2']);
    await net.server('a').stop();
    expect(Object.keys((await claim(bob)).failures)).toEqual([net.server('a').name]);
  });
});

describe('messages to devices of other servers', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    alice = await net.client('a').register('alice');
    bob = await net.client('b').register('bob');
  });
  afterEach(() => net.stop());

  const send = (content: Json, txn = alice.nextTxn()): Promise<Json> =>
    alice.request('PUT', `/v3/sendToDevice/org.example.test/${txn}`, { messages: { [bob.userId]: { '*': content } } });
  const received = async (): Promise<Json[]> => ((await sync(bob)).to_device?.events ?? []).map((event: Json) => event.content);

  it('arrive in order, also after the server was away', async () => {
    await net.server('b').stop();
    for (let n = 0; n < 3; n++) await send({ n });
    await net.server('a').restart();
    await net.server('b').start();
    await eventually(async () => (await received()).length === 3, 20_000);
    expect(await received()).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
  });

  it('arrive once when the request is repeated, and only from homes of their sender', async () => {
    await send({ n: 1 }, 'same');
    await eventually(async () => (await received()).length === 1);
    await send({ n: 1 }, 'same');
    await send({ n: 2 });
    await eventually(async () => (await received()).length >= 2);
    expect(await received()).toEqual([{ n: 1 }, { n: 2 }]);

    const edu = (sender: string) => ({
      edu_type: 'm.direct_to_device',
      content: { sender, type: 'org.example.forged', message_id: 'm', messages: { [bob.userId]: { '*': {} } } },
    });
    const handlers = net.server('b').get(EduHandlers);
    await handlers.handle('evil.example', edu(alice.userId));
    expect(await received()).toHaveLength(2);
    await handlers.handle(net.server('a').name, edu(alice.userId));
    await handlers.handle(net.server('a').name, edu(alice.userId));
    expect(await received()).toHaveLength(3);
  });

  it('refuse numbers that servers cannot exchange', async () => {
    const body = { messages: { [bob.userId]: { '*': { half: 0.5 } } } };
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', '/v3/sendToDevice/org.example.test/x', body);
  });
});
