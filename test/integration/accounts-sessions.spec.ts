import { AccessTokens } from '../../apps/homeserver/src/accounts/access-tokens.js';
import { Database } from '../../apps/homeserver/src/storage/database.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

describe('sessions', () => {
  let net: Network;
  const clock = new TravellingClock();
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'], clock });
  });
  afterAll(() => net.stop());

  const passwordAuth = (client: TestClient, session?: string, password = `password of ${client.userId.slice(1).split(':')[0]}`) => ({
    type: 'm.login.password',
    identifier: { type: 'm.id.user', user: client.userId },
    password,
    ...(session === undefined ? {} : { session }),
  });

  describe('logging in', () => {
    it('offers passwords', async () => {
      const { flows } = await net.client().request('GET', '/v3/login');
      expect(flows).toContainEqual({ type: 'm.login.password' });
    });

    it('takes the localpart, the full id and the deprecated member', async () => {
      const { userId } = await net.client().register('ann');
      const upper = userId.replace('@ann:', '@ANN:');
      for (const who of [{ identifier: { type: 'm.id.user', user: 'ANN' } }, { user: upper }, { identifier: { type: 'm.id.user', user: upper } }, { identifier: { type: 'm.id.user', user: 'ann' } }, { identifier: { type: 'm.id.user', user: userId } }, { user: 'ann' }, { user: userId }]) {
        const body = { type: 'm.login.password', password: 'password of ann', ...who };
        expect((await net.client().request('POST', '/v3/login', body)).user_id).toBe(userId);
      }
    });

    it('takes no letter of another alphabet for one of ASCII', async () => {
      await net.client().register('kate');
      // U+212A, the kelvin sign, is a k when it is lowered.
      for (const user of ['\u212aate', `@\u212aate:${net.server('a').name}`]) {
        await net.client().expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', { type: 'm.login.password', user, password: 'password of kate' });
      }
      await net.client().expectError(400, 'M_INVALID_USERNAME', 'POST', '/v3/register', { username: '\u212aatja', password: 'x'.repeat(12), auth: { type: 'm.login.dummy' } });
      await net.client().expectError(400, 'M_INVALID_USERNAME', 'GET', '/v3/register/available', undefined, { query: { username: '\u212aatja' } });
    });

    it('refuses wrong passwords, unknown people and unknown kinds alike', async () => {
      await net.client().register('bob');
      const login = (fields: Json) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: 'bob' }, password: 'x long enough', ...fields });
      const wrong = await net.client().expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', login({}));
      const unknown = await net.client().expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', login({ identifier: { type: 'm.id.user', user: 'nobody' } }));
      expect(unknown.error).toBe(wrong.error);
      await net.client().expectError(403, 'M_FORBIDDEN', 'POST', '/v3/login', login({ identifier: { type: 'm.id.thirdparty', medium: 'email', address: 'b@b' } }));
      await net.client().expectError(400, 'M_UNKNOWN', 'POST', '/v3/login', login({ type: 'm.login.telepathy' }));
      await net.client().expectError(400, 'M_BAD_JSON', 'POST', '/v3/login', login({ password: 5 }));
      await net.client().expectError(400, 'M_MISSING_PARAM', 'POST', '/v3/login', { password: 'x long enough' });
    });

    it('takes a device over and ends the session that it had', async () => {
      const old = await net.client().register('cleo', undefined, { device_id: 'SAME', initial_device_display_name: 'Old name' });
      const now = await net.client().login('cleo', undefined, { device_id: 'SAME', initial_device_display_name: 'New name' });
      expect(now.deviceId).toBe('SAME');
      await old.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      expect((await now.request('GET', '/v3/devices')).devices).toMatchObject([{ device_id: 'SAME', display_name: 'Old name' }]);
    });

    it('authenticates a known token without a query', async () => {
      const client = await net.client().register('dora');
      await client.request('GET', '/v3/account/whoami');
      const { counters } = net.server('a').get(Database);
      const before = { ...counters };
      for (let i = 0; i < 5; i++) await client.request('GET', '/v3/account/whoami');
      expect(counters).toEqual(before);
    });

    it('survives a restart', async () => {
      const client = await net.client().register('erik');
      await net.server('a').stop();
      await net.server('a').start();
      expect((await client.request('GET', '/v3/account/whoami')).user_id).toBe(client.userId);
      await net.client().expectError(400, 'M_USER_IN_USE', 'GET', '/v3/register/available?username=erik');
    });
  });

  describe('logging out', () => {
    it('ends this session only', async () => {
      const one = await net.client().register('fred');
      const two = await net.client().login('fred');
      await one.request('POST', '/v3/logout');
      const error = await one.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      expect(error.soft_logout).toBe(false);
      expect((await two.request('GET', '/v3/devices')).devices).toHaveLength(1);
    });

    it('ends all sessions', async () => {
      const one = await net.client().register('gina');
      const two = await net.client().login('gina');
      await one.request('POST', '/v3/logout/all');
      await one.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      await two.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      expect((await (await net.client().login('gina')).request('GET', '/v3/devices')).devices).toHaveLength(1);
    });

    it('tells who holds connections open', async () => {
      const revoked: string[] = [];
      const tokens = net.server('a').get(AccessTokens);
      const client = await net.client().register('hugo');
      const requester = await tokens.authenticate(client.accessToken!);
      const stop = tokens.onRevoked((hashes) => revoked.push(...hashes));
      await client.request('POST', '/v3/logout');
      stop();
      expect(revoked).toEqual([requester!.tokenHash]);
    });
  });

  describe('devices', () => {
    it('are listed with their last use and can be renamed', async () => {
      const client = await net.client().register('ida', undefined, { device_id: 'D1' });
      await client.request('PUT', '/v3/devices/D1', { display_name: 'Kitchen' });
      const device = await client.request('GET', '/v3/devices/D1');
      expect(device).toEqual({ device_id: 'D1', display_name: 'Kitchen', last_seen_ip: expect.any(String), last_seen_ts: expect.any(Number) });
      await client.request('PUT', '/v3/devices/D1', {});
      expect((await client.request('GET', '/v3/devices/D1')).display_name).toBe('Kitchen');
      await client.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/devices/NONE');
      await client.expectError(404, 'M_NOT_FOUND', 'PUT', '/v3/devices/NONE', { display_name: 'x' });
      await client.expectError(404, 'M_NOT_FOUND', 'PUT', '/v3/devices/NONE', {});
    });

    it('are deleted with proof of the password, and their sessions with them', async () => {
      const client = await net.client().register('jim');
      const other = await net.client().login('jim');
      const path = `/v3/devices/${other.deviceId}`;
      const challenge = await client.raw('DELETE', path);
      expect(challenge.status).toBe(401);
      expect(challenge.body.flows).toEqual([{ stages: ['m.login.password'] }]);
      const { session } = challenge.body;
      const wrong = await client.raw('DELETE', path, { auth: passwordAuth(client, session, 'wrong') });
      expect([wrong.status, wrong.body.errcode, wrong.body.session]).toEqual([401, 'M_FORBIDDEN', session]);
      await other.request('GET', '/v3/account/whoami');
      await client.request('DELETE', path, { auth: passwordAuth(client, session) });
      await other.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      await client.expectError(404, 'M_NOT_FOUND', 'GET', path);
      // Gone already: still fine.
      await client.request('POST', '/v3/delete_devices', { devices: [other.deviceId], auth: passwordAuth(client) });
    });

    it('need a proof of their own account, for these devices', async () => {
      const kim = await net.client().register('kim');
      const lee = await net.client().register('lee');
      const other = await net.client().login('kim');
      const refused = await kim.raw('DELETE', `/v3/devices/${other.deviceId}`, { auth: passwordAuth(lee) });
      expect([refused.status, refused.body.errcode]).toEqual([401, 'M_FORBIDDEN']);
      const { session } = (await kim.raw('POST', '/v3/delete_devices', { devices: ['HARMLESS'] })).body;
      const moved = await kim.raw('POST', '/v3/delete_devices', { devices: [other.deviceId], auth: passwordAuth(kim, session) });
      expect(moved.status).toBe(401);
      await other.request('GET', '/v3/account/whoami');
    });
  });

  describe('changing the password', () => {
    it('ends the other sessions and makes the old password worthless', async () => {
      const client = await net.client().register('mia');
      const other = await net.client().login('mia');
      const { session } = (await client.raw('POST', '/v3/account/password', { new_password: 'new long enough' })).body;
      await client.request('POST', '/v3/account/password', { new_password: 'new long enough', auth: passwordAuth(client, session) });
      await client.request('GET', '/v3/account/whoami');
      await other.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      await expect(net.client().login('mia')).rejects.toThrow('M_FORBIDDEN');
      await net.client().login('mia', 'new long enough');
    });

    it('spares them when asked to', async () => {
      const client = await net.client().register('ned');
      const other = await net.client().login('ned');
      await client.request('POST', '/v3/account/password', { new_password: 'new long enough', logout_devices: false, auth: passwordAuth(client) });
      await other.request('GET', '/v3/account/whoami');
      await client.expectError(400, 'M_WEAK_PASSWORD', 'POST', '/v3/account/password', { new_password: '', auth: passwordAuth(client, undefined, 'new long enough') });
    });
  });

  describe('deactivating', () => {
    it('ends everything and keeps the name taken', async () => {
      const client = await net.client().register('olga');
      await client.request('PUT', `/v3/profile/${encodeURIComponent(client.userId)}/displayname`, { displayname: 'Olga' });
      expect((await client.raw('POST', '/v3/account/deactivate', {})).status).toBe(401);
      const answer = await client.request('POST', '/v3/account/deactivate', { auth: passwordAuth(client) });
      expect(answer).toEqual({ id_server_unbind_result: 'success' });
      await client.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
      await expect(net.client().login('olga')).rejects.toThrow('M_USER_DEACTIVATED');
      await net.client().expectError(400, 'M_USER_IN_USE', 'GET', '/v3/register/available?username=olga');
      expect(await net.client().request('GET', `/v3/profile/${encodeURIComponent(client.userId)}`)).toEqual({});
    });
  });

  describe('moderation', () => {
    it('suspends and locks accounts for administrators only', async () => {
      const admin = await net.administrator();
      const sam = await net.client().register('sam');
      const path = (what: string) => `/v1/admin/${what}/${encodeURIComponent(sam.userId)}`;
      const rename = ['PUT', `/v3/profile/${encodeURIComponent(sam.userId)}/displayname`, { displayname: 'Sam' }] as const;
      await sam.expectError(403, 'M_FORBIDDEN', 'PUT', path('suspend'), { suspended: true });
      await sam.request(...rename);

      expect(await admin.request('PUT', path('suspend'), { suspended: true })).toEqual({ suspended: true });
      expect(await admin.request('GET', path('suspend'))).toEqual({ suspended: true });
      await sam.expectError(403, 'M_USER_SUSPENDED', ...rename);
      await sam.request('GET', '/v3/account/whoami');
      await admin.request('PUT', path('suspend'), { suspended: false });
      await sam.request(...rename);

      await admin.request('PUT', path('lock'), { locked: true });
      expect(await admin.request('GET', path('lock'))).toEqual({ locked: true });
      expect((await sam.expectError(401, 'M_USER_LOCKED', 'GET', '/v3/account/whoami')).soft_logout).toBe(true);
      await sam.request('POST', '/v3/logout');
      await admin.expectError(404, 'M_NOT_FOUND', 'PUT', `/v1/admin/lock/@nobody:${net.server('a').name}`, { locked: true });
      await admin.expectError(400, 'M_INVALID_PARAM', 'GET', '/v1/admin/lock/@nobody:elsewhere.example');
    });
  });
});
