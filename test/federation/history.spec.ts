import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { allPages, roomPath, shownAs } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [alice, bob, carol] = await Promise.all([['a', 'alice'], ['b', 'bob'], ['c', 'carol']].map(([server, name]) => net.client(server!).register(name!))) as [TestClient, TestClient, TestClient];
});
afterAll(() => net?.stop());

const settles = (assertion: () => Promise<unknown>) => eventually(async () => (await assertion(), true));
const createRoom = async (body: object = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
const join = (client: TestClient, roomId: string, via = 'a') => client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server(via).name } });
const leave = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/leave`, {});
const send = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body })).event_id;
async function sendAll(client: TestClient, roomId: string, texts: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const text of texts) ids.push(await send(client, roomId, text));
  return ids;
}
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => `${from + i}`);
const bodies = (events: readonly Json[]) => shownAs(events.filter((event) => event.type === 'm.room.message'));
const ids = (events: readonly Json[]) => events.map((event) => event.event_id);
const backwards = async (client: TestClient, roomId: string, limit: number) => (await allPages(client, roomId, { dir: 'b', limit })).events;
const topic = (roomId: string, text: string) => alice.request('PUT', `${roomPath(roomId)}/state/m.room.topic`, { topic: text });
const members = async (client: TestClient, roomId: string) => Object.keys((await client.request('GET', `${roomPath(roomId)}/joined_members`)).joined);
/** A signed request of one server to another. */
const ask = (from: string, to: string, method: 'GET' | 'POST', path: string, parts: { query?: Record<string, string | number | string[]>; body?: object } = {}): Promise<Json> =>
  net.server(from).get(FederationClient).request({ destination: net.server(to).name, method, path: `/_matrix/federation/v1/${path}`, ignoreBackoff: true, ...parts });
const e = encodeURIComponent;

describe.each(['10', '11', '12', 'io.partyline.1'])('history of a room of version %s', (version) => {
  it('is fetched to its beginning by a server that came late', async () => {
    const roomId = await createRoom({ room_version: version, name: 'Long' });
    await sendAll(alice, roomId, numbers(1, 60));
    for (const text of ['one', 'two']) await topic(roomId, text);
    await sendAll(alice, roomId, numbers(61, 180));
    await join(bob, roomId);
    const found = await backwards(bob, roomId, 37);
    await settles(async () => expect(ids(await backwards(alice, roomId, 500))).toEqual(ids(found)));
    expect(bodies(found)).toEqual(numbers(1, 180).reverse());
    expect(found.at(-1).type).toBe('m.room.create');
    const two = found.find((event) => event.content.topic === 'two');
    expect(two.unsigned.prev_content).toEqual({ topic: 'one' });
    // A second time from what is stored now, also with the other server gone.
    await net.server('a').stop();
    expect(ids(await backwards(bob, roomId, 50))).toEqual(ids(found));
    expect(bodies((await allPages(bob, roomId, { dir: 'f', limit: 100 })).events)).toEqual(numbers(1, 180));
    await net.server('a').start();
  });

  it('is put where it belongs after coming back', async () => {
    const roomId = await createRoom({ room_version: version });
    await sendAll(alice, roomId, numbers(1, 3));
    await join(bob, roomId);
    await settles(async () => expect(bodies(await backwards(bob, roomId, 10))).toEqual(['3', '2', '1']));
    await leave(bob, roomId);
    await settles(async () => expect(await members(alice, roomId)).toEqual([alice.userId]));
    await sendAll(alice, roomId, numbers(4, 12));
    await topic(roomId, 'meanwhile');
    await join(bob, roomId);
    await send(bob, roomId, '13');
    const found = await backwards(bob, roomId, 4);
    expect(bodies(found)).toEqual(numbers(1, 13).reverse());
    await settles(async () => expect(ids(await backwards(alice, roomId, 100))).toEqual(ids(found)));
    // A sync still begins where the server came back, and leads to what was before.
    const { timeline } = (await bob.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { timeline: { limit: 50 } } }) } })).rooms.join[roomId];
    expect(bodies(timeline.events)).toEqual(['13']);
    expect(timeline.limited).toBe(true);
    const page = await bob.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: timeline.prev_batch, limit: 5 } });
    const together = [...ids(timeline.events).reverse(), ...ids(page.chunk)];
    expect(together).toEqual(ids(found).slice(0, together.length));
  });

  it('is complete where servers wrote at the same time', async () => {
    const roomId = await createRoom({ room_version: version, power_level_content_override: { state_default: 0, events: {} } });
    await join(carol, roomId);
    await settles(async () => expect(await members(alice, roomId)).toHaveLength(2));
    await Promise.all([alice, carol].flatMap((client) => numbers(1, 40).map((n) => (Number(n) % 10 === 0
      ? client.request('PUT', `${roomPath(roomId)}/state/m.room.topic`, { topic: `${n} of ${client.userId}` })
      : send(client, roomId, `${n} of ${client.userId}`)))));
    await settles(async () => expect(new Set(ids(await backwards(carol, roomId, 1_000)))).toEqual(new Set(ids(await backwards(alice, roomId, 1_000)))));
    await join(bob, roomId);
    const found = ids(await backwards(bob, roomId, 30));
    await settles(async () => expect(new Set(ids(await backwards(alice, roomId, 1_000)))).toEqual(new Set(found)));
    expect(new Set(found).size).toBe(found.length);
  });

  it('is caught up on after an absence', async () => {
    const roomId = await createRoom({ room_version: version });
    await join(bob, roomId);
    await join(carol, roomId);
    await settles(async () => expect(await members(bob, roomId)).toHaveLength(3));
    await net.server('b').stop();
    await sendAll(alice, roomId, numbers(1, 70));
    await settles(async () => expect(bodies(await backwards(carol, roomId, 100))).toHaveLength(70));
    await net.server('a').stop();
    await net.server('b').start();
    // c never sent these: what it sends now refers to them.
    await send(carol, roomId, '71');
    await settles(async () => expect(bodies(await backwards(bob, roomId, 100))).toEqual(numbers(1, 71).reverse()));
    await net.server('a').start();
  });
});

describe('what a server is told', () => {
  let roomId: string;
  let sent: string[];
  beforeAll(async () => {
    roomId = await createRoom();
    sent = await sendAll(alice, roomId, numbers(1, 20));
    await join(bob, roomId);
  });
  const missing = (body: object, from = 'b') => ask(from, 'a', 'POST', `get_missing_events/${e(roomId)}`, { body });
  const contents = (pdus: readonly Json[]) => pdus.map((pdu) => pdu.content.body);

  it('are missing events, oldest first, between what it names', async () => {
    const { events } = await missing({ latest_events: [sent[9]], earliest_events: [sent[4]] });
    expect(contents(events)).toEqual(numbers(6, 9));
    expect(contents((await missing({ latest_events: [sent[19]], earliest_events: [] })).events)).toEqual(numbers(10, 19));
    expect(contents((await missing({ latest_events: [sent[19]], earliest_events: [], limit: 3 })).events)).toEqual(numbers(17, 19));
    expect((await missing({ latest_events: [sent[19]], earliest_events: [], limit: 10_000 })).events.length).toBeLessThanOrEqual(50);
    const { depth } = events[1];
    expect(contents((await missing({ latest_events: [sent[9]], earliest_events: [], min_depth: depth })).events)).toEqual(numbers(7, 9));
    expect((await missing({ latest_events: ['$unknown'], earliest_events: [] })).events).toEqual([]);
  });

  it('is history, newest first, with what it names', async () => {
    const { pdus, origin } = await ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [sent[9]!], limit: 4 } });
    expect(origin).toBe(net.server('a').name);
    expect(contents(pdus)).toEqual(['10', '9', '8', '7']);
    expect(pdus[0]).toMatchObject({ signatures: { [net.server('a').name]: expect.anything() }, hashes: { sha256: expect.any(String) } });
    expect((await ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [sent[19]!], limit: 1_000 } })).pdus.length).toBeLessThanOrEqual(100);
  });

  it('takes a number of queries that does not grow with the answer', async () => {
    const { counters } = net.server('a').get(Database);
    const cost = async (limit: number): Promise<number> => {
      const costs: number[] = [];
      // The server has other work now and then, which counts too.
      for (let i = 0; i < 5; i++) {
        const before = counters.statements;
        await ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [sent[19]!], limit } });
        costs.push(counters.statements - before);
      }
      return Math.min(...costs);
    };
    expect(await cost(20)).toBeLessThanOrEqual((await cost(2)) + 1);
  });

  it('is the state before an event', async () => {
    const first = (await topic(roomId, 'first')).event_id;
    const second = (await topic(roomId, 'second')).event_id;
    const { pdus, auth_chain: chain } = await ask('b', 'a', 'GET', `state/${e(roomId)}`, { query: { event_id: second } });
    expect(pdus.find((pdu: Json) => pdu.type === 'm.room.topic').content.topic).toBe('first');
    const stateIds = await ask('b', 'a', 'GET', `state_ids/${e(roomId)}`, { query: { event_id: second } });
    expect(stateIds.pdu_ids).toContain(first);
    expect(stateIds.pdu_ids).not.toContain(second);
    expect(stateIds.pdu_ids).toHaveLength(pdus.length);
    expect(stateIds.auth_chain_ids).toHaveLength(chain.length);
    const before = await ask('b', 'a', 'GET', `state_ids/${e(roomId)}`, { query: { event_id: first } });
    expect(before.pdu_ids).not.toContain(first);
    await expect(ask('b', 'a', 'GET', `state/${e(roomId)}`, { query: { event_id: '$unknown' } })).rejects.toMatchObject({ remoteStatus: 404, remoteErrcode: 'M_NOT_FOUND' });
  });

  it('is an auth chain, and single events', async () => {
    const { auth_chain: chain } = await ask('b', 'a', 'GET', `event_auth/${e(roomId)}/${e(sent[3]!)}`);
    expect(chain.map((pdu: Json) => pdu.type).sort()).toEqual(expect.arrayContaining(['m.room.member', 'm.room.power_levels']));
    const { pdus } = await ask('b', 'a', 'GET', `event/${e(sent[3]!)}`);
    expect(contents(pdus)).toEqual(['4']);
  });

  it('is nothing for a server that is not in the room, or is denied', async () => {
    const denied = { remoteStatus: 403, remoteErrcode: 'M_FORBIDDEN' };
    const all = (from: string) => [
      () => ask(from, 'a', 'GET', `event/${e(sent[3]!)}`),
      () => ask(from, 'a', 'GET', `state/${e(roomId)}`, { query: { event_id: sent[3]! } }),
      () => ask(from, 'a', 'GET', `state_ids/${e(roomId)}`, { query: { event_id: sent[3]! } }),
      () => ask(from, 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [sent[3]!], limit: 5 } }),
      () => ask(from, 'a', 'GET', `event_auth/${e(roomId)}/${e(sent[3]!)}`),
      () => missing({ latest_events: [sent[3]], earliest_events: [] }, from),
    ];
    for (const request of all('c')) await expect(request()).rejects.toMatchObject(denied);
    for (const request of all('b')) await request();
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.server_acl`, { allow: ['*'], deny: ['localhost'] });
    for (const request of all('b')) await expect(request()).rejects.toMatchObject(denied);
    await net.client('a').expectError(401, 'M_UNAUTHORIZED', 'GET', `/_matrix/federation/v1/event/${e(sent[3]!)}`);
  });

  it('refuses bodies and queries of a wrong shape', async () => {
    const bad = (errcode: string) => ({ remoteStatus: 400, remoteErrcode: errcode });
    await expect(missing({ latest_events: 'x', earliest_events: [] })).rejects.toMatchObject(bad('M_BAD_JSON'));
    await expect(ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { limit: 5 } })).rejects.toMatchObject(bad('M_MISSING_PARAM'));
    await expect(ask('b', 'a', 'GET', `state/${e(roomId)}`)).rejects.toMatchObject(bad('M_MISSING_PARAM'));
  });
});

describe('history that a server may not see', () => {
  it('comes without content, and is shown to nobody there', async () => {
    const roomId = await createRoom({ initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }] });
    const [secret] = await sendAll(alice, roomId, ['secret']);
    await join(bob, roomId);
    await send(alice, roomId, 'for bob');
    const { pdus } = await ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [secret!], limit: 1 } });
    expect(pdus[0].content).toEqual({});
    expect((await ask('b', 'a', 'GET', `event/${e(secret!)}`)).pdus[0].content).toEqual({});
    await settles(async () => expect(bodies(await backwards(bob, roomId, 100))).toContain('for bob'));
    expect(ids(await backwards(bob, roomId, 3))).not.toContain(secret);
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/event/${e(secret!)}`);
  });

  it('is judged by the state at the event, also where it was fetched later', async () => {
    const roomId = await createRoom();
    await send(alice, roomId, 'open');
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility`, { history_visibility: 'joined' });
    await join(carol, roomId);
    await send(alice, roomId, 'for carol');
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility`, { history_visibility: 'shared' });
    await send(alice, roomId, 'open again');
    const dora = await net.client('c').register('dora');
    await settles(async () => expect(bodies(await backwards(carol, roomId, 100))).toEqual(['open again', 'for carol', 'open']));
    await leave(carol, roomId);
    await settles(async () => expect(await members(alice, roomId)).toEqual([alice.userId]));
    await join(dora, roomId);
    // Her server holds what carol got there.
    expect(bodies(await backwards(dora, roomId, 100))).toEqual(['open again', 'open']);
    expect(bodies(await backwards(carol, roomId, 100))).toEqual(['open again', 'for carol', 'open']);
  });

  it('ends for a server that left with what it saw', async () => {
    const roomId = await createRoom();
    await join(bob, roomId);
    const seen = await send(alice, roomId, 'seen');
    await settles(async () => expect(bodies(await backwards(bob, roomId, 10))).toEqual(['seen']));
    await leave(bob, roomId);
    await settles(async () => expect(await members(alice, roomId)).toEqual([alice.userId]));
    const unseen = await send(alice, roomId, 'unseen');
    expect((await ask('b', 'a', 'GET', `event/${e(seen)}`)).pdus[0].content.body).toBe('seen');
    await expect(ask('b', 'a', 'GET', `event/${e(unseen)}`)).rejects.toMatchObject({ remoteStatus: 404 });
    await expect(ask('b', 'a', 'GET', `state/${e(roomId)}`, { query: { event_id: unseen } })).rejects.toMatchObject({ remoteStatus: 403 });
    const { pdus } = await ask('b', 'a', 'GET', `backfill/${e(roomId)}`, { query: { v: [unseen], limit: 10 } });
    expect(pdus.map((pdu: Json) => pdu.content.body)).not.toContain('unseen');
    expect(pdus.map((pdu: Json) => pdu.content.body)).toContain('seen');
  });
});

describe('history that was tampered with', () => {
  const change = statement('test.tamper', 'UPDATE events SET json = replace(json, $2, $3) WHERE event_id = $1');

  it('loses its content when the hash is wrong, and is not taken with a wrong signature', async () => {
    const roomId = await createRoom();
    const sent = await sendAll(alice, roomId, numbers(1, 6));
    const tamper = (eventId: string, from: string, to: string) => net.server('a').get(Database).query(change, [eventId, from, to]);
    await tamper(sent[3]!, '"body":"4"', '"body":"a lie"');
    const { pdus } = await (async () => {
      await join(bob, roomId);
      return ask('b', 'a', 'GET', `event/${e(sent[1]!)}`);
    })();
    const signature: string = Object.values<string>(pdus[0].signatures[net.server('a').name])[0]!;
    await tamper(sent[1]!, signature, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`);
    const found = await backwards(bob, roomId, 100);
    expect(found.find((event) => event.event_id === sent[3]).content).toEqual({});
    expect(bodies(found).filter((body) => body !== 'm.room.message')).toEqual(['6', '5', '3']);
    expect(ids(found)).not.toContain(sent[1]);
  });
});

describe('history that nobody can give now', () => {
  it('ends a page without an error, and is fetched when somebody is back', async () => {
    const clock = new TravellingClock();
    const other = await Network.start({ servers: ['x', 'y'], clock });
    try {
      const xena = await other.client('x').register('xena');
      const yuri = await other.client('y').register('yuri');
      const { room_id: roomId } = await xena.request('POST', '/v3/createRoom', { preset: 'public_chat' });
      await sendAll(xena, roomId, ['1', '2']);
      await yuri.request('POST', `/v3/join/${e(roomId)}`, {}, { query: { via: other.server('x').name } });
      await other.server('x').stop();
      expect(shownAs(await backwards(yuri, roomId, 10))).toEqual(['m.room.member']);
      await other.server('x').start();
      // Beyond the time for which neither the server nor the gap is tried again.
      clock.aheadMs += 3_600_000;
      expect(bodies(await backwards(yuri, roomId, 10))).toEqual(['2', '1']);
    } finally {
      await other.stop();
    }
  });
});
