import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
beforeAll(async () => {
  net = await Network.start();
  alice = await net.client().register('alice');
});
afterAll(() => net.stop());

const getToken = async (): Promise<string> => {
  const { session } = (await alice.raw('POST', '/v1/login/get_token', {})).body;
  const auth = { type: 'm.login.password', session, identifier: { type: 'm.id.user', user: 'alice' }, password: 'password of alice' };
  return (await alice.request('POST', '/v1/login/get_token', { auth })).login_token;
};
const logIn = (token: Json) => net.client().raw('POST', '/v3/login', { type: 'm.login.token', token }, { anonymous: true });

it('let one more client log in, once, and survive a restart', async () => {
  const token = await getToken();
  await net.server('a').restart();
  const answers = await Promise.all([logIn(token), logIn(token)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 403]);
  expect(answers.find(({ status }) => status === 200)!.body.user_id).toBe(alice.userId);
});

it('are as said in the flows and capabilities', async () => {
  expect((await alice.request('GET', '/v3/login')).flows).toContainEqual({ type: 'm.login.token', get_login_token: true });
  expect((await alice.request('GET', '/v3/capabilities')).capabilities['m.get_login_token']).toEqual({ enabled: true });
});

it('are asked for with a proof each time, and only the last one is good', async () => {
  const [first, second] = [await getToken(), await getToken()];
  expect((await logIn(first)).body.errcode).toBe('M_FORBIDDEN');
  expect((await logIn(second)).status).toBe(200);
});

it.each([[undefined, 400], [7, 400], ['made up', 403]])('that are no tokens are refused: %j', async (token, status) => {
  expect((await logIn(token)).status).toBe(status);
});
