import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

describe('refreshing a session', () => {
  let net: Network;
  const clock = new TravellingClock();
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'], clock });
  });
  afterAll(() => net.stop());

  const HOUR = 60 * 60 * 1000;

  it('replaces tokens, the old ones living until the new ones are used', async () => {
    const body = { type: 'm.login.password', user: 'pia', password: 'password of pia', refresh_token: true };
    await net.client().register('pia');
    const client = net.client();
    const first = await client.request('POST', '/v3/login', body);
    expect(first.expires_in_ms).toBe(HOUR);
    const refresh = (token: string) => client.request('POST', '/v3/refresh', { refresh_token: token });
    const lost = await refresh(first.refresh_token);
    clock.aheadMs += 31_000;
    // The answer was lost: the client asks again, later, with what it has.
    const second = await refresh(first.refresh_token);
    client.accessToken = lost.access_token;
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
    client.accessToken = first.access_token;
    await client.request('GET', '/v3/account/whoami');
    client.accessToken = second.access_token;
    expect((await client.request('GET', '/v3/account/whoami')).device_id).toBe(first.device_id);
    expect(await refresh(first.refresh_token)).toEqual(second);
    client.accessToken = first.access_token;
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
    expect(await refresh(second.refresh_token)).toEqual({ access_token: expect.any(String), refresh_token: expect.any(String), expires_in_ms: HOUR });
  });

  const session = async (name: string): Promise<[TestClient, Json]> => {
    await net.client().register(name);
    const client = net.client();
    const login = await client.request('POST', '/v3/login', { type: 'm.login.password', user: name, password: `password of ${name}`, refresh_token: true });
    client.accessToken = login.access_token;
    return [client, login];
  };
  const refresh = (client: TestClient, token: string) => client.request('POST', '/v3/refresh', { refresh_token: token });
  const isGood = async (client: TestClient, token: string) => {
    client.accessToken = token;
    return (await client.raw('GET', '/v3/account/whoami')).status === 200;
  };

  it('gives all who ask at once the same tokens, also when these are used already', async () => {
    const [client, login] = await session('tess');
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(client, login.refresh_token)));
    expect(new Set(answers.map((answer) => answer.refresh_token)).size).toBe(1);
    expect(await isGood(client, answers[0].access_token)).toBe(true);
    expect(await refresh(client, login.refresh_token)).toEqual(answers[0]);
    expect(await isGood(client, answers[0].access_token)).toBe(true);
  });

  it('ends the session when a token comes again that was spent', async () => {
    const [client, login] = await session('ugo');
    const [, other] = await session('ute');
    const thief = await refresh(client, login.refresh_token);
    expect(await isGood(client, thief.access_token)).toBe(true);
    const next = await refresh(client, thief.refresh_token);
    expect(await isGood(client, next.access_token)).toBe(true);
    clock.aheadMs += 31_000;
    // It changes nothing to bring what never was a token of the session.
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: next.refresh_token.slice(0, -4) + 'AAAA' });
    expect(await isGood(client, next.access_token)).toBe(true);
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: login.refresh_token });
    for (const token of [login, thief, next]) {
      expect(await isGood(client, token.access_token)).toBe(false);
      await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: token.refresh_token });
    }
    expect(await isGood(client, other.access_token)).toBe(true);
  });

  it('does not take an answer that was never used for a spent one', async () => {
    const [client, login] = await session('vito');
    const late = await refresh(client, login.refresh_token);
    clock.aheadMs += 31_000;
    const used = await refresh(client, login.refresh_token);
    expect(used.refresh_token).not.toBe(late.refresh_token);
    expect(await isGood(client, used.access_token)).toBe(true);
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: late.refresh_token });
    expect(await isGood(client, used.access_token)).toBe(true);
  });

  it('is asked for by a soft logout when a token expires', async () => {
    await net.client().register('quin');
    const client = net.client();
    const session = await client.request('POST', '/v3/login', { type: 'm.login.password', user: 'quin', password: 'password of quin', refresh_token: true });
    client.accessToken = session.access_token;
    await client.request('GET', '/v3/account/whoami');
    clock.aheadMs += HOUR + 1;
    const error = await client.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
    expect(error.soft_logout).toBe(true);
    const fresh = await client.request('POST', '/v3/refresh', { refresh_token: session.refresh_token });
    client.accessToken = fresh.access_token;
    await client.request('GET', '/v3/account/whoami');
  });

  it('ends with the device', async () => {
    await net.client().register('rita');
    const client = net.client();
    const session = await client.request('POST', '/v3/login', { type: 'm.login.password', user: 'rita', password: 'password of rita', refresh_token: true });
    client.accessToken = session.access_token;
    await client.request('POST', '/v3/logout');
    await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/refresh', { refresh_token: session.refresh_token });
  });
});
