import { Network } from '../network/network.js';
import { RelatingRoom } from '../network/relating.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let room: RelatingRoom;
let root: string;
let reply: string;

beforeAll(async () => {
  net = await Network.start();
  [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
});
afterAll(() => net.stop());
beforeEach(async () => {
  ({ room, root } = await RelatingRoom.begin(alice, bob));
  reply = await room.reply(alice, root, 'reply');
});

const read = (eventId: string, threadId?: string) =>
  bob.request('POST', `${room.path}/receipt/m.read/${encodeURIComponent(eventId)}`, threadId === undefined ? {} : { thread_id: threadId });
const section = async (perThread: boolean): Promise<Json> => {
  const filter = JSON.stringify({ room: { rooms: [room.roomId], timeline: { unread_thread_notifications: perThread } } });
  return (await bob.request('GET', '/v3/sync', undefined, { query: { filter } })).rooms.join[room.roomId];
};
/** [all of the room, its main timeline, the thread] */
const counts = async (): Promise<number[]> => {
  const [all, apart] = [await section(false), await section(true)];
  expect(all.unread_thread_notifications).toBeUndefined();
  return [
    all.unread_notifications.notification_count, apart.unread_notifications.notification_count,
    apart.unread_thread_notifications?.[root]?.notification_count ?? 0,
  ];
};

it('receipts of a thread, of the main timeline and of the room end what they read', async () => {
  await room.reply(alice, root, 'second');
  const inMain = await room.say(alice, 'beside');
  await room.reply(alice, root, 'third');
  const reference = await room.say(alice, 'about the root', { rel_type: 'm.reference', event_id: root });
  const reaction = await room.react(alice, reference, '👍');
  expect(await counts()).toEqual([6, 3, 3]);
  await read(root, 'main');
  expect(await counts()).toEqual([5, 2, 3]);
  await read(reply, root);
  expect(await counts()).toEqual([4, 2, 2]);
  await read(inMain);
  expect(await counts()).toEqual([2, 1, 1]);
  await read(reaction, root);
  expect(await counts()).toEqual([1, 1, 0]);
});

it('what relates to an event of a thread is in it, to the third', async () => {
  const about = await room.say(alice, 'about the reply', { rel_type: 'm.reference', event_id: reply });
  expect(await counts()).toEqual([3, 1, 2]);
  const further = await room.say(alice, 'about that', { rel_type: 'm.reference', event_id: about });
  expect(await counts()).toEqual([4, 1, 3]);
  await read(further, root);
  expect(await counts()).toEqual([1, 1, 0]);
  await net.server('a').restart();
  expect(await counts()).toEqual([1, 1, 0]);
});

it('an unthreaded receipt goes before one of the thread at the same event', async () => {
  await read(reply);
  await read(reply, root);
  const receipts = (await section(false)).ephemeral.events.find((event: Json) => event.type === 'm.receipt').content;
  expect(receipts[reply]['m.read'][bob.userId]).toEqual({ ts: expect.any(Number) });
});

it('a rule of a kind that is not known here is not found', async () => {
  await bob.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/pushrules/global/postcontent/.io.element.msc4306.rule.subscribed_thread');
});
