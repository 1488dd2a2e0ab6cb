import { AccountOps, type AccountChange, type AccountOpKind, type RemoteChange } from '../../apps/homeserver/src/accounts/account-ops.js';
import { Devices } from '../../apps/homeserver/src/accounts/devices.js';
import { PluggableAccountOps } from '../../apps/homeserver/src/accounts/pluggable-account-ops.js';
import { Profiles } from '../../apps/homeserver/src/accounts/profiles.js';
import { AccountsApiModule } from '../../apps/homeserver/src/client-api/accounts-api.module.js';
import { HttpModule } from '../../apps/homeserver/src/http/http.module.js';
import { Module } from '@nestjs/common';
import { takeViolations } from '../network/contract-check.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';

@Module({ imports: [HttpModule, AccountsApiModule] })
class AccountsOnly {}

describe('what other homes get to know of an account', () => {
  let net: Network;
  let client: TestClient;
  let recorded: AccountChange[] = [];
  let fails = false;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'], rootModule: AccountsOnly });
    net.server('a').get(PluggableAccountOps).plugIn({
      recordAll: async (_tx, all) => {
        if (fails) throw new Error('the log is full');
        recorded.push(...[...all.values()].flat());
      },
      hasLog: () => true, isWritten: () => Promise.resolve(true),
      isEverywhere: () => Promise.resolve(true),
    });
    client = await net.client().register('alice', undefined, { device_id: 'ONE', initial_device_display_name: 'First' });
  });
  afterAll(() => net.stop());
  beforeEach(() => {
    recorded = [];
    fails = false;
  });

  const path = () => `/v3/profile/${encodeURIComponent(client.userId)}`;
  const apply = (kind: AccountOpKind, key: string, value: unknown): Promise<void> => {
    const change: RemoteChange = { userId: client.userId, home: 'b', ms: 1, log: 'log', n: 1, hash: '', knew: () => false, kind, key, value };
    return net.server('a').get(AccountOps).applier(kind)!.apply(change);
  };

  it('are devices and profile fields, as they change', async () => {
    const second = await net.client().login('alice', undefined, { device_id: 'TWO' });
    await second.request('PUT', '/v3/devices/TWO', { display_name: 'Second' });
    await client.request('PUT', `${path()}/displayname`, { displayname: 'Alice' });
    await client.request('DELETE', `${path()}/displayname`);
    await second.request('POST', '/v3/logout');
    expect(recorded).toEqual([
      { kind: 'device', key: 'TWO', value: { display_name: null } },
      { kind: 'device', key: 'TWO', value: { display_name: 'Second' } },
      { kind: 'profile', key: 'displayname', value: 'Alice' },
      { kind: 'profile', key: 'displayname', value: null },
      { kind: 'device', key: 'TWO', value: null },
    ]);
  });

  it('is recorded with the change or not at all', async () => {
    fails = true;
    expect((await client.raw('PUT', `${path()}/displayname`, { displayname: 'Lost' })).status).toBe(500);
    expect((await client.raw('PUT', '/v3/devices/ONE', { display_name: 'Lost' })).status).toBe(500);
    // No answer of the specification's, which is what is provoked here.
    takeViolations();
    expect(await client.request('GET', path())).toEqual({});
    expect((await client.request('GET', '/v3/devices/ONE')).display_name).toBe('First');
  });

  it('is all in the snapshot', async () => {
    await client.request('PUT', `${path()}/m.tz`, { 'm.tz': 'UTC' });
    const snapshot = async (kind: AccountOpKind) => net.server('a').get(AccountOps).applier(kind)!.snapshot(client.userId);
    // A removal is part of it: it stands against whoever has not heard of it.
    expect(await snapshot('device')).toEqual([{ kind: 'device', key: 'ONE', value: { display_name: 'First' } }, { kind: 'device', key: 'TWO', value: null }]);
    expect(await snapshot('profile')).toEqual([{ kind: 'profile', key: 'm.tz', value: 'UTC' }]);
  });

  it('comes in from them without being recorded again, and tells the listeners', async () => {
    const told: string[] = [];
    const stops = [
      net.server('a').get(Profiles).onChanged(async (_userId, key) => void told.push(`profile ${key}`)),
      net.server('a').get(Devices).onUpdated(async (_userId, ids) => void told.push(`updated ${ids.join()}`)),
      net.server('a').get(Devices).onDeleted(async (_userId, ids) => void told.push(`deleted ${ids.join()}`)),
    ];
    await apply('profile', 'displayname', 'Alice elsewhere');
    await apply('device', 'REMOTE', { display_name: 'Tablet' });
    await apply('device', 'REMOTE', { display_name: 'Big tablet' });
    expect((await client.request('GET', path())).displayname).toBe('Alice elsewhere');
    expect((await client.request('GET', '/v3/devices/REMOTE')).display_name).toBe('Big tablet');
    const doomed = await net.client().login('alice', undefined, { device_id: 'REMOTE' });
    await apply('device', 'REMOTE', null);
    await apply('device', 'REMOTE', null);
    await doomed.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
    await apply('profile', 'displayname', null);
    expect((await client.request('GET', path())).displayname).toBeUndefined();
    stops.forEach((stop) => stop());
    expect(told).toEqual(['profile displayname', 'updated REMOTE', 'updated REMOTE', 'deleted REMOTE', 'profile displayname']);
    expect(recorded).toEqual([]);
  });
});
