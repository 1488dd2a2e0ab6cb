import { PushTurns } from '../../apps/homeserver/src/notifications/push-turns.js';
import { PushesStore } from '../../apps/homeserver/src/notifications/pushes.store.js';
import { TestBrowser } from '../network/browser.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { TestGateway } from '../network/push-gateway.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isCaughtUp, isIn, join, say } from './talk.js';

// Pushers of an account with two homes, of which one pushes (protocol §4, "Pushes").
let net: Network;
let gateway: TestGateway;
let browser: TestBrowser;
let a: TestServer; let b: TestServer; let c: TestServer;
let alice: Person; let bob: TestClient;
let roomId: string;

beforeAll(async () => {
  [net, gateway, browser] = [await Network.start({ servers: ['a', 'b', 'c'] }), await TestGateway.start(), await TestBrowser.open()];
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  alice = await Person.named('alice', a);
  await alice.addHome(b, { through: a });
  bob = await net.client(c).register('bob');
  roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(alice.at(b), roomId);
  await isCaughtUp(alice, a, b);
  await isCaughtUp(alice, b, a);
}, 120_000);
afterAll(async () => {
  await net.stop();
  await gateway.stop();
  await browser.close();
});

const keys = async (client: TestClient): Promise<string> => (await client.request('GET', '/v3/pushers')).pushers.map((one: Json) => one.pushkey).sort().join();
const pusher = { appId: 'org.example.app', pushkey: 'phone' };
/** Waits until a home knows that another one has pushed it to both pushers, and has nothing left of it itself. */
const leaves = (home: TestServer, eventId: string, timeoutMs: number) => eventually(async () => {
  for (const name of [pusher, { appId: 'org.example.page', pushkey: browser.pusher().pushkey }]) {
    const key = { ...name, userId: alice.userId };
    if (!home.get(PushTurns).isDone(key, eventId)) return false;
    if ((await home.get(PushesStore).first(key, Number.MAX_SAFE_INTEGER, 100)).some((push) => push.eventId === eventId)) return false;
  }
  return true;
}, timeoutMs);
const times = (eventId: string): number[] => [
  gateway.eventsOf('phone').filter((one) => one.event_id === eventId).length, browser.messages.filter(({ text }) => text.event_id === eventId).length,
];
/** Sets a pusher of the browser and confirms it. @returns the key that the browser has subscribed with */
async function subscribe(client: TestClient): Promise<string> {
  await client.request('POST', '/v3/pushers/set', browser.pusher());
  const { text } = await eventually(() => browser.messages.find((message) => message.text.ack_token));
  await client.request('POST', '/unstable/org.matrix.msc4174/pushers/ack', text);
  return (await client.request('GET', '/v3/capabilities')).capabilities['org.matrix.msc4174.webpush'].vapid;
}

it('they are the same at both homes, and go with their device', async () => {
  await gateway.set(alice.at(a), 'one', { own: 0.5 });
  await eventually(async () => (await keys(alice.at(b))) === 'one');
  expect((await alice.at(b).request('GET', '/v3/pushers')).pushers).toEqual((await alice.at(a).request('GET', '/v3/pushers')).pushers);
  await alice.at(b).request('POST', '/v3/pushers/set', { app_id: pusher.appId, pushkey: 'one', kind: null });
  await eventually(async () => (await keys(alice.at(a))) === '');
  const tablet = await alice.login(a, 'TABLET');
  await gateway.set(tablet, 'two');
  await eventually(async () => (await keys(alice.at(b))) === 'two');
  await tablet.request('POST', '/v3/logout', {});
  await eventually(async () => (await keys(alice.at(b))) === '');
  await alice.login(a);
}, 60_000);

it('one home pushes, the next takes over when it is dead, and nothing is told twice when it comes back', async () => {
  await gateway.set(alice.at(a), 'phone');
  const vapid = await subscribe(alice.at(a));
  await isCaughtUp(alice, a, b);
  const { pushers } = await alice.at(b).request('GET', '/v3/pushers');
  expect(pushers.map((one: Json) => [one.kind, one.data.activated])).toEqual([['http', undefined], ['org.matrix.msc4174.webpush', true]]);
  const first = await say(bob, roomId, 'both are there');
  await leaves(b, first, 30_000);
  expect(times(first)).toEqual([1, 1]);
  await a.stop();
  const second = await say(bob, roomId, 'one is dead');
  await gateway.hears('phone', second, 60_000);
  // The other home signs as the browser expects it.
  const { headers } = await eventually(() => browser.messages.find(({ text }) => text.event_id === second), 60_000);
  expect(headers.authorization).toContain(`k=${vapid}`);
  // From now on nobody waits for it.
  expect(await b.get(PushTurns).wait(alice.userId, Date.now())).toBe(0);
  const third = await say(bob, roomId, 'still');
  await gateway.hears('phone', third, 30_000);
  await a.start();
  for (const eventId of [second, third]) await leaves(a, eventId, 60_000);
  const fourth = await say(bob, roomId, 'both again');
  await leaves(b, fourth, 60_000);
  expect([first, second, third, fourth].map(times)).toEqual([[1, 1], [1, 1], [1, 1], [1, 1]]);
}, 240_000);
