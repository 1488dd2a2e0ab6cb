import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let a: TestServer;
let alice: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ a, alice } = world);
});
afterAll(() => world?.stop());

/** Entries of stored states whose event is not stored. */
const danglingEntries = statement(
  'test.dangling_entries',
  'SELECT count(*)::int AS count FROM state_snapshot_entries s LEFT JOIN events e USING (event_nid) WHERE s.event_nid IS NOT NULL AND e.event_nid IS NULL',
);

describe('what others do not have', () => {
  let roomId: string;
  let bad: HostileRoom;
  // Another one for each test: servers that fail are left alone for a while, so that nothing would be asked.
  let silent: HostileServer;
  beforeEach(async () => {
    silent = await HostileServer.start();
    ({ roomId, bad } = await world.sharedRoom('11', { by: silent }));
  });
  afterEach(() => silent.stop());
  const orphan = (i: number) => bad.message(`orphan ${i}`, { prev_events: [`$${String(i).padStart(43, 'o')}`] });

  const garbage: [string, Json][] = [
    ['garbage', 'nonsense'], ['no bytes', ''], ['a number', 7], ['lists of other things', { events: [1, null, {}], pdu_ids: [1, null], auth_chain_ids: {}, pdus: 'x', auth_chain: 7 }],
    ['other types', { events: {}, pdu_ids: 'x', auth_chain_ids: 1, pdus: 1, auth_chain: 1 }],
    ['deep lists', '['.repeat(100_000) + ']'.repeat(100_000)], ['bytes that are no text', Buffer.from([0xff, 0xfe, 0, 1])],
    ['an answer without end', ' '.repeat(20 * 1024 * 1024)],
    ['many ids', { pdu_ids: Array.from({ length: 50_000 }, (_, i) => `$${String(i).padStart(43, 'q')}`), auth_chain_ids: [] }],
  ];
  it.each(garbage)('is not stored when it is asked for and the answer is %s', async (_name, answer) => {
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => answer);
    const events = [orphan(1), orphan(2)];
    const results = await silent.send(a, events.map(wire));
    for (const event of events) {
      expect(results[event.eventId]).toEqual({ error: expect.any(String) });
      expect(await world.isShown(roomId, event)).toBe(false);
    }
    await world.expectGoodServersAgree(roomId);
  });

  it('takes what was given before its server had no more to give', async () => {
    const state = [...bad.state.values()];
    const first = bad.follow(bad.message('first'));
    const second = bad.follow(bad.message('second'));
    const third = bad.follow(bad.message('third'));
    silent.on(/get_missing_events/, (_path, body) => (body.latest_events.includes(third.eventId) ? { events: [wire(second)] } : 'no more'));
    // Everything else is 404: of what lies before the second one it tells the state before the first.
    silent.on(new RegExp(`state_ids.*${first.eventId.slice(1)}`), () => ({ pdu_ids: state, auth_chain_ids: [] }));
    silent.on(new RegExp(`/event/.*${first.eventId.slice(1)}`), () => ({ pdus: [wire(first)] }));
    expect(await silent.send(a, [wire(third)])).toEqual({ [third.eventId]: {} });
    expect(await world.isShown(roomId, second)).toBe(true);
  });

  it('does not hold up the good servers while the hostile one keeps them waiting', async () => {
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => undefined);
    const flood = silent.send(a, Array.from({ length: 50 }, (_, i) => wire(orphan(i)))).catch(() => undefined);
    await eventually(() => silent.requests.some((request) => request.path.includes('get_missing_events') && request.path.includes(roomId)));
    await world.expectGoodServersAgree(roomId);
    silent.on(/get_missing_events|state_ids|\/state\/|\/event\/|event_auth|backfill/, () => 'over');
    silent.hangUp();
    await flood;
  });

  it('is stored once when two servers tell of it at the same time', async () => {
    const second = await HostileServer.start();
    try {
      const other = await HostileRoom.join(second, a, roomId);
      // Members of whom only these two know.
      const hidden = await Promise.all(['one', 'two', 'three'].map((name) => bad.madeJoin(a, silent.user(name))));
      const known = (await alice.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id);
      const told = { pdu_ids: [...known, ...hidden.map((event) => event.eventId)], auth_chain_ids: known };
      for (const server of [silent, second]) {
        server.on(/get_missing_events/, () => ({ events: [] }));
        server.on(/state_ids/, () => told);
        server.on(/\/event\//, (uri) => ({ pdus: hidden.filter((event) => uri.includes(event.eventId)).map(wire) }));
      }
      const events = [orphan(1), other.message('orphan 2', { prev_events: [`$${'2'.padStart(43, 'o')}`] })];
      const results = await Promise.all([silent.send(a, [wire(events[0]!)]), second.send(a, [wire(events[1]!)])]);
      expect(results).toEqual([{ [events[0]!.eventId]: {} }, { [events[1]!.eventId]: {} }]);
      for (const event of events) expect(await world.isShown(roomId, event)).toBe(true);
      expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined)).toEqual(expect.arrayContaining(hidden.map((event) => event.pdu.sender)));
      expect(await a.get(Database).query(danglingEntries)).toEqual([{ count: 0 }]);
      await world.expectGoodServersAgree(roomId);
    } finally {
      await second.stop();
    }
  });

  it('takes a bounded number of questions', async () => {
    // Each answer leads further back, and never to an end.
    let step = 0;
    silent.on(/get_missing_events/, () => ({ events: [orphan(1_000 + ++step)] .map(wire) }));
    silent.on(/state_ids/, () => ({ pdu_ids: [], auth_chain_ids: [] }));
    const event = orphan(0);
    const asked = silent.requests.length;
    const results = await silent.send(a, [wire(event)]);
    expect(results[event.eventId]).toEqual({ error: expect.any(String) });
    expect(silent.requests.length - asked).toBeLessThan(100);
    await world.expectGoodServersAgree(roomId);
  });

  it('is told of in a bounded number of states', async () => {
    const state = [...bad.state.values()];
    silent.on(/get_missing_events/, () => ({ events: [] }));
    silent.on(/state_ids/, () => ({ pdu_ids: state, auth_chain_ids: [] }));
    const began = Date.now();
    let later = 0;
    for (let i = 0; i < 6; i++) {
      const answer = await silent.raw(a, 'PUT', `/_matrix/federation/v1/send/told${roomId.slice(1, 9)}${i}`, { pdus: Array.from({ length: 50 }, (_, j) => wire(orphan(2_000 + 50 * i + j))), edus: [] });
      later += (answer.body['io.partyline.later'] ?? []).length;
    }
    const asked = silent.requests.filter(({ path: uri }) => uri.includes('state_ids')).length;
    expect(asked).toBeLessThanOrEqual(202 + (2 * (Date.now() - began)) / 1000);
    expect(asked + later).toBe(300);
    await world.expectGoodServersAgree(roomId);
  }, 90_000);

  it('comes with at most as many events as were asked for', async () => {
    const many = Array.from({ length: 2_000 }, (_, i) => orphan(10_000 + i));
    silent.on(/get_missing_events/, () => ({ events: many.map(wire) }));
    silent.on(/state_ids/, () => ({ pdu_ids: [], auth_chain_ids: [] }));
    const before = (await tableCounts(a))['events']!;
    const event = orphan(0);
    await silent.send(a, [wire(event)]);
    expect((await tableCounts(a))['events']! - before).toBeLessThan(1_100);
    await world.expectGoodServersAgree(roomId);
  });
});
