import { Profiles } from '../../apps/homeserver/src/accounts/profiles.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';

describe('profiles', () => {
  let net: Network;
  let alice: TestClient;
  let path: string;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
    alice = await net.client().register('alice');
    path = `/v3/profile/${encodeURIComponent(alice.userId)}`;
  });
  afterAll(() => net.stop());

  it('are empty at first and hold what was set', async () => {
    expect(await net.client().request('GET', path)).toEqual({});
    expect(await alice.request('GET', `${path}/displayname`)).toEqual({});
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${path}/m.tz`);
    await alice.request('PUT', `${path}/displayname`, { displayname: 'Alice' });
    await alice.request('PUT', `${path}/avatar_url`, { avatar_url: 'mxc://a/b' });
    await alice.request('PUT', `${path}/m.tz`, { 'm.tz': 'Europe/Berlin' });
    await alice.request('PUT', `${path}/org.example.pronouns`, { 'org.example.pronouns': [{ language: 'en', value: 'she' }] });
    expect(await net.client().request('GET', path)).toEqual({
      displayname: 'Alice',
      avatar_url: 'mxc://a/b',
      'm.tz': 'Europe/Berlin',
      'org.example.pronouns': [{ language: 'en', value: 'she' }],
    });
    expect(await net.client().request('GET', `${path}/displayname`)).toEqual({ displayname: 'Alice' });
  });

  it('lose fields by DELETE and, as older clients do it, by empty names', async () => {
    await alice.request('PUT', `${path}/org.example.gone`, { 'org.example.gone': 1 });
    await alice.request('DELETE', `${path}/org.example.gone`);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${path}/org.example.gone`);
    await alice.request('PUT', `${path}/avatar_url`, { avatar_url: 'mxc://a/b' });
    await alice.request('PUT', `${path}/avatar_url`, { avatar_url: '' });
    expect(await alice.request('GET', `${path}/avatar_url`)).toEqual({});
    await alice.request('DELETE', `${path}/org.example.never`);
  });

  it('refuse what is malformed, and keep what they had', async () => {
    await alice.request('PUT', `${path}/displayname`, { displayname: 'Alice' });
    const put = (key: string, body: unknown, status: number, errcode: string) => alice.expectError(status, errcode, 'PUT', `${path}/${key}`, body);
    await put('displayname', {}, 400, 'M_MISSING_PARAM');
    await put('displayname', { displayname: 5 }, 400, 'M_BAD_JSON');
    await put('displayname', { displayname: 'x'.repeat(1025) }, 400, 'M_INVALID_PARAM');
    await put('displayname', [], 400, 'M_BAD_JSON');
    await put('Upper', { Upper: 1 }, 400, 'M_INVALID_PARAM');
    await put('nodots', { nodots: 1 }, 400, 'M_INVALID_PARAM');
    const long = `org.${'x'.repeat(252)}`;
    await put(long, { [long]: 1 }, 400, 'M_KEY_TOO_LARGE');
    await put('org.example.big', { 'org.example.big': 'x'.repeat(65_536) }, 400, 'M_PROFILE_TOO_LARGE');
    expect((await alice.request('GET', path)).displayname).toBe('Alice');
  });

  it('stay below 64 KiB when changed at the same time', async () => {
    const bob = await net.client().register('bob');
    const half = 'x'.repeat(30_000);
    const answers = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) =>
        bob.raw('PUT', `/v3/profile/${encodeURIComponent(bob.userId)}/org.example.${name}`, { [`org.example.${name}`]: half }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 400, 400]);
  });

  it('take any address of an avatar, since others do', async () => {
    await alice.request('PUT', `${path}/avatar_url`, { avatar_url: 'http://example.org/picture' });
    expect(await alice.request('GET', `${path}/avatar_url`)).toEqual({ avatar_url: 'http://example.org/picture' });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${path}/avatar_url`, { avatar_url: `mxc://a/${'b'.repeat(1024)}` });
  });

  it('are changed by their owner only', async () => {
    const eve = await net.client().register('eve');
    await eve.expectError(403, 'M_FORBIDDEN', 'PUT', `${path}/displayname`, { displayname: 'Eve' });
    await eve.expectError(403, 'M_FORBIDDEN', 'DELETE', `${path}/displayname`);
    await net.client().expectError(401, 'M_MISSING_TOKEN', 'PUT', `${path}/displayname`, { displayname: 'Eve' });
  });

  it('do not exist for unknown people', async () => {
    const { name } = net.server('a');
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `/v3/profile/${encodeURIComponent(`@nobody:${name}`)}`);
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/profile/nonsense');
  });

  it('tell their listeners about changes, and only about changes', async () => {
    const told: string[] = [];
    const stop = net.server('a').get(Profiles).onChanged(async (userId, key) => void told.push(`${userId} ${key}`));
    await alice.request('PUT', `${path}/displayname`, { displayname: 'Alicia' });
    await alice.request('PUT', `${path}/displayname`, { displayname: 'Alicia' });
    stop();
    expect(told).toEqual([`${alice.userId} displayname`]);
  });
});
