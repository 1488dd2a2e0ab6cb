import { Pushers } from '../../apps/homeserver/src/push/pushers/pushers.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { TestGateway } from '../network/push-gateway.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let gateway: TestGateway;
let alice: TestClient; let bob: TestClient; let carol: TestClient;
let roomId: string;
let count = 0;
beforeAll(async () => {
  [net, gateway] = [await Network.start({ servers: ['a', 'b'] }), await TestGateway.start()];
  bob = await net.client('a').register('bob');
  await bob.request('PUT', `/v3/profile/${encodeURIComponent(bob.userId)}/displayname`, { displayname: 'Bob' });
  carol = await net.client('b').register('carol');
}, 60_000);
afterAll(async () => {
  await net.stop();
  await gateway.stop();
});
let key: string;
beforeEach(async () => {
  gateway.answer = [];
  key = `key ${++count}`;
  alice = await net.client('a').register(`alice${count}`);
  await alice.request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
  roomId = (await bob.request('POST', '/v3/createRoom', { preset: 'public_chat', name: 'Tea' })).room_id;
  await say(bob, 'before alice came');
  await alice.request('POST', `${room()}/join`, {});
});

const room = (id = roomId) => `/v3/rooms/${encodeURIComponent(id)}`;
const say = async (client: TestClient, body: string, extra: Json = {}): Promise<string> =>
  (await client.request('PUT', `${room()}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text', ...extra })).event_id;
const read = (eventId: string): Promise<Json> => alice.request('POST', `${room()}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
/** Event ids of which Alice's pusher was told. */
const told = (): string[] => gateway.eventsOf(key).map((one) => one.event_id);

it('tells a gateway of a message, and how many rooms are unread', async () => {
  await gateway.set(alice, key, { own: { thing: 1 } });
  const eventId = await say(bob, 'Alice, your tea', { 'm.mentions': { user_ids: [alice.userId] } });
  expect(await gateway.hears(key, eventId)).toEqual({
    event_id: eventId, room_id: roomId, type: 'm.room.message', sender: bob.userId, sender_display_name: 'Bob', room_name: 'Tea', prio: 'high',
    content: { body: 'Alice, your tea', msgtype: 'm.text', 'm.mentions': { user_ids: [alice.userId] } },
    counts: { unread: 1 },
    devices: [{ app_id: 'org.example.app', pushkey: key, pushkey_ts: expect.any(Number), data: { own: { thing: 1 } }, tweaks: { highlight: true, sound: 'default' } }],
  });
  expect(told()).toEqual([eventId]);
});

it('tells of an event no more than its id, where the app wants that', async () => {
  await gateway.set(alice, key, { format: 'event_id_only', default_payload: { aps: { alert: 'x' } } });
  const eventId = await say(bob, 'secret');
  expect(await gateway.hears(key, eventId)).toEqual({
    event_id: eventId, room_id: roomId, prio: 'high', counts: { unread: 1 },
    devices: [{ app_id: 'org.example.app', pushkey: key, pushkey_ts: expect.any(Number), data: { format: 'event_id_only', default_payload: { aps: { alert: 'x' } } } }],
  });
});

it('tells the count alone when something was read elsewhere, and what was read to nobody', async () => {
  await gateway.set(alice, key);
  const eventId = await say(bob, 'one');
  await gateway.hears(key, eventId);
  await read(eventId);
  const alone = await eventually(() => gateway.told.find((one) => one.devices[0].pushkey === key && !one.event_id));
  expect(alone).toMatchObject({ prio: 'low', counts: { unread: 0 } });
  gateway.answer = 502;
  const before = gateway.refused;
  const second = await say(bob, 'two');
  await eventually(() => gateway.refused > before);
  await read(second);
  gateway.answer = [];
  const third = await say(bob, 'three');
  await gateway.hears(key, third, 20_000);
  expect(told()).toEqual([eventId, third]);
});

it('removes a pusher whose key the gateway rejects', async () => {
  await gateway.set(alice, key);
  await gateway.set(alice, `${key} b`);
  gateway.answer = [key];
  const eventId = await say(bob, 'one');
  await gateway.hears(key, eventId);
  const keys = async () => (await alice.request('GET', '/v3/pushers')).pushers.map((one: Json) => one.pushkey);
  await eventually(async () => (await keys()).join() === `${key} b`);
  await gateway.hears(`${key} b`, eventId);
  const second = await say(bob, 'two');
  await gateway.hears(`${key} b`, second);
  expect(told()).toEqual([eventId]);
});

it('tells what a gateway did not take, again and over a crash, in order, but nothing that was redacted meanwhile', async () => {
  await gateway.set(alice, key);
  gateway.answer = 500;
  const before = gateway.refused;
  const sent: string[] = [];
  for (const body of ['one', 'two', 'three']) sent.push(await say(bob, body));
  await eventually(() => gateway.refused > before);
  await bob.request('PUT', `${room()}/redact/${encodeURIComponent(sent[1]!)}/r${count}`, {});
  await net.server('a').crash();
  gateway.answer = [];
  await net.server('a').start();
  await gateway.hears(key, sent[2]!, 30_000);
  expect(told()).toEqual([sent[0], sent[2]]);
}, 60_000);

it('tells nobody of his own words, of whom he ignores, of what came before him or after he left', async () => {
  await alice.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [carol.userId]: {} } });
  await carol.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
  await gateway.set(alice, key);
  await say(alice, 'mine');
  const unwanted = await say(carol, 'ignore me');
  await eventually(async () => (await bob.raw('GET', `${room()}/event/${encodeURIComponent(unwanted)}`)).status === 200);
  const wanted = await say(bob, 'hello');
  await gateway.hears(key, wanted);
  await alice.request('POST', `${room()}/leave`, {});
  await say(bob, 'she has left');
  await bob.request('POST', `${room()}/invite`, { user_id: alice.userId });
  const invitation = await eventually(() => gateway.eventsOf(key).find((one) => one.type === 'm.room.member'));
  expect(told()).toEqual([wanted, invitation.event_id]);
});

it('tells of invitations, to rooms of other servers, too', async () => {
  await gateway.set(alice, key);
  for (const inviter of [bob, carol]) {
    const { room_id: invitedTo } = await inviter.request('POST', '/v3/createRoom', { preset: 'private_chat', name: 'Cake', invite: [alice.userId] });
    const push = await eventually(() => gateway.eventsOf(key).find((one) => one.room_id === invitedTo));
    expect(push).toMatchObject({
      type: 'm.room.member', sender: inviter.userId, room_name: 'Cake', user_is_target: true, prio: 'high', content: { membership: 'invite' },
      devices: [{ tweaks: { sound: 'default' } }],
    });
  }
  expect(gateway.eventsOf(key).map((one) => one.counts.unread)).toEqual([1, 2]);
});

it('costs a room without pushers nothing, and forgets who has none', async () => {
  expect(net.server('a').get(Pushers).isNotified(alice.userId)).toBe(false);
  await gateway.set(alice, key);
  expect(net.server('a').get(Pushers).isNotified(alice.userId)).toBe(true);
  await alice.request('POST', '/v3/logout', {});
  await eventually(() => !net.server('a').get(Pushers).isNotified(alice.userId));
});
