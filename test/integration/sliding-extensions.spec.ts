import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { first, slide, slide4 } from './sliding-talk.js';
import { createRoom, join, say } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let people = 0;
const person = (): Promise<TestClient> => net.client().register(`person${++people}`);
const wait = { timeout: 20_000 };
const on = (...names: string[]): Json => ({ extensions: Object.fromEntries(names.map((name) => [name, { enabled: true }])) });
const roomWith = async (owner: TestClient, ...others: TestClient[]): Promise<string> => {
  const roomId = await createRoom(owner, { preset: 'public_chat' });
  for (const other of others) await join(other, roomId);
  return roomId;
};
const send = (from: TestClient, to: TestClient, n: number) =>
  from.request('PUT', `/v3/sendToDevice/a.type/${from.nextTxn()}`, { messages: { [to.userId]: { [to.deviceId]: { n } } } });
const numbers = (answer: Json): number[] => answer.extensions.to_device.events.map((event: Json) => event.content.n);

describe('messages to the device', () => {
  it('come until the client says that it has them', async () => {
    const [alice, bob] = [await person(), await person()];
    const ask = (pos: string | undefined, since?: string, more: Json = {}) =>
      slide(alice, { extensions: { to_device: { enabled: true, since, ...more } } }, { pos, ...wait });
    const one = await ask(undefined);
    expect(numbers(one)).toEqual([]);
    await send(bob, alice, 1);
    const two = await ask(one.pos, one.extensions.to_device.next_batch);
    expect(numbers(two)).toEqual([1]);
    await send(bob, alice, 2);
    // The client lost its position, and not what it has received.
    const three = await ask(undefined, one.extensions.to_device.next_batch);
    expect(numbers(three)).toEqual([1, 2]);
    const four = await ask(undefined, two.extensions.to_device.next_batch, { limit: 1 });
    expect(numbers(four)).toEqual([2]);
    for (const n of [3, 4]) await send(bob, alice, n);
    const five = await ask(four.pos, four.extensions.to_device.next_batch, { limit: 1 });
    expect(numbers(five)).toEqual([3]);
    const six = await ask(five.pos, five.extensions.to_device.next_batch, { limit: 1 });
    expect(numbers(six)).toEqual([4]);
    // One that this server did not make acknowledges nothing.
    expect(numbers(await ask(undefined, '99999999'))).toEqual([4]);
  });
});

describe('keys', () => {
  it('of whom the client shares rooms with, from where it began', async () => {
    const [alice, bob] = [await person(), await person()];
    const one = await slide(alice, on('e2ee'));
    expect(one.extensions.e2ee).toEqual({ device_one_time_keys_count: { signed_curve25519: 0 }, device_unused_fallback_key_types: [] });
    const roomId = await roomWith(alice, bob);
    const two = await slide(alice, on('e2ee'), { pos: one.pos, ...wait });
    expect(two.extensions.e2ee.device_lists.changed).toContain(bob.userId);
    // It is told, too, what was new while the extension was off.
    await bob.request('POST', `/v3/rooms/${roomId}/leave`, {});
    const three = await slide(alice, {}, { pos: two.pos });
    const four = await slide(alice, on('e2ee'), { pos: three.pos });
    expect(four.extensions.e2ee.device_lists.left).toEqual([bob.userId]);
  });
});

describe('account data', () => {
  const set = (alice: TestClient, type: string, content: object, roomId?: string) =>
    alice.request('PUT', `/v3/user/${alice.userId}${roomId === undefined ? '' : `/rooms/${roomId}`}/account_data/${type}`, content);

  it('is of the account, and of the rooms in range', async () => {
    const alice = await person();
    const [a, b] = [await createRoom(alice), await createRoom(alice)];
    await set(alice, 'a.type', { n: 1 });
    for (const roomId of [a, b]) await set(alice, 'of.room', { n: 1 }, roomId);
    const body = { ...first(1), ...on('account_data') };
    const one = await slide(alice, body);
    expect(one.extensions.account_data.global).toContainEqual({ type: 'a.type', content: { n: 1 } });
    expect(one.extensions.account_data.rooms).toEqual({ [b]: [{ type: 'of.room', content: { n: 1 } }] });
    await set(alice, 'a.type', { n: 2 });
    const two = await slide(alice, body, { pos: one.pos, ...wait });
    expect(two.extensions.account_data).toEqual({ global: [{ type: 'a.type', content: { n: 2 } }] });
    await set(alice, 'of.room', { n: 2 }, b);
    const three = await slide(alice, body, { pos: two.pos, ...wait });
    expect(three.extensions.account_data).toEqual({ rooms: { [b]: [{ type: 'of.room', content: { n: 2 } }] } });
    // A room that leaves the range and comes back is told as it is then.
    await say(alice, a, 'up');
    await set(alice, 'of.room', { n: 3 }, b);
    const four = await slide(alice, body, { pos: three.pos });
    expect(four.extensions.account_data).toEqual({ rooms: { [a]: [{ type: 'of.room', content: { n: 1 } }] } });
    const five = await slide(alice, { ...first(2), ...on('account_data') }, { pos: four.pos });
    expect(five.extensions.account_data).toEqual({ rooms: { [b]: [{ type: 'of.room', content: { n: 3 } }] } });
    expect((await slide(alice, { ...first(2), ...on('account_data') }, { pos: five.pos })).extensions).toEqual({});
  });

  it('is of the lists and subscriptions that are named', async () => {
    const alice = await person();
    const roomId = await createRoom(alice);
    await set(alice, 'of.room', { n: 1 }, roomId);
    const asked = async (scope: Json): Promise<Json> =>
      (await slide(alice, { ...first(1), extensions: { account_data: { enabled: true, ...scope } } })).extensions.account_data.rooms ?? {};
    expect(await asked({ lists: [] })).toEqual({});
    expect(await asked({ lists: ['other'] })).toEqual({});
    for (const lists of [['all'], ['*']]) expect(Object.keys(await asked({ lists }))).toEqual([roomId]);
    // For whom it is switched on later it is whole.
    const one = await slide(alice, { ...first(1), extensions: { account_data: { enabled: true, lists: [] } } });
    const two = await slide(alice, { ...first(1), ...on('account_data') }, { pos: one.pos });
    expect(Object.keys(two.extensions.account_data.rooms)).toEqual([roomId]);
  });
});

describe('receipts and typing', () => {
  it('are of the rooms in range, and wake who waits', async () => {
    const [alice, bob] = [await person(), await person()];
    const roomId = await roomWith(alice, bob);
    const eventId = await say(alice, roomId, 'hello');
    await bob.request('POST', `/v3/rooms/${roomId}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
    const body = { ...first(1), ...on('receipts', 'typing') };
    const one = await slide(alice, body);
    expect(one.extensions.receipts.rooms[roomId]).toEqual({ type: 'm.receipt', content: { [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } } });
    const waiting = slide(alice, body, { pos: one.pos, ...wait });
    await bob.request('PUT', `/v3/rooms/${roomId}/typing/${bob.userId}`, { typing: true, timeout: 20_000 });
    const two = await waiting;
    expect(two).toMatchObject({ rooms: {}, extensions: { typing: { rooms: { [roomId]: { type: 'm.typing', content: { user_ids: [bob.userId] } } } } } });
    expect(two.extensions).not.toHaveProperty('receipts');
    // In the new form the extension has a name of its own yet.
    const four = await slide4(alice, { lists: { all: { required_state: {}, timeline_limit: 1 } }, extensions: { 'org.matrix.msc4508.typing': { enabled: true } } });
    expect(four.extensions['org.matrix.msc4508.typing'].rooms[roomId].content.user_ids).toEqual([bob.userId]);
    await bob.request('PUT', `/v3/rooms/${roomId}/typing/${bob.userId}`, { typing: false });
    const three = await slide(alice, body);
    expect(three.extensions).not.toHaveProperty('typing');
  });

  it('are not of whom one ignores', async () => {
    const [alice, bob, carol] = [await person(), await person(), await person()];
    const roomId = await roomWith(alice, bob, carol);
    await alice.request('PUT', `/v3/user/${alice.userId}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    const body = { ...first(1), ...on('receipts', 'typing') };
    const before = await slide(alice, body);
    const eventId = await say(alice, roomId, 'hello');
    for (const one of [bob, carol]) {
      await one.request('POST', `/v3/rooms/${roomId}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
      await one.request('PUT', `/v3/rooms/${roomId}/typing/${one.userId}`, { typing: true, timeout: 120_000 });
    }
    for (const { extensions } of [await slide(alice, body, { pos: before.pos, ...wait }), await slide(alice, body)]) {
      expect(extensions.receipts.rooms[roomId].content[eventId]).toEqual({ 'm.read': { [carol.userId]: { ts: expect.any(Number) } } });
      expect(extensions.typing.rooms[roomId].content.user_ids).toEqual([carol.userId]);
    }
    await bob.request('PUT', `/v3/rooms/${roomId}/typing/${bob.userId}`, { typing: false });
    await carol.request('PUT', `/v3/rooms/${roomId}/typing/${carol.userId}`, { typing: false });
  });
});

it('waits for nothing that the client has not asked for, and ends with its time', async () => {
  const [alice, bob] = [await person(), await person()];
  const roomId = await roomWith(alice, bob);
  const one = await slide(alice, first(0 + 1));
  const waiting = slide(alice, first(1), { pos: one.pos, ...wait });
  // None of this is asked for; the message is.
  await send(bob, alice, 1);
  await alice.request('PUT', `/v3/user/${alice.userId}/account_data/a.type`, { n: 1 });
  await say(bob, roomId, 'for you');
  expect(Object.keys((await waiting).rooms)).toEqual([roomId]);
  const two = await slide(alice, { ...first(1), txn_id: 'mine' }, { pos: one.pos, timeout: 1 });
  expect(two).toMatchObject({ txn_id: 'mine' });
});
