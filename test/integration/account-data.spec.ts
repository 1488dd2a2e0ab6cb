import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { sync } from './test-keys.js';

const room = '!room:example.org';

describe('account data', () => {
  let net: Network;
  let alice: TestClient;
  let user: string;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
    alice = await net.client().register('alice');
    user = `/v3/user/${encodeURIComponent(alice.userId)}`;
  });
  afterAll(() => net.stop());

  const ofType = (events: Json[], type: string): Json => events.find((event) => event.type === type)?.content;

  it('is kept as it was written, floats and NUL characters included', async () => {
    const content = { number: 0.25, text: 'a\u0000b', nested: { list: [1, null, 'ü'] } };
    await alice.request('PUT', `${user}/account_data/org.example.one`, content);
    expect(await alice.request('GET', `${user}/account_data/org.example.one`)).toEqual(content);
    await alice.request('PUT', `${user}/account_data/org.example.one`, { newer: true });
    expect(await alice.request('GET', `${user}/account_data/org.example.one`)).toEqual({ newer: true });
  });

  it('of a room is apart from that of the account', async () => {
    const path = `${user}/rooms/${encodeURIComponent(room)}/account_data/org.example.two`;
    await alice.request('PUT', path, { of: 'room' });
    expect(await alice.request('GET', path)).toEqual({ of: 'room' });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${user}/account_data/org.example.two`);
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${user}/rooms/nonsense/account_data/x`, {});
  });

  it('of the server and of others is refused', async () => {
    const bob = await net.client().register('bob');
    await bob.expectError(403, 'M_FORBIDDEN', 'PUT', `${user}/account_data/x`, {});
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', `${user}/account_data/org.example.one`);
    await alice.expectError(405, 'M_BAD_JSON', 'PUT', `${user}/account_data/m.push_rules`, {});
    await alice.expectError(405, 'M_BAD_JSON', 'PUT', `${user}/rooms/${encodeURIComponent(room)}/account_data/m.fully_read`, {});
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', `${user}/account_data/x`, []);
    await alice.expectError(400, 'M_NOT_JSON', 'PUT', `${user}/account_data/x`, '{');
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${user}/account_data/x`);
  });

  it('is bounded', async () => {
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${user}/account_data/x`, { x: 'x'.repeat(600_000) });
    const deep = `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', `${user}/account_data/x`, deep);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${user}/account_data/x`);
  });

  it('arrives by sync, once, and wakes it', async () => {
    await alice.request('PUT', `${user}/account_data/org.example.synced`, { n: 1 });
    const first = await sync(alice);
    expect(ofType(first.account_data.events, 'org.example.synced')).toEqual({ n: 1 });
    expect(ofType(first.account_data.events, 'm.push_rules').global.override[0].rule_id).toBe('.m.rule.master');
    const waiting = sync(alice, first.next_batch, 20_000);
    await alice.request('PUT', `${user}/account_data/org.example.synced`, { n: 2 });
    const second = await waiting;
    expect(second.account_data.events).toEqual([{ type: 'org.example.synced', content: { n: 2 } }]);
    expect((await sync(alice, second.next_batch)).account_data?.events ?? []).toEqual([]);
  });
});

describe('tags', () => {
  let net: Network;
  let alice: TestClient;
  let path: string;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
    alice = await net.client().register('alice');
    path = `/v3/user/${encodeURIComponent(alice.userId)}/rooms/${encodeURIComponent(room)}/tags`;
  });
  afterAll(() => net.stop());

  it('are added and removed one by one, also at the same time', async () => {
    expect(await alice.request('GET', path)).toEqual({ tags: {} });
    await Promise.all(['m.favourite', 'u.work', 'u.ünicode'].map((tag, i) => alice.request('PUT', `${path}/${encodeURIComponent(tag)}`, { order: i / 4 })));
    expect(await alice.request('GET', path)).toEqual({ tags: { 'm.favourite': { order: 0 }, 'u.work': { order: 0.25 }, 'u.ünicode': { order: 0.5 } } });
    await alice.request('DELETE', `${path}/u.work`);
    await alice.request('DELETE', `${path}/u.never`);
    expect(Object.keys((await alice.request('GET', path)).tags).sort()).toEqual(['m.favourite', 'u.ünicode']);
    const data = await alice.request('GET', path.replace(/tags$/, 'account_data/m.tag'));
    expect(data.tags['m.favourite']).toEqual({ order: 0 });
  });

  it('refuse what is malformed', async () => {
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', `${path}/u.bad`, { order: 'first' });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${path}/${'x'.repeat(300)}`, {});
    expect((await alice.request('GET', path)).tags['u.bad']).toBeUndefined();
  });
});
