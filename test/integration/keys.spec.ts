import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { sync, TestCrossSigning, TestDeviceKeys } from './test-keys.js';

const query = (client: TestClient, users: Json): Promise<Json> => client.request('POST', '/v3/keys/query', { device_keys: users });
const claim = (client: TestClient, user: string, device: string): Promise<Json> =>
  client.request('POST', '/v3/keys/claim', { one_time_keys: { [user]: { [device]: 'signed_curve25519' } } });

describe('keys of devices', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  let count = 0;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
  });
  beforeEach(async () => {
    count++;
    alice = await net.client().register(`alice${count}`);
    bob = await net.client().register(`bob${count}`);
  });
  afterAll(() => net.stop());

  const upload = (client: TestClient, body: Json): Promise<Json> => client.request('POST', '/v3/keys/upload', body);

  it('are uploaded and found, with the name of the device', async () => {
    const device = await TestDeviceKeys.upload(alice);
    await alice.request('PUT', `/v3/devices/${alice.deviceId}`, { display_name: 'Phone' });
    const answer = await query(bob, { [alice.userId]: [], [`@nobody:${net.server('a').name}`]: [] });
    expect(answer.device_keys[alice.userId]).toEqual({ [alice.deviceId]: { ...device.keys, unsigned: { device_display_name: 'Phone' } } });
    expect(answer.failures).toEqual({});
    expect((await query(bob, { [alice.userId]: ['OTHER'] })).device_keys[alice.userId]).toEqual({});
    expect((await query(bob, { [bob.userId]: [] })).device_keys[bob.userId]).toEqual({});
  });

  it('must be of the device', async () => {
    const foreign = new TestDeviceKeys(bob.userId, alice.deviceId);
    const refuse = (body: Json, errcode: string) => alice.expectError(400, errcode, 'POST', '/v3/keys/upload', body);
    await refuse({ device_keys: foreign.keys }, 'M_INVALID_PARAM');
    await refuse({ device_keys: new TestDeviceKeys(alice.userId, 'OTHER').keys }, 'M_INVALID_PARAM');
    await refuse({ device_keys: 5 }, 'M_BAD_JSON');
    await refuse({ one_time_keys: { nonsense: 'x' } }, 'M_INVALID_PARAM');
    await refuse({ one_time_keys: { 'signed_curve25519:a\u0000': { key: 'x' } } }, 'M_INVALID_PARAM');
    await refuse({ one_time_keys: { 'signed_curve25519:a': 5 } }, 'M_BAD_JSON');
    expect((await query(bob, { [alice.userId]: [] })).device_keys[alice.userId]).toEqual({});
  });

  it('are handed out once each, oldest first, then the fallback key again and again', async () => {
    const device = await TestDeviceKeys.upload(alice, 2);
    await upload(alice, { one_time_keys: device.oneTimeKeys(1, 'later') });
    const fallback = device.oneTimeKeys(1, 'fallback');
    expect(await upload(alice, { fallback_keys: fallback })).toEqual({ one_time_key_counts: { signed_curve25519: 3 } });
    expect((await sync(alice)).device_unused_fallback_key_types).toEqual(['signed_curve25519']);
    const names: string[] = [];
    for (let i = 0; i < 5; i++) {
      names.push(...Object.keys((await claim(bob, alice.userId, alice.deviceId)).one_time_keys[alice.userId][alice.deviceId]));
    }
    expect(names.slice(0, 2).sort()).toEqual(['signed_curve25519:k0', 'signed_curve25519:k1']);
    expect(names.slice(2)).toEqual(['signed_curve25519:later0', 'signed_curve25519:fallback0', 'signed_curve25519:fallback0']);
    const after = await sync(alice);
    expect(after.device_unused_fallback_key_types).toEqual([]);
    expect(after.device_one_time_keys_count).toEqual({ signed_curve25519: 0 });
    await upload(alice, { fallback_keys: fallback });
    expect((await sync(alice)).device_unused_fallback_key_types).toEqual([]);
    await upload(alice, { fallback_keys: device.oneTimeKeys(1, 'fresh') });
    expect((await sync(alice)).device_unused_fallback_key_types).toEqual(['signed_curve25519']);
  });

  it('never go to two who ask at the same time', async () => {
    await TestDeviceKeys.upload(alice, 20);
    const answers = await Promise.all(Array.from({ length: 30 }, () => claim(bob, alice.userId, alice.deviceId)));
    const names = answers.flatMap((answer) => Object.keys(answer.one_time_keys[alice.userId]?.[alice.deviceId] ?? {}));
    expect(names).toHaveLength(20);
    expect(new Set(names).size).toBe(20);
  });

  it('do not come back when an upload is repeated after a claim, and do not change under a name', async () => {
    const device = await TestDeviceKeys.upload(alice);
    const keys = device.oneTimeKeys(2);
    await upload(alice, { one_time_keys: keys });
    await claim(bob, alice.userId, alice.deviceId);
    expect((await upload(alice, { one_time_keys: keys })).one_time_key_counts).toEqual({ signed_curve25519: 1 });
    await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v3/keys/upload', { one_time_keys: device.oneTimeKeys(2) });
    expect((await upload(alice, {})).one_time_key_counts).toEqual({ signed_curve25519: 1 });
  });

  it('go with their device', async () => {
    await TestDeviceKeys.upload(alice, 1);
    const second = await net.client().login(`alice${count}`);
    await TestDeviceKeys.upload(second, 1);
    await second.request('POST', '/v3/logout');
    expect(Object.keys((await query(bob, { [alice.userId]: [] })).device_keys[alice.userId])).toEqual([alice.deviceId]);
    expect((await claim(bob, alice.userId, second.deviceId)).one_time_keys).toEqual({});
  });

  it('that change are told to who shares a room, and to the owner', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    const before = await sync(bob);
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`);
    const joined = await sync(bob, before.next_batch);
    // Oneself, too: others' messages for one's other devices begin.
    expect(joined.device_lists.changed.sort()).toEqual([alice.userId, bob.userId].sort());
    const mine = await sync(alice);
    const waiting = sync(bob, joined.next_batch, 20_000);
    await TestDeviceKeys.upload(alice);
    const changed = await waiting;
    expect(changed.device_lists.changed).toEqual([alice.userId]);
    expect((await sync(alice, mine.next_batch)).device_lists.changed).toEqual([alice.userId]);
    expect((await sync(bob, changed.next_batch)).device_lists?.changed ?? []).toEqual([]);
    await bob.request('POST', `/v3/rooms/${encodeURIComponent(roomId)}/leave`);
    const left = await sync(bob, changed.next_batch);
    expect(left.device_lists.left).toEqual([alice.userId]);
    await TestDeviceKeys.upload(alice);
    expect((await sync(bob, left.next_batch)).device_lists?.changed ?? []).toEqual([]);

    const changes = (from: Json, to?: Json) =>
      bob.request('GET', '/v3/keys/changes', undefined, { query: { from: from.next_batch, to: to?.next_batch } });
    expect((await changes(before, joined)).changed).toEqual([]); // shared then, not now
    expect((await changes(before)).left).toEqual([alice.userId]);
    await bob.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/keys/changes', undefined, { query: { from: 'nonsense' } });
  });
});

describe('cross-signing', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  let count = 0;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
  });
  beforeEach(async () => {
    count++;
    alice = await net.client().register(`alice${count}`);
    bob = await net.client().register(`bob${count}`);
  });
  afterAll(() => net.stop());

  const path = '/v3/keys/device_signing/upload';
  const signatures = (client: TestClient, body: Json): Promise<Json> => client.request('POST', '/v3/keys/signatures/upload', body);

  it('keys need a proof only where they replace others', async () => {
    const first = new TestCrossSigning(alice.userId).body();
    await alice.request('POST', path, first);
    await alice.request('POST', path, first);
    const second = new TestCrossSigning(alice.userId).body();
    const challenge = await alice.raw('POST', path, second);
    expect(challenge.status).toBe(401);
    expect(challenge.body.flows).toContainEqual({ stages: ['m.login.password'] });
    expect((await query(alice, { [alice.userId]: [] })).master_keys[alice.userId]).toEqual(first.master_key);
    const auth = {
      type: 'm.login.password', session: challenge.body.session, password: `password of alice${count}`,
      identifier: { type: 'm.id.user', user: alice.userId },
    };
    await alice.request('POST', path, { ...second, auth });
    expect((await query(alice, { [alice.userId]: [] })).master_keys[alice.userId]).toEqual(second.master_key);
  });

  it('keys are shown to others, but not the one that signs users', async () => {
    const keys = new TestCrossSigning(alice.userId).body();
    await alice.request('POST', path, keys);
    const seen = await query(bob, { [alice.userId]: [] });
    expect(seen.master_keys).toEqual({ [alice.userId]: keys.master_key });
    expect(seen.self_signing_keys).toEqual({ [alice.userId]: keys.self_signing_key });
    expect(seen.user_signing_keys).toEqual({});
    expect((await query(alice, { [alice.userId]: [] })).user_signing_keys).toEqual({ [alice.userId]: keys.user_signing_key });
  });

  it('keys must be signed, complete and of the account', async () => {
    const keys = new TestCrossSigning(alice.userId).body();
    const { master_key: _master, ...withoutMaster } = keys;
    await alice.expectError(400, 'M_MISSING_PARAM', 'POST', path, withoutMaster);
    await alice.expectError(400, 'M_MISSING_PARAM', 'POST', path, {});
    const other = new TestCrossSigning(alice.userId).body();
    await alice.expectError(400, 'M_INVALID_SIGNATURE', 'POST', path, { ...keys, self_signing_key: other.self_signing_key });
    await alice.expectError(400, 'M_INVALID_PARAM', 'POST', path, new TestCrossSigning(bob.userId).body());
    expect((await query(alice, { [alice.userId]: [] })).master_keys).toEqual({});
  });

  it('signatures are added to what they sign, and seen by whom they concern', async () => {
    const aliceKeys = new TestCrossSigning(alice.userId);
    const bobKeys = new TestCrossSigning(bob.userId);
    const device = await TestDeviceKeys.upload(alice);
    await alice.request('POST', path, aliceKeys.body());
    await bob.request('POST', path, bobKeys.body());
    const bobsMaster = bobKeys.body().master_key;
    const before = await sync(alice);
    const answer = await signatures(alice, {
      [alice.userId]: {
        [alice.deviceId]: aliceKeys.signDevice(device.keys),
        [aliceKeys.masterPublicKey]: device.sign(aliceKeys.body().master_key),
      },
      [bob.userId]: { [bobKeys.masterPublicKey]: aliceKeys.signUser(bobsMaster) },
    });
    expect(answer).toEqual({ failures: {} });
    const changed: string[] = (await sync(alice, before.next_batch)).device_lists.changed;
    expect(changed).toEqual(expect.arrayContaining([alice.userId]));
    const ofAlice = await query(bob, { [alice.userId]: [] });
    expect(Object.keys(ofAlice.device_keys[alice.userId][alice.deviceId].signatures[alice.userId])).toContain(aliceKeys.selfSigningKeyId);
    expect(Object.keys(ofAlice.master_keys[alice.userId].signatures[alice.userId])).toEqual([`ed25519:${alice.deviceId}`]);
    const signedBob = (await query(alice, { [bob.userId]: [] })).master_keys[bob.userId];
    expect(Object.keys(signedBob.signatures[alice.userId])).toEqual([aliceKeys.userSigningKeyId]);
    expect((await query(bob, { [bob.userId]: [] })).master_keys[bob.userId].signatures).toBeUndefined();
  });

  it('signatures that are wrong are refused one by one', async () => {
    const keys = new TestCrossSigning(alice.userId);
    const device = await TestDeviceKeys.upload(alice);
    await alice.request('POST', path, keys.body());
    const stranger = new TestCrossSigning(alice.userId);
    const { failures } = await signatures(alice, {
      [alice.userId]: {
        [alice.deviceId]: stranger.signDevice(device.keys),
        NOWHERE: keys.signDevice(device.keys),
        [keys.masterPublicKey]: device.sign({ ...keys.body().master_key, usage: ['master', 'other'] }),
      },
    });
    expect(failures[alice.userId][alice.deviceId].errcode).toBe('M_INVALID_SIGNATURE');
    expect(failures[alice.userId].NOWHERE.errcode).toBe('M_NOT_FOUND');
    expect(failures[alice.userId][keys.masterPublicKey].errcode).toBe('M_INVALID_PARAM');
    const seen = await query(bob, { [alice.userId]: [] });
    expect(Object.keys(seen.device_keys[alice.userId][alice.deviceId].signatures[alice.userId])).toEqual([`ed25519:${alice.deviceId}`]);
  });
});
