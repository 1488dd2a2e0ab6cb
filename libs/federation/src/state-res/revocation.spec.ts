import { keyOf, recordFor, RoomFixture, type Sent } from '../event-auth/room-fixture.js';
import type { JsonObject, RoomEvent } from '../events/index.js';
import { stateKeyOf } from '../events/index.js';
import { recordOf } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';

// Portable rooms, protocol §3 rule 4 and §10: bob drops the home b1, which goes on as if it had not heard of it.

const rules = roomVersion('io.partyline.1')!;
const alice = '@alice:a.example';
const bob = '@bob:b.example';
const carol = '@carol:c.example';
const both = recordFor(bob, 2, ['b1.example', 'b2.example']);
const withoutB1 = recordFor(bob, 3, ['b2.example']);

/** An invite-only room where bob has power 50; bob's record is number 2, before that number 1. */
function room(): RoomFixture {
  const made = RoomFixture.founded(rules, alice);
  const state = (type: string, content: JsonObject): RoomEvent => made.send({ type, sender: alice, stateKey: '', content });
  state('m.room.join_rules', { join_rule: 'public' });
  state('m.room.power_levels', { users: { [bob]: 50 }, state_default: 50 });
  made.records.set(bob, recordFor(bob, 1, ['b1.example']));
  made.join(bob);
  made.join(carol);
  state('m.room.join_rules', { join_rule: 'invite' });
  state('m.room.topic', { topic: 'old' });
  made.clock.now = 100;
  return made;
}

const byB1 = (type: string, content: JsonObject, stateKey = ''): Sent => ({ type, sender: bob, stateKey, content, home: 'b1.example' });
const revocation: Sent = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' }, record: withoutB1, home: 'b2.example' };

const hostile: Array<[string, Sent]> = [
  ['a topic', byB1('m.room.topic', { topic: 'evil' })],
  ['power levels', byB1('m.room.power_levels', { users: { [bob]: 50, [carol]: 50 }, state_default: 0 })],
  ['join rules', byB1('m.room.join_rules', { join_rule: 'public' })],
  ['a kick', byB1('m.room.member', { membership: 'leave' }, carol)],
  ['bob\'s leaving', byB1('m.room.member', { membership: 'leave' }, bob)],
];

describe.each(hostile)('%s by the dropped home', (_what, sent) => {
  it.each([['before', 50], ['after', 500]])('loses when it is dated %s the revocation', (_when, ts) => {
    const here = room();
    here.records.set(bob, both);
    here.join(bob, { home: 'b1.example' });
    const there = here.fork();
    const revoked = here.send(revocation);
    const evil = there.send({ ...sent, ts });
    for (const order of [[here, there], [there, here]]) {
      const result = resolveRooms(order);
      expect(result.get(stateKeyOf('m.room.member', bob))).toBe(revoked.eventId);
      expect([...result.values()]).not.toContain(evil.eventId);
    }
    expect(mergeRooms([here, there]).try({ type: 'm.room.message', sender: bob, home: 'b1.example' })).toBe('p1');
  });

  it('stands where the revocation builds on it', () => {
    const here = room();
    here.records.set(bob, both);
    here.join(bob, { home: 'b1.example' });
    const legitimate = here.send(sent);
    if (sent.stateKey === bob) return expect(here.try(revocation)).toBe('5.3.7');
    here.send(revocation);
    const other = here.fork();
    other.send({ type: 'x', sender: alice, stateKey: '' });
    expect([...resolveRooms([here, other]).values()]).toContain(legitimate.eventId);
    return undefined;
  });
});

it('does not erase what the home had set before, by setting it again', () => {
  const here = room();
  here.records.set(bob, both);
  here.join(bob, { home: 'b1.example' });
  const before = here.send(byB1('m.room.topic', { topic: 'before' }));
  const there = here.fork();
  here.send(revocation);
  const evil = there.send({ ...byB1('m.room.topic', { topic: 'evil' }), ts: 1 });
  for (const order of [[here, there], [there, here]]) {
    expect(resolveRooms(order).get(stateKeyOf('m.room.topic', ''))).toBe(before.eventId);
    // Neither where a third line knows nothing of either.
    const merged = mergeRooms(order);
    expect(resolveRooms([merged, there]).get(stateKeyOf('m.room.topic', ''))).toBe(before.eventId);
    expect(merged.try(byB1('m.room.topic', { topic: 'again' }))).toBe('p1');
  }
  // What nobody had set stays unset.
  const name = there.send(byB1('m.room.name', { name: 'evil' }));
  expect([...resolveRooms([here, there]).values()]).not.toContain(name.eventId);
  expect([...resolveRooms([here, there]).values()]).not.toContain(evil.eventId);
});

it('keeps power levels that the revocation builds on, against a line that knows neither', () => {
  const here = room();
  here.records.set(bob, both);
  here.join(bob, { home: 'b1.example' });
  const there = here.fork();
  const legitimate = here.send(byB1('m.room.power_levels', { users: { [bob]: 50, [carol]: 10 }, state_default: 50 }));
  here.send(revocation);
  there.send({ type: 'x', sender: alice, stateKey: '' });
  expect(resolveRooms([there, here]).get(stateKeyOf('m.room.power_levels', ''))).toBe(legitimate.eventId);
});

it('is not undone from a fork before an older record', () => {
  // b1 forks the room where bob's record still was number 1, and publishes number 2, which it has, with a leave.
  const here = room();
  const there = here.fork();
  here.records.set(bob, both);
  here.join(bob, { home: 'b1.example' });
  const revoked = here.send(revocation);
  for (const membership of ['leave', 'join']) {
    const line = there.fork();
    line.send({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership }, record: both, home: 'b1.example', ts: 1 });
    for (const order of [[here, line], [line, here]]) {
      expect(resolveRooms(order).get(stateKeyOf('m.room.member', bob))).toBe(revoked.eventId);
    }
  }
});

it('does not get a banned member back in', () => {
  const here = room();
  here.records.set(bob, both);
  here.join(bob, { home: 'b1.example' });
  const there = here.fork();
  const ban = here.member(alice, bob, 'ban');
  there.send({ ...revocation, ts: 1 });
  expect(resolveRooms([here, there]).get(stateKeyOf('m.room.member', bob))).toBe(ban.eventId);
  expect(resolveRooms([there, here]).get(stateKeyOf('m.room.member', bob))).toBe(ban.eventId);
});

it('survives a record from before a kick, replayed after the return', () => {
  const here = room();
  here.records.set(bob, both);
  here.join(bob, { home: 'b1.example' });
  here.send(revocation);
  here.records.set(bob, withoutB1);
  here.member(alice, bob, 'leave');
  here.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  const there = here.fork();
  const replay: Sent = { ...revocation, record: both, home: 'b1.example' };
  expect(there.try(replay)).toBe('p3');
  const back = here.send({ ...revocation });
  expect(here.try(replay)).toBe('p3');
  there.add(there.build(replay)); // a server that took it all the same
  const resolved = resolveRooms([here, there]).get(stateKeyOf('m.room.member', bob));
  expect(resolved).toBe(back.eventId);
});

it('keeps the first genesis of a name, whichever order the lines come in', () => {
  const here = room();
  here.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  const there = here.fork();
  here.records.set(bob, both);
  const real = here.join(bob, { home: 'b1.example' });
  const impostor = there.build({ ...revocation, record: recordFor(bob, 9, ['evil.example'], {}, 'second'), home: 'evil.example', ts: 1 });
  expect(there.verdict(impostor)).toBe('p3');
  there.add(impostor);
  for (const order of [[here, there], [there, here]]) {
    expect(resolveRooms(order).get(stateKeyOf('m.room.member', bob))).toBe(real.eventId);
  }
});

it('agrees on one of two records with the same number', () => {
  const here = room();
  const there = here.fork();
  here.send({ ...revocation, record: recordFor(bob, 2, ['b1.example', 'x.example']), home: 'b1.example' });
  there.send({ ...revocation, record: recordFor(bob, 2, ['b1.example', 'y.example']), home: 'b1.example' });
  const key = stateKeyOf('m.room.member', bob);
  const kept = resolveRooms([here, there]).get(key)!;
  expect(resolveRooms([there, here]).get(key)).toBe(kept);
  expect(recordOf(here.events.get(kept))?.seq).toBe(2);
});

describe('a join that the dropped home authorises beside its revocation', () => {
  const dave = '@dave:d.example';
  const junk = keyOf('nobody').sign('junk');

  /** A copy of an event may have any signatures beside the good ones. */
  const copies = (join: RoomEvent): RoomEvent[] => [['b1.example'], ['b1.example', 'b2.example']].map((names) => ({
    ...join, pdu: { ...join.pdu, signatures: { ...join.pdu.signatures, ...Object.fromEntries(names.map((name) => [name, { 'ed25519:1': junk }])) } },
  }));

  it.each([['that it names', { 'io.partyline.authorised_home': 'b1.example' }], ['that nobody names', {}]])('falls with the home %s, whatever signatures a copy has', (_how, named) => {
    const here = room();
    here.records.set(bob, both);
    here.join(bob, { home: 'b1.example' });
    here.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'restricted' } });
    const there = here.fork();
    here.send(revocation);
    const content = { membership: 'join', join_authorised_via_users_server: bob, ...named };
    const join = there.build({ type: 'm.room.member', sender: dave, stateKey: dave, content });
    for (const copy of copies(join)) {
      there.add(copy);
      for (const order of [[here, there], [there, here]]) expect([...resolveRooms(order).values()]).not.toContain(join.eventId);
    }
  });

  it('stands with the home that it names, and before the revocation', () => {
    const here = room();
    here.records.set(bob, both);
    here.join(bob, { home: 'b1.example' });
    here.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'restricted' } });
    const there = here.fork();
    here.send(revocation);
    const content = { membership: 'join', join_authorised_via_users_server: bob, 'io.partyline.authorised_home': 'b2.example' };
    const join = there.build({ type: 'm.room.member', sender: dave, stateKey: dave, content });
    for (const copy of copies(join)) {
      there.add(copy);
      expect([...resolveRooms([here, there]).values()]).toContain(join.eventId);
    }
  });
});
