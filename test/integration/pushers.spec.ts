import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
beforeAll(async () => {
  net = await Network.start();
  alice = await net.client().register('alice');
});
afterAll(() => net.stop());

const url = 'https://push.example.org/_matrix/push/v1/notify';
const pusher = (pushkey: string, change: Json = {}): Json => ({
  app_id: 'org.example.app', pushkey, kind: 'http', app_display_name: 'App', device_display_name: 'Phone', profile_tag: 'p', lang: 'en',
  data: { url, format: 'event_id_only', own: { thing: 0.5 } }, ...change,
});
const set = (client: TestClient, pushkey: string, change: Json = {}): Promise<Json> => client.request('POST', '/v3/pushers/set', pusher(pushkey, change));
const pushers = async (client: TestClient): Promise<Json[]> => (await client.request('GET', '/v3/pushers')).pushers;
const keys = async (client: TestClient): Promise<string[]> => (await pushers(client)).map((one) => one.pushkey).sort();

describe('pushers', () => {
  it('are set, changed, listed and deleted', async () => {
    expect(await pushers(alice)).toEqual([]);
    await set(alice, 'one');
    await set(alice, 'two');
    expect(await pushers(alice)).toEqual([pusher('one'), pusher('two')]);
    await set(alice, 'one', { lang: 'de', profile_tag: undefined });
    expect((await pushers(alice)).find((one) => one.pushkey === 'one')).toEqual(pusher('one', { lang: 'de', profile_tag: '' }));
    await alice.request('POST', '/v3/pushers/set', { app_id: 'org.example.app', pushkey: 'one', kind: null });
    await alice.request('POST', '/v3/pushers/set', { app_id: 'org.example.app', pushkey: 'one', kind: null });
    expect(await keys(alice)).toEqual(['two']);
  });

  it.each<[string, Json]>([
    ['M_MISSING_PARAM', { kind: undefined }],
    ['M_MISSING_PARAM', { pushkey: undefined }],
    ['M_MISSING_PARAM', { app_id: undefined }],
    ['M_MISSING_PARAM', { app_display_name: undefined }],
    ['M_MISSING_PARAM', { device_display_name: undefined }],
    ['M_MISSING_PARAM', { lang: undefined }],
    ['M_MISSING_PARAM', { data: undefined }],
    ['M_MISSING_PARAM', { data: {} }],
    ['M_INVALID_PARAM', { kind: 'email' }],
    ['M_INVALID_PARAM', { data: { url: 'http://push.example.org/_matrix/push/v1/notify' } }],
    ['M_INVALID_PARAM', { data: { url: 'https://push.example.org/elsewhere' } }],
    ['M_INVALID_PARAM', { data: { url: 'https://u:p@push.example.org/_matrix/push/v1/notify' } }],
    ['M_INVALID_PARAM', { data: { url: 'push' } }],
    ['M_INVALID_PARAM', { data: { url: 1 } }],
    ['M_BAD_JSON', { app_id: 'a'.repeat(65) }],
    ['M_BAD_JSON', { pushkey: 'a'.repeat(513) }],
    ['M_BAD_JSON', { pushkey: '' }],
    ['M_BAD_JSON', { lang: 7 }],
    ['M_BAD_JSON', { data: 'x' }],
    ['M_BAD_JSON', { append: 'yes' }],
  ])('answer %s to %j', async (errcode, change) => {
    await alice.expectError(400, errcode, 'POST', '/v3/pushers/set', pusher('bad', change));
    expect(await keys(alice)).not.toContain('bad');
  });

  it('hold 8 KiB for their gateway, and no more', async () => {
    const data = (bytes: number) => ({ url, x: 'x'.repeat(bytes - JSON.stringify({ url, x: '' }).length) });
    await set(alice, 'large', { data: data(8 * 1024) });
    await alice.expectError(413, 'M_TOO_LARGE', 'POST', '/v3/pushers/set', pusher('larger', { data: data(8 * 1024 + 1) }));
  });

  it('are a hundred at most: the oldest give way', async () => {
    const dora = await net.client().register('dora');
    for (let i = 0; i < 101; i++) await set(dora, `key ${String(i).padStart(3, '0')}`);
    expect(await keys(dora)).toEqual(Array.from({ length: 100 }, (_, i) => `key ${String(i + 1).padStart(3, '0')}`));
  });

  it('of one push key belong to the account that set it last, unless it appends', async () => {
    const [bob, carol] = [await net.client().register('bob'), await net.client().register('carol')];
    await set(bob, 'shared');
    await set(carol, 'shared', { append: true });
    expect([await keys(bob), await keys(carol)]).toEqual([['shared'], ['shared']]);
    await set(carol, 'shared');
    expect([await keys(bob), await keys(carol)]).toEqual([[], ['shared']]);
  });

  it('go with the session that set them: by a logout, a deletion, a new password', async () => {
    const phone = await net.client().register('erin');
    const tablet = await net.client().login('erin');
    const laptop = await net.client().login('erin');
    for (const [key, client] of Object.entries({ phone, tablet, laptop })) await set(client, key);
    await tablet.request('POST', '/v3/logout', {});
    expect(await keys(phone)).toEqual(['laptop', 'phone']);
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'erin' }, password: 'password of erin' };
    const asked = await phone.raw('POST', '/v3/account/password', { new_password: 'another password of erin' });
    await phone.request('POST', '/v3/account/password', { new_password: 'another password of erin', auth: { ...auth, session: asked.body.session } });
    expect(await keys(phone)).toEqual(['phone']);
    await phone.request('POST', '/v3/logout/all', {});
    const again = await net.client().login('erin', 'another password of erin');
    expect(await keys(again)).toEqual([]);
  });

  it('are there after a crash', async () => {
    await net.server('a').crash();
    await net.server('a').start();
    expect(await eventually(() => keys(alice))).toEqual(['large', 'two']);
  });
});
