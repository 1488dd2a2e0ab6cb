import { AccountDirectory } from '../../apps/homeserver/src/accounts/account-directory.js';
import { type AccountOpKind, AccountOps } from '../../apps/homeserver/src/accounts/account-ops.js';
import { Devices } from '../../apps/homeserver/src/accounts/devices.js';
import { AccountData } from '../../apps/homeserver/src/account-data/account-data.js';
import { PushRules } from '../../apps/homeserver/src/account-data/push-rules/push-rules.js';
import { KeyQuery } from '../../apps/homeserver/src/device-keys/keys/key-query.js';
import { OneTimeKeys } from '../../apps/homeserver/src/device-keys/one-time-keys/one-time-keys.js';
import { ToDevice } from '../../apps/homeserver/src/device-keys/to-device/to-device.js';
import { ToDeviceInbox } from '../../apps/homeserver/src/device-keys/to-device/to-device-inbox.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import { TestCrossSigning, TestDeviceKeys } from './test-keys.js';

describe('the copy of an account at another home', () => {
  let net: Network;
  let alice: TestClient;
  let userId: string;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    alice = await net.client('a').register('alice');
    ({ userId } = alice);
    await net.server('b').get(AccountDirectory).create({ userId });
    await net.server('b').get(Devices).upsert({ userId, deviceId: alice.deviceId });
  });
  afterEach(() => net.stop());

  const apply = (kind: AccountOpKind, key: string, value: unknown): Promise<void> =>
    net.server('b').get(AccountOps).applier(kind)!.apply({ userId, home: net.server('a').name, ms: 1, log: 'log', n: 1, hash: '', knew: () => false, kind, key, value });
  const copy = async (kind: AccountOpKind): Promise<void> => {
    for (const change of await net.server('a').get(AccountOps).applier(kind)!.snapshot(userId)) await apply(kind, change.key, change.value);
  };
  const b = <T>(type: abstract new (...args: never[]) => T): T => net.server('b').get(type);
  const contents = async (): Promise<unknown[]> =>
    (await b(ToDeviceInbox).messages(userId, alice.deviceId, { from: 0, to: Number.MAX_SAFE_INTEGER, withIds: false })).events.map((json) => JSON.parse(json).content);

  it('has its account data and tags', async () => {
    const user = `/v3/user/${encodeURIComponent(userId)}`;
    await alice.request('PUT', `${user}/account_data/org.example.one`, { half: 0.5 });
    await alice.request('PUT', `${user}/rooms/${encodeURIComponent('!r:x')}/tags/m.favourite`, { order: 0.25 });
    await copy('account_data');
    await copy('room_account_data');
    expect(await b(AccountData).get(userId, '', 'org.example.one')).toBe('{"half":0.5}');
    expect(await b(AccountData).get(userId, '!r:x', 'm.tag')).toBe('{"tags":{"m.favourite":{"order":0.25}}}');
    await apply('account_data', 'org.example.one', null);
    expect(await b(AccountData).get(userId, '', 'org.example.one')).toBe('{}');
    await apply('room_account_data', 'nonsense', '{}');
  });

  it('has its push rules in their order, and keeps its own', async () => {
    const rules = '/v3/pushrules/global';
    for (const id of ['one', 'two']) await alice.request('PUT', `${rules}/content/${id}`, { pattern: id, actions: [] });
    await alice.request('PUT', `${rules}/content/two/enabled`, { enabled: false });
    await alice.request('PUT', `${rules}/underride/.m.rule.message/actions`, { actions: [] });
    await b(PushRules).put(userId, 'content', { rule_id: 'mine', pattern: 'mine', actions: [] }, {});
    await copy('push_rules');
    await copy('push_rules');
    const ruleset = await b(PushRules).of(userId);
    expect(ruleset.content.map(({ rule_id, enabled }) => [rule_id, enabled])).toEqual([['two', false], ['one', true], ['mine', true]]);
    expect(ruleset.underride.find((rule) => rule.rule_id === '.m.rule.message')?.actions).toEqual([]);
    await apply('push_rules', '["content","one"]', null);
    await apply('push_rules', '["underride",".m.rule.message"]', null);
    expect((await b(PushRules).of(userId)).content.map((rule) => rule.rule_id)).toEqual(['two', 'mine']);
    expect((await b(PushRules).of(userId)).underride.find((rule) => rule.rule_id === '.m.rule.message')?.actions).toEqual(['notify']);
  });

  it('has its keys and signatures, and fallback keys but no one-time keys', async () => {
    const device = await TestDeviceKeys.upload(alice, 5);
    const keys = new TestCrossSigning(userId);
    await alice.request('POST', '/v3/keys/device_signing/upload', keys.body());
    await alice.request('POST', '/v3/keys/signatures/upload', { [userId]: { [alice.deviceId]: keys.signDevice(device.keys) } });
    await alice.request('POST', '/v3/keys/upload', { fallback_keys: device.oneTimeKeys(1, 'fallback') });
    for (const kind of ['device_keys', 'cross_signing', 'signature', 'fallback_key'] as const) await copy(kind);
    const all = new Map([[userId, []]]);
    expect(await b(KeyQuery).query(userId, all, 1)).toEqual(await net.server('a').get(KeyQuery).query(userId, all, 1));
    const claims = [{ userId, deviceId: alice.deviceId, algorithm: 'signed_curve25519' }];
    expect((await b(OneTimeKeys).claim(claims)).map((key) => key.keyId)).toEqual(['fallback0']);
    await apply('device_keys', alice.deviceId, null);
    expect((await b(KeyQuery).query(userId, all, 1)).device_keys[userId]).toEqual({});
  });

  it('holds each waiting message once, and none that was received elsewhere', async () => {
    const send = (at: string, messageId: string): Promise<void> =>
      net.server(at).get(ToDevice).send({ sender: '@bob:x', type: 't', messageId, messages: { [userId]: { [alice.deviceId]: { messageId } } } });
    await send('a', 'one');
    await send('a', 'two');
    await send('b', 'two');
    await copy('to_device');
    expect(await contents()).toEqual([{ messageId: 'two' }, { messageId: 'one' }]);
    await apply('to_device_consumed', JSON.stringify(['@bob:x', 'one', alice.deviceId]), true);
    await apply('to_device_consumed', JSON.stringify(['@bob:x', 'three', alice.deviceId]), true);
    await send('b', 'three');
    await copy('to_device');
    expect(await contents()).toEqual([{ messageId: 'two' }]);
  });
});
