import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient; let bob: TestClient; let carol: TestClient;
const rooms: string[] = [];
beforeAll(async () => {
  net = await Network.start();
  [alice, bob, carol] = [await net.client().register('alice'), await net.client().register('bob'), await net.client().register('carol')];
  for (let i = 0; i < 2; i++) {
    rooms.push((await bob.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id);
    await carol.request('POST', `${room(i)}/join`, {});
    await say(bob, i, 'before alice came');
    await alice.request('POST', `${room(i)}/join`, {});
  }
}, 60_000);
afterAll(() => net.stop());

const room = (i: number) => `/v3/rooms/${encodeURIComponent(rooms[i]!)}`;
const say = async (client: TestClient, i: number, body: string, extra: Json = {}): Promise<string> =>
  (await client.request('PUT', `${room(i)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text', ...extra })).event_id;
const page = (query: Json = {}): Promise<Json> => alice.request('GET', '/v3/notifications', undefined, { query });
const bodies = async (query: Json = {}): Promise<string[]> => (await page(query)).notifications.map((one: Json) => one.event.content.body);
const counts = async (): Promise<number[]> => {
  const { join } = (await alice.request('GET', '/v3/sync')).rooms;
  return rooms.map((id) => join[id].unread_notifications.notification_count);
};

it('are the events of all rooms that notify, newest first, with what the rules say', async () => {
  expect(await page()).toEqual({ notifications: [] });
  await say(bob, 0, 'one');
  await say(alice, 0, 'mine');
  const mention = await say(bob, 1, 'two', { 'm.mentions': { user_ids: [alice.userId] } });
  await say(bob, 1, 'a notice', { msgtype: 'm.notice' });
  const three = await say(carol, 0, 'three');
  expect(await bodies()).toEqual(['three', 'two', 'one']);
  const { notifications } = await page();
  expect(notifications[1]).toEqual({
    actions: ['notify', { set_tweak: 'sound', value: 'default' }, { set_tweak: 'highlight' }], profile_tag: '', read: false, room_id: rooms[1], ts: expect.any(Number),
    event: { content: { body: 'two', msgtype: 'm.text', 'm.mentions': { user_ids: [alice.userId] } }, event_id: mention, origin_server_ts: expect.any(Number), sender: bob.userId, type: 'm.room.message', unsigned: expect.any(Object) },
  });
  expect(await bodies({ only: 'highlight' })).toEqual(['two']);
  await alice.request('POST', `${room(0)}/receipt/m.read/${encodeURIComponent(three)}`, {});
  expect((await page()).notifications.map((one: Json) => one.read)).toEqual([true, false, true]);
});

it('come in pages', async () => {
  const all = await bodies();
  const read: string[] = [];
  let from: string | undefined;
  do {
    const { notifications, next_token: next } = await page({ limit: 2, ...(from === undefined ? {} : { from }) });
    expect(notifications.length).toBeLessThanOrEqual(2);
    read.push(...notifications.map((one: Json) => one.event.content.body));
    from = next;
  } while (from !== undefined);
  expect(read).toEqual(all);
  await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/notifications', undefined, { query: { from: 'x' } });
  await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/notifications', undefined, { query: { limit: '-1' } });
});

it('leave out what was redacted, whom one ignores, and rooms that one has left', async () => {
  const oops = await say(bob, 1, 'oops');
  await bob.request('PUT', `${room(1)}/redact/${encodeURIComponent(oops)}/r`, {});
  expect(await bodies()).toEqual(['three', 'two', 'one']);
  const ignored = (users: string[]) => alice.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`, { ignored_users: Object.fromEntries(users.map((id) => [id, {}])) });
  await ignored([carol.userId]);
  expect(await bodies()).toEqual(['two', 'one']);
  await ignored([]);
  await alice.request('POST', `${room(0)}/leave`, {});
  expect(await bodies()).toEqual(['two']);
  await alice.request('POST', `${room(0)}/join`, {});
  expect(await bodies()).toEqual(['two']);
});

it('are counted beyond two hundred, whether they were counted one by one, at once, or after a restart', async () => {
  await counts();
  const before = await counts();
  for (let i = 0; i < 130; i++) await say(bob, 1, `message ${i}`);
  await counts();
  for (let i = 130; i < 260; i++) await say(bob, 1, `message ${i}`);
  expect(await counts()).toEqual([before[0], before[1]! + 260]);
  const other = await net.client().login('alice');
  expect((await other.request('GET', '/v3/sync')).rooms.join[rooms[1]!].unread_notifications.notification_count).toBe(before[1]! + 260);
  await net.server('a').stop();
  await net.server('a').start();
  expect(await counts()).toEqual([before[0], before[1]! + 260]);
  const { join } = (await alice.request('GET', '/v3/sync')).rooms;
  expect(join[rooms[1]!].unread_notifications['io.partyline.partial']).toBeUndefined();
}, 120_000);
