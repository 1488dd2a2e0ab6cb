import { buildEvent, redactPdu, signingKeyFromSeed } from '../../libs/federation/src/index.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import type { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ hostile, a, alice, bob } = world);
});
afterAll(() => world?.stop());

const otherKey = signingKeyFromSeed('ed25519:bad', new Uint8Array(32).fill(7));

describe.each(['10', '11', '12'])('a hostile server in a room of version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    ({ roomId, bad } = await world.sharedRoom(version));
  });

  it('can send what is right', async () => {
    const message = bad.message('hello');
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: {} });
    expect(await world.isShown(roomId, message)).toBe(true);
    bad.follow(message);
  });

  it('cannot forge signatures', async () => {
    const message = bad.message('forged');
    const signed = wire(message);
    const [signature] = Object.values(message.pdu.signatures[hostile.name]!);
    const forgeries: Record<string, Json> = {
      'by another key': { ...signed, signatures: bad.event({ type: 'm.x' }, { name: hostile.name, key: otherKey }).pdu.signatures },
      'for other content': { ...signed, signatures: bad.message('other').pdu.signatures },
      'by a key that nobody has': { ...signed, signatures: { [hostile.name]: { 'ed25519:none': signature } } },
      'by another server only': { ...signed, signatures: { [a.name]: { [hostile.key.keyId]: signature } } },
      'none': { ...signed, signatures: {} },
      'no Base64': { ...signed, signatures: { [hostile.name]: { [hostile.key.keyId]: '!' } } },
      'numbers': { ...signed, signatures: { [hostile.name]: { [hostile.key.keyId]: 1 }, [a.name]: 'x' } },
    };
    for (const [name, pdu] of Object.entries(forgeries)) {
      expect([name, await hostile.send(a, [pdu])]).toEqual([name, { [message.eventId]: { error: expect.stringContaining('signature') } }]);
    }
    expect(await world.statusOf(message)).toBeUndefined();
  });

  it('cannot speak for users of other servers', async () => {
    const forged = [
      bad.message('by alice', { sender: alice.userId }),
      bad.message('by bob', { sender: bob.userId }),
      bad.member(bob.userId, 'leave', { sender: bob.userId }),
      bad.event({ type: 'm.room.power_levels', state_key: '', sender: alice.userId, content: { users: { [hostile.user('mallory')]: 100 } } }),
    ];
    const results = await hostile.send(a, forged.map(wire));
    for (const event of forged) {
      expect(results[event.eventId]).toEqual({ error: expect.stringContaining('signature') });
      expect(await world.statusOf(event)).toBeUndefined();
    }
  });

  it('gets an event whose content was changed stored without it', async () => {
    const message = bad.message('what was signed');
    const changed = { ...wire(message), content: { body: 'what was not signed', msgtype: 'm.text' } };
    expect(await hostile.send(a, [changed])).toEqual({ [message.eventId]: {} });
    const shown = await alice.request('GET', `${path(roomId)}/event/${encodeURIComponent(message.eventId)}`);
    expect(shown.content).toEqual({});
    expect(redactPdu(message.pdu, bad.rules).content).toEqual({});
    bad.follow(message);
  });

  it('cannot change memberships of others, or take power', async () => {
    const powerless = { ban: 0, kick: 0, users_default: 0, users: version === '12' ? {} : { [alice.userId]: 100 } };
    const mallory = hostile.user('mallory');
    const refused = [
      bad.member(bob.userId, 'leave'),
      bad.member(bob.userId, 'ban'),
      bad.member(alice.userId, 'join'),
      bad.member(hostile.user('other'), 'join'),
      bad.event({ type: 'm.room.power_levels', state_key: '', content: { ...powerless, users: { ...powerless.users, [mallory]: 100 } } }),
      bad.event({ type: 'm.room.name', state_key: '', content: { name: 'taken over' } }),
      bad.event({ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'invite' } }),
      bad.event({ type: 'm.own', state_key: alice.userId }),
      bad.member(mallory, 'dance'),
      bad.member(mallory, 'join', { content: { membership: 7 } }),
      bad.event({ type: 'm.room.member', content: { membership: 'join' } }),
    ];
    const results = await hostile.send(a, refused.map(wire));
    for (const event of refused) {
      expect([event.pdu.type, event.pdu.content, results[event.eventId]]).toEqual([event.pdu.type, event.pdu.content, { error: expect.any(String) }]);
      expect(await world.statusOf(event)).toBe(EventStatus.rejected);
    }
    expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined).sort()).toEqual([alice.userId, bob.userId, mallory].sort());
  });

  it('cannot choose its auth events', async () => {
    const create = bad.state.get('m.room.create\0')!;
    const power = bad.state.get('m.room.power_levels\0')!;
    const self = bad.state.get(`m.room.member\0${bad.userId}`)!;
    const proper = bad.message('x').pdu.auth_events;
    const rejected = bad.event({ type: 'm.room.name', state_key: '', content: { name: 'mine' } });
    await hostile.send(a, [wire(rejected)]);
    const lists = {
      none: [],
      'without the sender': proper.filter((id) => id !== self),
      'one that does not belong': [...proper, bad.state.get('m.room.join_rules\0')!],
      'a member that does not belong': [...proper, bad.state.get(`m.room.member\0${bob.userId}`)!],
      'one twice': [...proper, power],
      'the create event twice': [...proper, create, create],
      'a message': [...proper, bad.latest[0]!],
      'one that was rejected': [...proper, rejected.eventId],
      'one that nobody has': [...proper, `$${'A'.repeat(43)}`],
    };
    for (const [name, auth_events] of Object.entries(lists)) {
      const event = bad.message(name, { auth_events });
      expect([name, await hostile.send(a, [wire(event)])]).toEqual([name, { [event.eventId]: { error: expect.any(String) } }]);
      expect([name, await world.isShown(roomId, event)]).toEqual([name, false]);
    }
    // Auth events of another room.
    const other = await world.sharedRoom(version);
    const foreign = bad.message('of another room', { auth_events: other.bad.message('x').pdu.auth_events });
    expect(await hostile.send(a, [wire(foreign)])).toEqual({ [foreign.eventId]: { error: expect.any(String) } });
  });

  it('cannot break the graph', async () => {
    const before = (await tableCounts(a))['events']!;
    const base = wire(bad.message('base'));
    const malformed: Record<string, Json> = {
      'depth 2^53': { ...base, depth: 2 ** 53 },
      'depth below 0': { ...base, depth: -1 },
      'depth as text': { ...base, depth: '1' },
      '21 prev_events': { ...base, prev_events: Array.from({ length: 21 }, (_, i) => `$${String(i).padStart(43, 'p')}`) },
      'prev_events with other things': { ...base, prev_events: [['$x', {}]] },
      'prev_events of ids with NUL': { ...base, prev_events: ['$a\0b'] },
      'no auth_events': { ...base, auth_events: undefined },
      'content as list': { ...base, content: [] },
      'a float': { ...base, content: { a: 1.5 } },
      'a float outside of the content': { ...base, extra: 1.5 },
      'half a character': { ...base, content: { a: '\ud800' } },
      'no hashes': { ...base, hashes: {} },
      'type of 256 bytes': { ...base, type: 'x'.repeat(256) },
      'state key of 256 bytes': { ...base, state_key: 'x'.repeat(256) },
      'state key as number': { ...base, state_key: 1 },
      'sender without @': { ...base, sender: 'mallory' },
      'too large': { ...base, content: { a: 'x'.repeat(65_536) } },
      'a time as text': { ...base, origin_server_ts: 'now' },
      'a deep content': { ...base, content: JSON.parse(`{"a":${'['.repeat(1_500)}${']'.repeat(1_500)}}`) },
    };
    for (const [name, pdu] of Object.entries(malformed)) expect([name, await hostile.send(a, [pdu])]).toEqual([name, {}]);
    // What is no event of a room at all.
    expect(await hostile.send(a, [null, 1, 'x', [], {}, { room_id: 7 }, { room_id: '!nowhere:x', type: 'm.x' }])).toEqual({});
    expect((await tableCounts(a))['events']).toBe(before);
  });

  it('can send 20 prev_events, the deepest event, and odd names', async () => {
    // One after the other: so many ends of one server are not taken (ends.spec.ts).
    const twenty = Array.from({ length: 20 }, (_, i) => {
      const event = bad.message(`step ${i}`);
      bad.follow(event);
      return event;
    });
    await hostile.send(a, twenty.map(wire));
    const merge = bad.message('merge', { prev_events: twenty.map((event) => event.eventId) });
    expect(await hostile.send(a, [wire(merge)])).toEqual({ [merge.eventId]: {} });
    expect(await world.isShown(roomId, merge)).toBe(true);
    bad.follow(merge);
    const odd = bad.event({ type: '__proto__', content: JSON.parse('{"__proto__":{"x":1},"constructor":1}') });
    expect(await hostile.send(a, [wire(odd)])).toEqual({ [odd.eventId]: {} });
    expect(await world.isShown(roomId, odd)).toBe(true);
    bad.follow(odd);
    const deepest = bad.message('deepest', { depth: Number.MAX_SAFE_INTEGER });
    expect(await hostile.send(a, [wire(deepest)])).toEqual({ [deepest.eventId]: {} });
    // The next events of the good servers stand at the same depth.
    await world.expectGoodServersAgree(roomId);
  });

  it('cannot make an event refer to itself', async () => {
    // An id is a hash, so a real cycle cannot be made. What can be made are events that claim each other as missing.
    const orphan = bad.message('orphan', { prev_events: [`$${'B'.repeat(43)}`] });
    hostile.on(/get_missing_events/, () => ({ events: [wire(orphan), wire(orphan)] }));
    hostile.on(/state_ids/, () => ({ pdu_ids: [orphan.eventId], auth_chain_ids: [orphan.eventId] }));
    hostile.on(/\/event\//, () => ({ pdus: [wire(orphan)] }));
    hostile.on(/event_auth/, () => ({ auth_chain: [wire(orphan)] }));
    const results = await hostile.send(a, [wire(orphan)]);
    expect(results[orphan.eventId]).toEqual({ error: expect.any(String) });
    expect(await world.isShown(roomId, orphan)).toBe(false);
    await world.expectGoodServersAgree(roomId);
  });

  it('cannot send events again as others, or those of unknown rooms', async () => {
    const stranger = HostileServer.start();
    const second = await stranger;
    try {
      const unknown = bad.message('x', { room_id: `!${'C'.repeat(43)}` });
      expect(await hostile.send(a, [wire(unknown)])).toEqual({});
      expect(await world.statusOf(unknown)).toBeUndefined();
      // A server that is not in the room may pass on what others signed, and nothing of its own.
      const own = buildEvent({ ...bad.message('stranger').pdu, sender: second.user('eve') }, bad.rules, { name: second.name, key: second.key });
      const results = await second.send(a, [wire(own)]);
      expect(results[own.eventId]).toEqual({ error: expect.any(String) });
      expect(await world.isShown(roomId, own)).toBe(false);
    } finally {
      await second.stop();
    }
  });

  it('cannot read rooms that it is not in', async () => {
    const { room_id: secret } = await alice.request('POST', '/v3/createRoom', { room_version: version });
    const { event_id: eventId } = await alice.request('PUT', `${path(secret)}/send/m.room.message/1`, { body: 'secret', msgtype: 'm.text' });
    const [room, event] = [encodeURIComponent(secret), encodeURIComponent(eventId)];
    for (const [method, uri, body] of [
      ['GET', `/event/${event}`], ['GET', `/state/${room}?event_id=${event}`], ['GET', `/state_ids/${room}?event_id=${event}`],
      ['GET', `/backfill/${room}?v=${event}&limit=10`], ['GET', `/event_auth/${room}/${event}`],
      ['POST', `/get_missing_events/${room}`, { latest_events: [eventId], earliest_events: [] }],
      ['GET', `/make_join/${room}/${encodeURIComponent(hostile.user('mallory'))}?ver=${version}`],
      ['GET', `/make_leave/${room}/${encodeURIComponent(hostile.user('mallory'))}`],
    ] as const) {
      const answer = await hostile.raw(a, method, `/_matrix/federation/v1${uri}`, body);
      expect([uri, answer.status === 403 || answer.status === 404]).toEqual([uri, true]);
      expect(answer.bytes.toString()).not.toContain('secret');
    }
  });
});
