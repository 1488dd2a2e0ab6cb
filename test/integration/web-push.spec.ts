import { TestBrowser } from '../network/browser.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let browser: TestBrowser;
let alice: TestClient; let bob: TestClient;
let roomId: string;
beforeAll(async () => {
  [net, browser] = [await Network.start(), await TestBrowser.open()];
  [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
  roomId = (await bob.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
  await alice.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
}, 60_000);
afterAll(async () => {
  await net.stop();
  await browser.close();
});

const say = async (body: string): Promise<string> =>
  (await bob.request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${bob.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
const set = (change: Json = {}) => alice.raw('POST', '/v3/pushers/set', { ...browser.pusher(), ...change });
const ackPath = '/unstable/org.matrix.msc4174/pushers/ack';
const hears = (eventId: string) => eventually(() => browser.messages.find(({ text }) => text.event_id === eventId));
const ackToken = () => eventually(() => browser.messages.findLast(({ text }) => text.ack_token)?.text.ack_token as string | undefined);

it('is announced, with a key of the account', async () => {
  expect((await alice.request('GET', '/versions')).unstable_features['org.matrix.msc4174']).toBe(true);
  const of = async (client: TestClient): Promise<Json> => (await client.request('GET', '/v3/capabilities')).capabilities['org.matrix.msc4174.webpush'];
  const own = await of(alice);
  expect(own).toEqual({ enabled: true, vapid: expect.stringMatching(/^B[\w-]{86}$/) });
  expect((await of(bob)).vapid).not.toBe(own.vapid);
});

it('brings nothing before the browser has confirmed it, and then what only the browser reads', async () => {
  expect(await set()).toMatchObject({ status: 201, body: {} });
  const token = await ackToken();
  expect(browser.messages).toHaveLength(1);
  expect(browser.messages[0]!.text).toEqual({ app_id: 'org.example.page', ack_token: token });
  const [shown] = (await alice.request('GET', '/v3/pushers')).pushers;
  expect(shown).toMatchObject({ kind: 'org.matrix.msc4174.webpush', data: { activated: false } });
  await say('too early');
  await alice.expectError(404, 'M_NOT_FOUND', 'POST', ackPath, { app_id: 'org.example.other', ack_token: token });
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', ackPath, { app_id: 'org.example.page', ack_token: 'x' });
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', ackPath, { app_id: 'org.example.page', ack_token: token });
  await alice.request('POST', ackPath, { app_id: 'org.example.page', ack_token: token });
  const eventId = await say('hello');
  const { text, headers } = await hears(eventId);
  expect(text).toMatchObject({ event_id: eventId, room_id: roomId, sender: bob.userId, type: 'm.room.message', content: { body: 'hello' }, unread: 1 });
  expect(headers).toMatchObject({ 'content-encoding': 'aes128gcm', ttl: expect.stringMatching(/^\d+$/), urgency: 'high' });
  const { vapid } = (await alice.request('GET', '/v3/capabilities')).capabilities['org.matrix.msc4174.webpush'];
  expect(headers.authorization).toMatch(new RegExp(`^vapid t=[\\w.-]+, k=${vapid}$`));
  expect(browser.messages.map((one) => one.text.event_id ?? null)).toEqual([null, eventId]);
  expect((await alice.request('GET', '/v3/pushers')).pushers[0].data.activated).toBe(true);
});

it('needs no new word of the browser while its address stays', async () => {
  expect((await set({ lang: 'de' })).status).toBe(200);
  expect((await alice.request('GET', '/v3/pushers')).pushers).toMatchObject([{ lang: 'de', data: { activated: true } }]);
});

it('leaves out what does not find place', async () => {
  const eventId = await say('x'.repeat(10_000));
  const { text } = await hears(eventId);
  expect(text).toMatchObject({ event_id: eventId, sender: bob.userId });
  expect(text.content).toBeUndefined();
});

it('ends where the push service says that the subscription is gone', async () => {
  browser.status = 410;
  await say('to nobody');
  await eventually(async () => (await alice.request('GET', '/v3/pushers')).pushers.length === 0);
});

it.each<[string, Json]>([
  ['M_INVALID_PARAM', { pushkey: 'x' }],
  ['M_INVALID_PARAM', { pushkey: `B${'A'.repeat(86)}` }],
  ['M_MISSING_PARAM', { data: { auth: 'A'.repeat(22) } }],
  ['M_MISSING_PARAM', { data: { url: 'https://push.example.org/1' } }],
  ['M_INVALID_PARAM', { data: { url: 'https://push.example.org/1', auth: 'AAAA' } }],
  ['M_INVALID_PARAM', { data: { url: 'http://push.example.org/1', auth: 'A'.repeat(22) } }],
])('answers %s to %j', async (errcode, change) => {
  await alice.expectError(400, errcode, 'POST', '/v3/pushers/set', { ...browser.pusher(), ...change });
});
