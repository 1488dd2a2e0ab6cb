import { createHmac } from 'node:crypto';
import { FirstRunAdmin } from '../../apps/homeserver/src/auth/first-run-admin.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { Network, REGISTRATION_SECRET } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

const tokenAuth = (token: string) => ({ type: 'm.login.registration_token', token });

async function sharedSecret(client: TestClient, fields: Json): Promise<Json> {
  const { nonce } = await client.request('GET', '/_synapse/admin/v1/register');
  return signed(nonce, fields);
}

function signed(nonce: string, fields: Json, secret = REGISTRATION_SECRET): Json {
  const { username, password, admin = false, user_type: userType } = fields;
  const parts = [nonce, username, password, admin ? 'admin' : 'notadmin', ...(userType === undefined ? [] : [userType])];
  return { nonce, ...fields, mac: createHmac('sha1', secret).update(parts.join('\0')).digest('hex') };
}

describe('registration', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start({
      servers: ['open', 'token', 'closed', 'nosecret'],
      configs: { token: { registration: 'token' }, closed: { registration: 'closed' }, nosecret: { registrationSecret: null } },
    });
  });
  afterAll(() => net.stop());

  describe('open to everybody', () => {
    it('asks for the dummy stage first and answers with a session afterwards', async () => {
      const client = net.client('open');
      const first = await client.raw('POST', '/v3/register', { username: 'first', password: 'secret long enough' });
      expect(first.status).toBe(401);
      expect(first.body.errcode).toBeUndefined();
      expect(first.body.flows).toContainEqual({ stages: ['m.login.dummy'] });
      const auth = { type: 'm.login.dummy', session: first.body.session };
      const body = { username: 'first', password: 'secret long enough', auth, device_id: 'PHONE', initial_device_display_name: 'My phone' };
      const done = await client.request('POST', '/v3/register', body);
      expect(done).toMatchObject({ user_id: `@first:${net.server('open').name}`, device_id: 'PHONE', home_server: net.server('open').name });
      client.accessToken = done.access_token;
      expect(await client.request('GET', '/v3/account/whoami')).toEqual({ user_id: done.user_id, device_id: 'PHONE', is_guest: false });
      expect(await client.request('GET', '/v3/devices/PHONE')).toMatchObject({ device_id: 'PHONE', display_name: 'My phone' });
    });

    it('gives no session with inhibit_login', async () => {
      const body = { username: 'quiet', password: 'x long enough', inhibit_login: true, auth: { type: 'm.login.dummy' } };
      const answer = await net.client('open').request('POST', '/v3/register', body);
      expect(answer).toEqual({ user_id: `@quiet:${net.server('open').name}`, home_server: net.server('open').name });
    });

    it('lowers capitals and makes up names and devices', async () => {
      const capital = await net.client('open').register('CaMeL');
      expect(capital.userId).toBe(`@camel:${net.server('open').name}`);
      const nameless = await net.client('open').request('POST', '/v3/register', { password: 'x long enough', auth: { type: 'm.login.dummy' } });
      expect(nameless.user_id).toMatch(/^@u[0-9a-f]{16}:/);
      expect(nameless.device_id).toMatch(/^[A-Z]{10}$/);
    });

    it.each(['with space', 'ünïcode', 'co:lon', '@at', '', 'x'.repeat(250), 'label.nx5puclcnkbbvclr72nxb56s'])('refuses the name %j', async (username) => {
      const body = { username, password: 'x long enough', auth: { type: 'm.login.dummy' } };
      await net.client('open').expectError(400, 'M_INVALID_USERNAME', 'POST', '/v3/register', body);
      await net.client('open').expectError(400, 'M_INVALID_USERNAME', 'GET', '/v3/register/available', undefined, { query: { username } });
    });

    it('refuses a name that is taken, before asking for anything', async () => {
      await net.client('open').register('twice');
      await net.client('open').expectError(400, 'M_USER_IN_USE', 'POST', '/v3/register', { username: 'TWICE', password: 'x long enough' });
      await net.client('open').expectError(400, 'M_USER_IN_USE', 'GET', '/v3/register/available?username=twice');
      expect(await net.client('open').request('GET', '/v3/register/available?username=free')).toEqual({ available: true });
    });

    it('lets one of several simultaneous registrations have the name', async () => {
      const body = { username: 'race', password: 'x long enough', auth: { type: 'm.login.dummy' } };
      const answers = await Promise.all(Array.from({ length: 5 }, () => net.client('open').raw('POST', '/v3/register', body)));
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400, 400, 400]);
    });

    it('lets guests in, who may not do what accounts may', async () => {
      const guest = net.client('open');
      const answer = await guest.request('POST', '/v3/register?kind=guest', { username: 'ignored', device_id: 'IGNORED' });
      expect(answer.user_id).toMatch(/^@guest-/);
      expect(answer.device_id).not.toBe('IGNORED');
      guest.accessToken = answer.access_token;
      expect((await guest.request('GET', '/v3/account/whoami')).is_guest).toBe(true);
      await guest.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', '/v3/account/password', { new_password: 'x long enough' });
    });

    it('gives a session up after an unknown one, and refuses stages that were not offered', async () => {
      const body = { username: 'nobody', password: 'x long enough' };
      const unknown = await net.client('open').raw('POST', '/v3/register', { ...body, auth: { type: 'm.login.dummy', session: 'nonsense' } });
      expect(unknown.status).toBe(401);
      expect(unknown.body).toMatchObject({ errcode: 'M_UNKNOWN', session: expect.any(String) });
      const wrong = await net.client('open').raw('POST', '/v3/register', { ...body, auth: { type: 'm.login.password', session: unknown.body.session } });
      expect(wrong.status).toBe(401);
      expect(wrong.body).toMatchObject({ errcode: 'M_UNKNOWN', completed: [] });
    });

    it('keeps neither passwords nor tokens in the database', async () => {
      const client = await net.client('open').register('careful', 'a very secret password');
      const db = net.server('open').get(Database);
      const rows = await db.query(
        statement('test.secrets', 'SELECT a.password_hash, t.token_hash FROM accounts a JOIN access_tokens t USING (user_id) WHERE user_id = $1'),
        [client.userId],
      );
      expect(rows).toHaveLength(1);
      expect(rows[0]!['password_hash']).toMatch(/^\$argon2id\$/);
      expect(JSON.stringify(rows)).not.toContain(client.accessToken);
    });
  });

  describe('closed', () => {
    it('lets the holder of the first-run token in, once, as administrator, and nobody else', async () => {
      const server = net.server('closed');
      const firstRun = server.get(FirstRunAdmin);
      const link = (await firstRun.link())!;
      expect(link).toMatch(new RegExp(`^${server.url}/setup#.{20,}$`));
      const token = link.split('#')[1]!;
      const client = net.client('closed');
      expect(await client.request('GET', '/v1/register/m.login.registration_token/validity', undefined, { query: { token } })).toEqual({ valid: true });
      const wrong = await client.raw('POST', '/v3/register', { username: 'eve', password: 'x long enough', auth: tokenAuth('guess') });
      expect(wrong.status).toBe(401);
      expect(wrong.body).toMatchObject({ errcode: 'M_FORBIDDEN', flows: [{ stages: ['m.login.registration_token'] }] });
      const answers = await Promise.all(
        ['root', 'second'].map((username) => net.client('closed').raw('POST', '/v3/register', { username, password: 'x long enough', auth: tokenAuth(token) })),
      );
      const [welcome, refused] = answers.map(({ status }) => status).sort();
      expect(welcome).toBe(200);
      // 401 while the first is still being made (the token is taken), 403 after it (the server is closed).
      expect([401, 403]).toContain(refused);
      client.accessToken = answers.find(({ status }) => status === 200)!.body.access_token;
      expect(await client.request('GET', '/_synapse/admin/v1/registration_tokens')).toEqual({ registration_tokens: [] });
      expect(await firstRun.link()).toBeUndefined();
      await net.client('closed').expectError(403, 'M_FORBIDDEN', 'POST', '/v3/register', { username: 'late', password: 'x long enough', auth: tokenAuth(token) });
      await net.client('closed').expectError(403, 'M_FORBIDDEN', 'GET', '/v3/register/available?username=late');
      await net.client('closed').expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', '/v3/register?kind=guest', {});
    });
  });

  describe('with tokens', () => {
    let admin: TestClient;
    beforeAll(async () => {
      admin = net.client('token');
      const answer = await admin.request('POST', '/_synapse/admin/v1/register', await sharedSecret(admin, { username: 'admin', password: 'x long enough', admin: true }));
      admin.accessToken = answer.access_token;
    });

    const register = (username: string, token: string) =>
      net.client('token').raw('POST', '/v3/register', { username, password: 'x long enough', auth: tokenAuth(token) });

    it('asks for a token and counts its uses', async () => {
      const created = await admin.request('POST', '/_synapse/admin/v1/registration_tokens/new', { token: 'two-uses', uses_allowed: 2 });
      expect(created).toEqual({ token: 'two-uses', uses_allowed: 2, pending: 0, completed: 0, expiry_time: null });
      const answers = await Promise.all(['u1', 'u2', 'u3', 'u4'].map((name) => register(name, 'two-uses')));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
      expect((await register('u5', 'two-uses')).status).toBe(401);
      expect((await admin.request('GET', '/_synapse/admin/v1/registration_tokens/two-uses')).completed).toBe(2);
      expect(await net.client('token').request('GET', '/v1/register/m.login.registration_token/validity?token=two-uses')).toEqual({ valid: false });
    });

    it('does not spend a use on a registration that fails', async () => {
      await admin.request('POST', '/_synapse/admin/v1/registration_tokens/new', { token: 'one', uses_allowed: 1 });
      expect((await register('admin', 'one')).body.errcode).toBe('M_USER_IN_USE');
      expect((await register('lucky', 'one')).status).toBe(200);
    });

    it('refuses expired and deleted tokens', async () => {
      await admin.request('POST', '/_synapse/admin/v1/registration_tokens/new', { token: 'old', expiry_time: 1000 });
      expect((await register('late', 'old')).status).toBe(401);
      const { token } = await admin.request('POST', '/_synapse/admin/v1/registration_tokens/new', {});
      await admin.request('DELETE', `/_synapse/admin/v1/registration_tokens/${token}`);
      expect((await register('late', token)).status).toBe(401);
      await admin.expectError(404, 'M_NOT_FOUND', 'GET', `/_synapse/admin/v1/registration_tokens/${token}`);
    });

    it('lets only administrators make tokens', async () => {
      const { token } = await admin.request('POST', '/_synapse/admin/v1/registration_tokens/new', {});
      const plain = net.client('token');
      plain.accessToken = (await register('plain', token)).body.access_token;
      await plain.expectError(403, 'M_FORBIDDEN', 'POST', '/_synapse/admin/v1/registration_tokens/new', {});
    });
  });

  describe('by the shared secret', () => {
    it('makes accounts and administrators, with a display name', async () => {
      const client = net.client('open');
      const body = await sharedSecret(client, { username: 'boss', password: 'pw long enough', admin: true, displayname: 'The Boss' });
      const answer = await client.request('POST', '/_synapse/admin/v1/register', body);
      expect(answer.user_id).toBe(`@boss:${net.server('open').name}`);
      expect(await client.request('GET', `/v3/profile/${encodeURIComponent(answer.user_id)}`)).toEqual({ displayname: 'The Boss' });
      client.accessToken = answer.access_token;
      await client.request('GET', '/_synapse/admin/v1/registration_tokens');
      await net.client('open').login('boss', 'pw long enough');
    });

    it('takes a nonce once, even after a wrong MAC', async () => {
      const client = net.client('open');
      const body = await sharedSecret(client, { username: 'once', password: 'pw long enough' });
      await client.expectError(403, 'M_FORBIDDEN', 'POST', '/_synapse/admin/v1/register', signed(body.nonce, { username: 'once', password: 'pw long enough' }, 'guess'));
      await client.expectError(400, 'M_UNKNOWN', 'POST', '/_synapse/admin/v1/register', body);
      const fresh = await sharedSecret(client, { username: 'once', password: 'pw long enough' });
      await client.request('POST', '/_synapse/admin/v1/register', fresh);
      await client.expectError(400, 'M_UNKNOWN', 'POST', '/_synapse/admin/v1/register', fresh);
    });

    it('covers the admin flag by the MAC', async () => {
      const client = net.client('open');
      const body = await sharedSecret(client, { username: 'sneaky', password: 'pw long enough' });
      await client.expectError(403, 'M_FORBIDDEN', 'POST', '/_synapse/admin/v1/register', { ...body, admin: true });
    });

    it('is not there without a secret', async () => {
      await net.client('nosecret').expectError(404, 'M_UNRECOGNIZED', 'GET', '/_synapse/admin/v1/register');
    });
  });
});
