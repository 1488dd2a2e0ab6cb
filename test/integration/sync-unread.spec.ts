import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let roomId: string;
beforeAll(async () => {
  net = await Network.start();
  [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
});
afterAll(() => net.stop());
beforeEach(async () => {
  roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
  await say(alice, 'before bob came');
  await bob.request('POST', `${room()}/join`, {});
});

const room = () => `/v3/rooms/${encodeURIComponent(roomId)}`;
const say = async (client: TestClient, body: string, extra: object = {}): Promise<string> =>
  (await client.request('PUT', `${room()}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text', ...extra })).event_id;
const read = (client: TestClient, eventId: string, body: object = {}, kind = 'm.read') =>
  client.request('POST', `${room()}/receipt/${kind}/${encodeURIComponent(eventId)}`, body);
const sync = (query: Record<string, string> = {}): Promise<Json> => bob.request('GET', '/v3/sync', undefined, { query });
const threads = { filter: JSON.stringify({ room: { timeline: { unread_thread_notifications: true } } }) };
const counts = async (query: Record<string, string> = {}) => {
  const section = (await sync(query)).rooms.join[roomId];
  return [section.unread_notifications.notification_count, section.unread_notifications.highlight_count];
};

describe('unread counts', () => {
  it('grow with what others say since one came, and end with a receipt', async () => {
    expect(await counts()).toEqual([0, 0]);
    await say(alice, 'one');
    expect(await counts()).toEqual([1, 0]);
    const last = await say(alice, 'two');
    await say(bob, 'mine does not count');
    expect(await counts()).toEqual([2, 0]);
    const { next_batch: since } = await sync();
    await read(bob, last);
    expect(await counts({ since })).toEqual([0, 0]);
    expect(await counts()).toEqual([0, 0]);
  });

  it('know highlights, and receipts in the middle, private ones too', async () => {
    const middle = await say(alice, 'hello');
    await say(alice, 'for bob', { 'm.mentions': { user_ids: [bob.userId] } });
    expect(await counts()).toEqual([2, 1]);
    await read(bob, middle, {}, 'm.read.private');
    expect(await counts()).toEqual([1, 1]);
  });

  it('forget what was redacted', async () => {
    const eventId = await say(alice, 'oops');
    await say(alice, 'stays');
    expect(await counts()).toEqual([2, 0]);
    await alice.request('PUT', `${room()}/redact/${encodeURIComponent(eventId)}/r`, {});
    expect(await counts()).toEqual([1, 0]);
  });

  it('are told per thread when asked', async () => {
    const root = await say(alice, 'root');
    const reply = await say(alice, 'reply', { 'm.relates_to': { rel_type: 'm.thread', event_id: root } });
    expect(await counts()).toEqual([2, 0]);
    const section = (await sync(threads)).rooms.join[roomId];
    expect(section.unread_notifications).toEqual({ notification_count: 1, highlight_count: 0 });
    expect(section.unread_thread_notifications).toEqual({ [root]: { notification_count: 1, highlight_count: 0 } });
    await read(bob, reply, { thread_id: root });
    const afterThread = (await sync(threads)).rooms.join[roomId];
    expect(afterThread.unread_notifications.notification_count).toBe(1);
    expect(afterThread.unread_thread_notifications).toBeUndefined();
    await read(bob, root, { thread_id: 'main' });
    expect(await counts(threads)).toEqual([0, 0]);
  });

  it('respect power levels of @room', async () => {
    const everyone = { 'm.mentions': { room: true } };
    await bob.request('PUT', `${room()}/send/m.room.message/x`, { body: 'hey', msgtype: 'm.text', ...everyone });
    const other = (await alice.request('GET', '/v3/sync')).rooms.join[roomId].unread_notifications;
    expect(other).toEqual({ notification_count: 1, highlight_count: 0 });
    await say(alice, 'hey', everyone);
    expect(await counts()).toEqual([1, 1]);
  });
});
