import { recordFor, RoomFixture, type Sent } from '../event-auth/room-fixture.js';
import { AuthError, checkAuth, isByRetiredHome, standingEvents } from '../event-auth/index.js';
import { MAX_AUTH_EVENTS, MAX_STANDING_EVENTS, readPdu, stateKeyOf, type JsonObject, type RoomEvent } from '../events/index.js';
import { recordOf, type HomeRecord } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';
import { withoutRevoked } from './revoked-events.js';

// Portable rooms, protocol §3: bob retires the home b1, revokes it, or closes what he retired, while replicas know different things.

const rules = roomVersion('io.partyline.1')!;
const [alice, bob, carol] = ['@alice:a.example', '@bob:b.example', '@carol:c.example'] as const;
const [b1, b2] = ['b1.example', 'b2.example'] as const;
const both = recordFor(bob, 2, [b1, b2]);
const entry = ({ server_name, key_id, key }: HomeRecord['homes'][number]): { server_name: string; key_id: string; key: string } => ({ server_name, key_id, key });
const retired = recordFor(bob, 3, [b2], { retired: [entry(both.homes[0]!)] });
const revoked = recordFor(bob, 3, [b2]);
const closed = recordFor(bob, 4, [b2]);
const topic = stateKeyOf('m.room.topic', '');
const member = (userId: string): string => stateKeyOf('m.room.member', userId);
const byB1 = (type: string, content: JsonObject, stateKey = ''): Sent => ({ type, sender: bob, stateKey, content, home: b1 });
const carries = (record: HomeRecord, more: Partial<Sent> = {}): Sent =>
  ({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join', 'io.partyline.carries': true }, record, home: b2, ...more });

/** A room in which bob, with power 50, has both homes. */
function room(): RoomFixture {
  const made = RoomFixture.founded(rules, alice);
  const set = (type: string, content: JsonObject): void => void made.send({ type, sender: alice, stateKey: '', content });
  set('m.room.join_rules', { join_rule: 'public' });
  set('m.room.power_levels', { users: { [bob]: 50 } });
  set('m.room.topic', { topic: 'old' });
  made.records.set(bob, both);
  made.join(bob, { home: b1 });
  made.join(carol);
  made.clock.now = 100;
  return made;
}

/** The event that brings a record, citing what stands. */
function brings(room_: RoomFixture, record: HomeRecord): RoomEvent {
  const sent = carries(record);
  const state = [...room_.state.values()];
  const stands = standingEvents(bob, recordOf(room_.state.get(member(bob))), record, state);
  const usual = room_.build(sent).pdu.auth_events.map((id) => room_.events.get(id)!);
  return room_.send({ ...sent, auth: [...new Set([...usual, ...stands])] });
}

const resolved = (rooms: RoomFixture[], key: string): string | undefined => {
  const results = [rooms, rooms.toReversed()].map((order) => resolveRooms(order).get(key));
  expect(results[0]).toBe(results[1]);
  return results[0];
};

it('what a retired home did stands beside a drop that came in through a replica which had not heard of it', () => {
  const heard = room();
  const lagging = heard.fork();
  const ban = heard.send(byB1('m.room.member', { membership: 'ban' }, carol));
  const last = heard.send(byB1('m.room.topic', { topic: 'last' }));
  const rule = heard.send(byB1('m.room.join_rules', { join_rule: 'invite' }));
  brings(lagging, retired);
  expect([member(carol), topic, stateKeyOf('m.room.join_rules', '')].map((key) => resolved([heard, lagging], key))).toEqual([ban.eventId, last.eventId, rule.eventId]);
});

it('a revoked home stands nowhere with what it did beside, and with everything that the revocation cites', () => {
  const here = room();
  const before = here.send(byB1('m.room.topic', { topic: 'before' }));
  const lagging = here.fork();
  const revocation = brings(here, revoked);
  expect(revocation.pdu.auth_events).toContain(before.eventId);
  const beside = lagging.send(byB1('m.room.topic', { topic: 'beside' }));
  lagging.send(byB1('m.room.member', { membership: 'ban' }, carol));
  expect(resolved([here, lagging], topic)).toBe(before.eventId);
  expect(resolved([here, lagging], member(carol))).toBe(here.state.get(member(carol))!.eventId);
  expect([...resolveRooms([here, lagging]).values()]).not.toContain(beside.eventId);
});

it('closing changes nothing that stands, and is revoking for what comes late', () => {
  const here = room();
  const before = here.send(byB1('m.room.topic', { topic: 'before' }));
  brings(here, retired);
  const late = here.fork();
  brings(here, closed);
  here.send({ type: 'x', sender: alice, stateKey: '' });
  late.send({ ...byB1('m.room.message', {}), type: 'y', sender: alice, home: 'a.example', stateKey: '' });
  expect(resolved([here, late], topic)).toBe(before.eventId);
});

it('a level that the sender had does not bring a revoked home before its revocation', () => {
  const here = room();
  const thief = here.fork();
  here.send({ type: 'm.room.power_levels', sender: alice, stateKey: '', content: { users: { [bob]: 0 } } });
  brings(here, revoked);
  const levels = thief.send({ ...byB1('m.room.power_levels', { users: { [bob]: 50, [carol]: 50 } }), ts: 1 });
  expect([...resolveRooms([here, thief]).values()]).not.toContain(levels.eventId);
});

it('a kick that copied the lower record is not evaded by raising it', () => {
  const here = room();
  const there = here.fork();
  const kick = there.member(alice, bob, 'ban');
  brings(here, retired);
  expect(resolved([here, there], member(bob))).toBe(kick.eventId);
});

it('a leave by one home comes before another one\'s carried record', () => {
  const here = room();
  const there = here.fork();
  const leave = there.send({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'leave' }, home: b1, ts: 9_999 });
  brings(here, retired);
  expect(resolved([here, there], member(bob))).toBe(leave.eventId);
  // The home whose raise was refused leaves with the higher record.
  const merged = mergeRooms([here, there]);
  const carried = merged.send(carries(retired, { content: { membership: 'leave', 'io.partyline.carries': true } }));
  expect(resolved([merged, there], member(bob))).toBe(carried.eventId);
});

it('a home that another device has added meanwhile is not revoked by a record of the same number', () => {
  const here = room();
  const there = here.fork();
  const added = recordFor(bob, 3, [b1, b2, 'b3.example']);
  there.send(carries(added));
  const set = there.send({ type: 'm.room.topic', sender: bob, stateKey: '', home: 'b3.example', content: { topic: 'b3' } });
  brings(here, recordFor(bob, 3, [b1, b2, 'b4.example']));
  expect(resolved([here, there], topic)).toBe(set.eventId);
});

describe('beside the current state', () => {
  const beside = (made: RoomFixture, event: RoomEvent): string => {
    try {
      checkAuth(event, made.reader, rules, made.ctx, 'beside');
      return 'allowed';
    } catch (error) {
      if (error instanceof AuthError) return error.rule;
      throw error;
    }
  };

  it('a retired home counts and a revoked one does not; before an event only a home does', () => {
    const made = room();
    const word = made.build(byB1('m.room.message', {}));
    for (const [record, verdict] of [[retired, 'allowed'], [revoked, 'p1']] as const) {
      const after = made.fork();
      brings(after, record);
      expect(beside(after, word)).toBe(verdict);
      expect(after.verdict(word)).toContain('p1 by state');
      expect(isByRetiredHome(word, after.reader, after.ctx)).toBe(verdict === 'allowed');
      expect(isByRetiredHome(after.build({ type: 'm.room.message', sender: bob, home: b2 }), after.reader, after.ctx)).toBe(false);
    }
  });

  it('a lower record is no reason against a kick or a profile that copied it', () => {
    const made = room();
    const [kick, profile] = [made.build({ type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'leave' } }),
      made.build({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join', displayname: 'B' }, home: b2 })];
    brings(made, retired);
    expect([beside(made, kick), beside(made, profile)]).toEqual(['allowed', 'allowed']);
    expect(made.verdict(kick)).toContain('p3');
  });

  it('a carried record is taken, whatever the revoked home has made of its sender\'s membership', () => {
    const made = room();
    const revocation = made.build(carries(revoked));
    made.send({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'leave' }, home: b1 });
    expect([beside(made, revocation), beside(made, made.build(carries(retired)))]).toEqual(['allowed', 'allowed']);
    expect(made.verdict(revocation)).toContain('p4');
  });
});

describe('citing what stands', () => {
  it('is for who brings another record, and of state that its sender has set', () => {
    const made = room();
    const set = made.send(byB1('m.room.topic', { topic: 'x' }));
    const foreign = made.send({ type: 'm.room.name', sender: alice, stateKey: '' });
    const usual = made.build(carries(revoked)).pdu.auth_events.map((id) => made.events.get(id)!);
    const verdict = (record: HomeRecord, ...more: RoomEvent[]): string => made.try({ ...carries(record), auth: [...usual, ...more] });
    expect(verdict(revoked, set)).toBe('allowed');
    expect(verdict(both, set)).toContain('3.2');
    expect(verdict(revoked, foreign)).toContain('3.2');
  });

  it('goes through io.partyline.stands for more than one event can hold, which anybody joined may send', () => {
    const made = room();
    const set = made.send(byB1('m.room.topic', { topic: 'x' }));
    const usual = made.build({ type: 'io.partyline.stands', sender: bob, home: b2 }).pdu.auth_events.map((id) => made.events.get(id)!);
    const stands = made.send({ type: 'io.partyline.stands', sender: bob, home: b2, auth: [...usual, set] });
    const cites = made.build(carries(revoked)).pdu.auth_events.map((id) => made.events.get(id)!);
    expect(made.try({ ...carries(revoked), auth: [...cites, stands] })).toBe('allowed');
    expect(made.try({ ...carries(revoked), sender: alice, stateKey: alice, record: null, auth: [...cites, stands] })).not.toBe('allowed');
  });

  it('holds a thousand in a PDU of these kinds, ten in others', () => {
    const made = room();
    const many = (sent: Sent, count: number): unknown => {
      const event = made.build(sent);
      return { ...JSON.parse(event.json), auth_events: Array.from({ length: count }, (_, i) => `$${i}`) };
    };
    const limit = MAX_AUTH_EVENTS + MAX_STANDING_EVENTS;
    for (const sent of [carries(revoked), { type: 'io.partyline.stands', sender: bob, home: b2 }]) {
      expect(() => readPdu(many(sent, limit), rules)).not.toThrow();
      expect(() => readPdu(many(sent, limit + 1), rules)).toThrow();
    }
    expect(() => readPdu(many({ type: 'm.room.topic', sender: bob, stateKey: '', home: b2 }, MAX_AUTH_EVENTS + 1), rules)).toThrow();
  });
});

describe('a state that somebody tells of', () => {
  const told = (line: RoomFixture): Map<string, string> => withoutRevoked(line.stateIds(), (id) => line.events.get(id));

  it('is without what a home did beside its revocation, and has what that replaced', () => {
    const here = room();
    const levels = here.send(byB1('m.room.power_levels', { users: { [bob]: 50, [carol]: 10 } }));
    here.send(byB1('m.room.topic', { topic: 'before' }));
    const there = here.fork();
    brings(here, revoked);
    expect(told(here)).toEqual(here.stateIds());
    const lie = here.fork();
    lie.add(there.send(byB1('m.room.power_levels', { users: { [bob]: 50, [carol]: 50 } })));
    lie.add(there.send(byB1('m.room.topic', { topic: 'evil' })));
    lie.add(there.send(byB1('m.room.name', { name: 'evil' })));
    const expected = here.stateIds();
    expected.delete(topic);
    expect(told(lie)).toEqual(expected);
    expect(told(lie).get(stateKeyOf('m.room.power_levels', ''))).toBe(levels.eventId);
  });

  it('is not one in which a kick alone says that a home is revoked: others than the bearer copy what the room knows', () => {
    const here = room();
    here.send(byB1('m.room.topic', { topic: 'before' }));
    const kick = here.build({ type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'leave' }, record: revoked });
    expect(here.verdict(kick)).toBe('p3');
    const cites = (record: HomeRecord, ...events: RoomEvent[]): string => here.verdict(
      here.build({ type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'leave' }, record, auth: [...kick.pdu.auth_events.map((id) => here.events.get(id)!), ...events] }));
    expect(cites(both)).toBe('allowed');
    // By an event that nobody sees in the state it is no better.
    expect(cites(revoked, here.fork().add(here.build(carries(revoked))))).toBe('p3 by state, allowed by auth events');
  });

  it('keeps what a home did that has retired, and what stood when it was closed', () => {
    const here = room();
    here.send(byB1('m.room.topic', { topic: 'before' }));
    brings(here, retired);
    expect(told(here)).toEqual(here.stateIds());
    brings(here, closed);
    expect(told(here)).toEqual(here.stateIds());
  });
});
