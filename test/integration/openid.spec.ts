import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { RawResponse, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

let net: Network;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = [net.server('a'), net.server('b')];
});
afterAll(() => net.stop());

const ask = (client: TestClient, userId = client.userId) => client.raw('POST', `/v3/user/${encodeURIComponent(userId)}/openid/request_token`, {});
const tokenOf = async (client: TestClient): Promise<string> => (await ask(client)).body.access_token;
/** What a service learns that has been given a token. */
const show = (server: TestServer, token: string): Promise<RawResponse> =>
  net.client(server).raw('GET', '/_matrix/federation/v1/openid/userinfo', undefined, { query: { access_token: token }, anonymous: true });

describe('an OpenID token', () => {
  it('shows whose it is, at the server that it names, for an hour', async () => {
    const alice = await net.client(a).register('alice');
    const { body } = await ask(alice);
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', matrix_server_name: a.config.serverName, expires_in: 3600 });
    expect(await show(a, body.access_token)).toMatchObject({ status: 200, body: { sub: alice.userId } });
    await a.restart();
    expect((await show(a, body.access_token)).body).toEqual({ sub: alice.userId });
  });

  it('is good for nothing else, is had for oneself only, and is nothing that anybody can make up', async () => {
    const bob = await net.client(a).register('bob');
    const token = await tokenOf(bob);
    await net.client(a).expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami', undefined, { headers: { authorization: `Bearer ${token}` }, anonymous: true });
    expect((await ask(bob, `@alice:${a.config.serverName}`)).body.errcode).toBe('M_FORBIDDEN');
    const statement = JSON.parse(Buffer.from(token, 'base64url').toString());
    const forged = [{ ...statement, user_id: `@alice:${a.config.serverName}` }, { ...statement, expires_ts: statement.expires_ts + 1 }, { ...statement, signatures: {} }, { ...statement, issuer: b.config.serverName }, 7, {}];
    for (const one of forged) expect((await show(a, Buffer.from(JSON.stringify(one)).toString('base64url'))).body.errcode).toBe('M_UNKNOWN_TOKEN');
    expect((await show(a, 'none')).status).toBe(401);
    expect((await net.client(a).raw('GET', '/_matrix/federation/v1/openid/userinfo', undefined, { anonymous: true })).status).toBe(401);
  });

  it('of one home is known at the others, which are asked by the name of the domain', async () => {
    const carol = await Person.named('carol', a);
    await carol.addHome(b, { through: a });
    const { body } = await ask(carol.at(b));
    expect(body.matrix_server_name).toBe(a.config.serverName);
    expect((await show(a, body.access_token)).body).toEqual({ sub: carol.userId });
    // A home that was dropped vouches for nobody.
    await carol.publish(carol.next({ drop: [b.config.serverName] }), a);
    expect((await show(a, body.access_token)).body.errcode).toBe('M_UNKNOWN_TOKEN');
  });

  it('ends with its account', async () => {
    const dave = await net.client(a).register('dave');
    const token = await tokenOf(dave);
    const { session } = (await dave.raw('POST', '/v3/account/deactivate', {})).body;
    const auth = { type: 'm.login.password', session, identifier: { type: 'm.id.user', user: 'dave' }, password: 'password of dave' };
    await dave.request('POST', '/v3/account/deactivate', { auth });
    expect((await show(a, token)).status).toBe(401);
  });
});
