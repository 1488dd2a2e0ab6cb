import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { HeldClock } from '../network/travelling-clock.js';
import type { Json, TestClient } from '../network/test-client.js';
import { SyncNotifier } from '../../apps/homeserver/src/sync/notify/sync-notifier.js';
import { OwnPresence } from '../../apps/homeserver/src/ephemeral/presence/own-presence.js';
import { Database } from '../../apps/homeserver/src/storage/database.js';

let net: Network;
let clock: HeldClock;
let alice: TestClient;
let bob: TestClient;
let stranger: TestClient;
let roomId: string;

const room = (id: string) => `/v3/rooms/${encodeURIComponent(id)}`;
const sync = (client: TestClient, query: Record<string, string | number> = {}): Promise<Json> => client.request('GET', '/v3/sync', undefined, { query });
/** A sync that leaves the presence of the account as it is. */
const look = (client: TestClient, query: Record<string, string | number> = {}): Promise<Json> => sync(client, { set_presence: 'offline', ...query });
const statusPath = (client: TestClient) => `/v3/presence/${encodeURIComponent(client.userId)}/status`;
const set = (client: TestClient, presence: string, extra: object = {}): Promise<Json> => client.request('PUT', statusPath(client), { presence, ...extra });
const statusOf = (reader: TestClient, client: TestClient): Promise<Json> => reader.request('GET', statusPath(client));
const presenceIn = (answer: Json, client: TestClient): Json => answer.presence?.events.find((event: Json) => event.sender === client.userId)?.content;

/** Looks on until the reader is told of the presence. */
async function told(reader: TestClient, client: TestClient, since: string, is: (content: Json) => boolean): Promise<Json> {
  for (let i = 0, token = since; i < 20; i++) {
    const answer = await look(reader, { since: token, timeout: 3_000 });
    const content = presenceIn(answer, client);
    if (content && is(content)) return answer;
    token = answer.next_batch;
  }
  throw new Error('it was not told');
}

beforeEach(async () => {
  clock = new HeldClock();
  net = await Network.start({ servers: ['a'], config: { presence: true }, clock });
  [alice, bob, stranger] = await Promise.all(['alice', 'bob', 'stranger'].map((name) => net.client('a').register(name))) as [TestClient, TestClient, TestClient];
  roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
  await bob.request('POST', `${room(roomId)}/join`, {});
});
afterEach(() => net.stop());

describe('presence', () => {
  it('is told to those who share a room, and asked for by them only', async () => {
    const [{ next_batch: forBob }, { next_batch: forStranger }] = [await look(bob), await look(stranger)];
    expect(await statusOf(alice, alice)).toEqual({ presence: 'offline' });
    await set(alice, 'online', { status_msg: 'Here I am' });
    const is = { presence: 'online', last_active_ago: 0, currently_active: true, status_msg: 'Here I am' };
    expect(await statusOf(alice, alice)).toEqual(is);
    expect(await statusOf(bob, alice)).toEqual(is);
    await stranger.expectError(403, 'M_FORBIDDEN', 'GET', statusPath(alice));
    await stranger.expectError(403, 'M_FORBIDDEN', 'GET', '/v3/presence/%40nobody%3Aexample.org/status');
    await stranger.expectError(403, 'M_FORBIDDEN', 'PUT', statusPath(alice), { presence: 'offline' });
    const answer = await told(bob, alice, forBob, ({ presence }) => presence === 'online');
    expect(answer.presence.events).toEqual([{ type: 'm.presence', sender: alice.userId, content: is }]);
    // What came is told once.
    expect((await look(bob, { since: answer.next_batch })).presence).toBeUndefined();
    expect(presenceIn(await look(bob), alice)).toEqual(is);
    expect(presenceIn(await look(stranger, { since: forStranger }), alice)).toBeUndefined();
    expect(presenceIn(await look(stranger), alice)).toBeUndefined();
  });

  it('wakes who waits', async () => {
    const { next_batch: since } = await look(bob);
    const poll = look(bob, { since, timeout: 60_000 });
    await eventually(() => net.server('a').get(SyncNotifier).waiting === 1);
    await sync(alice);
    expect(presenceIn(await poll, alice)).toMatchObject({ presence: 'online' });
  });

  it('follows from syncs as set_presence says, and ends half a minute after the last one', async () => {
    const own = net.server('a').get(OwnPresence);
    await look(alice);
    expect((await statusOf(bob, alice)).presence).toBe('offline');
    await sync(alice, { set_presence: 'unavailable' });
    expect((await statusOf(bob, alice)).presence).toBe('unavailable');
    expect(presenceIn(await sync(alice), alice)).toMatchObject({ presence: 'online' });
    await look(alice);
    const { next_batch: since } = await look(bob);
    clock.pass(29_000);
    own.look();
    expect((await statusOf(bob, alice)).presence).toBe('online');
    clock.pass(1_000);
    own.look();
    expect(await statusOf(bob, alice)).toEqual({ presence: 'offline', last_active_ago: 30_000 });
    expect(presenceIn(await look(bob, { since }), alice)).toEqual({ presence: 'offline', last_active_ago: 30_000 });
    expect(presenceIn(await look(bob), alice)).toBeUndefined();
    // Sliding syncs are syncs, too.
    await alice.request('POST', '/unstable/org.matrix.simplified_msc3575/sync', {}, { query: { set_presence: 'unavailable' } });
    expect((await statusOf(bob, alice)).presence).toBe('unavailable');
    await bob.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/sync', undefined, { query: { set_presence: 'away' } });
  });

  it('is idle for who does nothing, until he does something, on any device', async () => {
    const own = net.server('a').get(OwnPresence);
    const phone = await net.client('a').login('alice');
    await sync(alice, { timeout: 0 });
    await sync(phone, { set_presence: 'unavailable' });
    expect(await statusOf(bob, alice)).toMatchObject({ presence: 'online', currently_active: true });
    for (let minute = 0; minute < 10; minute++) {
      clock.pass(30_000);
      await Promise.all([sync(alice), sync(phone, { set_presence: 'unavailable' })]);
      own.look();
      expect(await statusOf(bob, alice)).toMatchObject(minute === 9 ? { presence: 'unavailable' } : { presence: 'online', currently_active: minute < 1 });
    }
    await alice.request('PUT', `${room(roomId)}/send/m.room.message/${alice.nextTxn()}`, { body: 'Still there', msgtype: 'm.text' });
    expect(await statusOf(bob, alice)).toEqual({ presence: 'online', last_active_ago: 0, currently_active: true });
    await set(alice, 'offline');
    expect((await statusOf(bob, alice)).presence).toBe('unavailable');
    await set(phone, 'offline');
    expect((await statusOf(bob, alice)).presence).toBe('offline');
  });

  it('of members comes with a room that is new, and of new members to those who are in it', async () => {
    await Promise.all([set(alice, 'online'), set(stranger, 'online')]);
    const [forAlice, forStranger] = [await look(alice), await look(stranger)];
    await stranger.request('POST', `${room(roomId)}/join`, {});
    const [seen, joined] = [await told(alice, stranger, forAlice.next_batch, () => true), await look(stranger, { since: forStranger.next_batch })];
    expect(seen.presence.events.map(({ sender }: Json) => sender)).toEqual([stranger.userId]);
    expect(presenceIn(joined, alice)).toMatchObject({ presence: 'online' });
    expect((await look(stranger, { since: joined.next_batch })).presence).toBeUndefined();
    expect((await look(alice, { since: seen.next_batch })).presence).toBeUndefined();
    // Also of those who are away, so that nobody wonders.
    const [newcomer, forBob] = [await net.client('a').register('newcomer'), await look(bob)];
    const { next_batch: since } = await look(newcomer);
    await newcomer.request('POST', `${room(roomId)}/join`, {});
    expect(presenceIn(await told(bob, newcomer, forBob.next_batch, () => true), newcomer)).toEqual({ presence: 'offline' });
    expect((await look(newcomer, { since })).presence.events.map(({ sender }: Json) => sender)).toEqual(expect.arrayContaining([alice.userId, bob.userId]));
    await stranger.request('POST', `${room(roomId)}/leave`, {});
    await stranger.expectError(403, 'M_FORBIDDEN', 'GET', statusPath(alice));
  });

  it('is filtered, and not told of who is ignored', async () => {
    await set(alice, 'online');
    const filtered = (presence: object) => look(bob, { filter: JSON.stringify({ presence }) });
    expect(presenceIn(await filtered({ types: ['m.presence'] }), alice)).toBeDefined();
    for (const presence of [{ types: [] }, { not_types: ['m.*'] }, { not_senders: [alice.userId] }, { senders: [bob.userId] }, { limit: 0 }]) expect((await filtered(presence)).presence).toBeUndefined();
    await bob.request('PUT', `/v3/user/${encodeURIComponent(bob.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [alice.userId]: {} } });
    expect(presenceIn(await look(bob), alice)).toBeUndefined();
  });

  it('stands in the answers of before /sync, with the user in the content', async () => {
    await set(alice, 'online');
    const { presence } = await bob.request('GET', '/v3/initialSync');
    // They are of the device, as a sync is: what it sets counts.
    await bob.request('GET', '/v3/events', undefined, { query: { timeout: 0 } });
    await set(bob, 'unavailable');
    expect((await statusOf(alice, bob)).presence).toBe('unavailable');
    expect(presence.map(({ content }: Json) => content.user_id).sort()).toEqual([alice.userId, bob.userId]);
    const inRoom = await bob.request('GET', `${room(roomId)}/initialSync`);
    expect(inRoom.presence.find(({ sender }: Json) => sender === alice.userId).content).toMatchObject({ user_id: alice.userId, presence: 'online' });
    // Who only looks into a room sees nobody's.
    await alice.request('PUT', `${room(roomId)}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' });
    expect((await stranger.request('GET', `${room(roomId)}/initialSync`)).presence).toEqual([]);
  });

  it('is told beside a room that is open to the world, as typing and receipts are, to who watches it from outside', async () => {
    const watch = (from?: string, timeout = 30_000): Promise<Json> => stranger.request('GET', '/v3/events', undefined, { query: { room_id: roomId, timeout, ...(from && { from }) } });
    const { event_id: eventId } = await alice.request('PUT', `${room(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'before' });
    await alice.request('PUT', `${room(roomId)}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' });
    await alice.request('POST', '/v3/createRoom', { invite: [bob.userId] });
    let { end } = await watch(undefined, 0);
    const next = async (): Promise<Json[]> => {
      const answer = await watch(end);
      expect(answer.start).toBe(end);
      end = answer.end;
      return answer.chunk;
    };
    // Of another room, and of somebody who is not in this one: neither is told.
    await set(stranger, 'online');
    await set(bob, 'online', { status_msg: 'Here' });
    expect(await next()).toEqual([{ type: 'm.presence', sender: bob.userId, content: { user_id: bob.userId, presence: 'online', status_msg: 'Here', last_active_ago: 0, currently_active: true } }]);
    const waiting = next();
    await bob.request('POST', `${room(roomId)}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
    expect(await waiting).toEqual([{ type: 'm.receipt', room_id: roomId, content: { [eventId]: { 'm.read': { [bob.userId]: { ts: expect.any(Number) } } } } }]);
    await bob.request('POST', `${room(roomId)}/receipt/m.read.private/${encodeURIComponent(eventId)}`, {});
    const typing = next();
    await bob.request('PUT', `${room(roomId)}/typing/${encodeURIComponent(bob.userId)}`, { typing: true, timeout: 30_000 });
    expect(await typing).toEqual([{ type: 'm.typing', room_id: roomId, content: { user_ids: [bob.userId] } }]);
    await alice.request('PUT', `${room(roomId)}/send/m.room.message/2`, { msgtype: 'm.text', body: 'after' });
    expect(await next()).toMatchObject([{ room_id: roomId, content: { body: 'after' } }]);
    // What is ignored is not told, and nothing once the room is closed.
    await stranger.request('PUT', `/v3/user/${encodeURIComponent(stranger.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    await set(bob, 'unavailable');
    await set(alice, 'online');
    expect((await next()).map(({ sender }) => sender)).toEqual([alice.userId]);
    await alice.request('PUT', `${room(roomId)}/state/m.room.history_visibility/`, { history_visibility: 'shared' });
    await stranger.expectError(403, 'M_FORBIDDEN', 'GET', `/v3/events?room_id=${encodeURIComponent(roomId)}&from=${encodeURIComponent(end)}&timeout=0`);
  });

  it('is hidden for an account that wants so, which sees others all the same', async () => {
    await Promise.all([set(alice, 'online'), set(bob, 'online')]);
    const { next_batch: since } = await look(bob);
    const hide = (hidden: boolean) => alice.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/io.partyline.presence`, { hidden });
    await hide(true);
    const gone = await told(bob, alice, since, ({ presence }) => presence === 'offline');
    expect(presenceIn(gone, alice)).toEqual({ presence: 'offline' });
    await set(alice, 'online', { status_msg: 'Nobody sees this' });
    expect(await statusOf(bob, alice)).toEqual({ presence: 'offline' });
    expect(presenceIn(await look(alice), bob)).toMatchObject({ presence: 'online' });
    await hide(false);
    await told(bob, alice, gone.next_batch, ({ presence }) => presence === 'online');
  });

  it('begins anew after a restart, for clients that go on as well', async () => {
    await Promise.all([set(alice, 'online'), set(bob, 'online')]);
    const { next_batch: since } = await look(bob);
    await net.server('a').restart();
    expect((await statusOf(bob, alice)).presence).toBe('offline');
    await set(alice, 'online');
    expect(presenceIn(await look(bob, { since }), alice)).toMatchObject({ presence: 'online' });
  });

  it('refuses what it is not', async () => {
    for (const body of [{}, { presence: 'away' }, { presence: 1 }, { presence: 'online', status_msg: 7 }]) {
      expect((await alice.raw('PUT', statusPath(alice), body)).status).toBe(400);
    }
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', statusPath(alice), { presence: 'online', status_msg: 'x'.repeat(1_025) });
    await set(alice, 'online', { status_msg: null });
    expect(await statusOf(alice, alice)).not.toHaveProperty('status_msg');
  });

  it('costs no queries that grow with those who come and go', async () => {
    const people = await Promise.all(Array.from({ length: 20 }, (_, i) => net.client('a').register(`person${i}`)));
    for (const person of people) await person.request('POST', `${room(roomId)}/join`, {});
    const server = net.server('a');
    const [own, db] = [server.get(OwnPresence), server.get(Database)];
    const requesters = people.map(({ userId, deviceId }) => ({ userId, deviceId }));
    // Each comes once, so that it is known who is where.
    for (const requester of requesters) own.seen(requester);
    await eventually(async () => (await Promise.all(people.map((person) => statusOf(bob, person)))).every(({ presence }) => presence === 'online'));
    const { next_batch: since } = await look(bob);
    const before = db.counters.statements + db.counters.transactions;
    for (let round = 0; round < 50; round++) {
      clock.pass(30_000);
      own.look();
      for (const requester of requesters) own.seen(requester, round % 2 === 0 ? 'unavailable' : 'online');
    }
    const answer = await look(bob, { since });
    // A thousand changes, and what the sync and others in the server have asked meanwhile.
    expect(db.counters.statements + db.counters.transactions - before).toBeLessThan(100);
    expect(people.map((person) => presenceIn(answer, person)?.presence)).toEqual(people.map(() => 'online'));
  });
});

it('is off where the operator wants so', async () => {
  const server = await net.add('off', { presence: false });
  const [carol, dan] = await Promise.all(['carol', 'dan'].map((name) => net.client(server).register(name)));
  const { room_id: id } = await carol!.request('POST', '/v3/createRoom', { preset: 'public_chat' });
  await dan!.request('POST', `${room(id)}/join`, {});
  await set(carol!, 'online');
  expect(await statusOf(dan!, carol!)).toEqual({ presence: 'offline' });
  expect((await sync(dan!)).presence).toBeUndefined();
});
