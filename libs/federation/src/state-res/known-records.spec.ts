import { recordFor, RoomFixture } from '../event-auth/room-fixture.js';
import { entriesOf, knownRecord, knownRecordKey, standingEvents } from '../event-auth/index.js';
import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { recordOf, type HomeRecord } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';
import { withoutRevoked } from './revoked-events.js';

// Portable rooms, protocol §3, "What the state knows": a ban or a kick copies the record from before, while a home is revoked elsewhere.

const rules = roomVersion('io.partyline.1')!;
const [alice, bob, carol] = ['@alice:a.example', '@bob:b.example', '@carol:c.example'] as const;
const [b1, b2] = ['b1.example', 'b2.example'] as const;
const both = recordFor(bob, 2, [b1, b2]);
const revoked = recordFor(bob, 3, [b2]);
const member = (userId: string): string => stateKeyOf('m.room.member', userId);
const topic = stateKeyOf('m.room.topic', '');

function room(): RoomFixture {
  const made = RoomFixture.founded(rules, alice);
  made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  made.send({ type: 'm.room.power_levels', sender: alice, stateKey: '', content: { users: { [bob]: 50 } } });
  made.records.set(bob, both);
  made.join(bob, { home: b1 });
  made.join(carol);
  made.send({ type: 'm.room.topic', sender: alice, stateKey: '', content: { topic: 'old' } });
  made.clock.now = 100;
  return made;
}

const brings = (in_: RoomFixture, record: HomeRecord, membership = 'join'): RoomEvent => {
  const sent = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership, 'io.partyline.carries': true }, record, home: b2 };
  const usual = in_.build(sent).pdu.auth_events.map((id) => in_.events.get(id)!);
  const chain = new Set([...in_.state.values()]);
  for (const event of chain) for (const id of event.pdu.auth_events) chain.add(in_.events.get(id)!);
  return in_.send({ ...sent, auth: [...new Set([...usual, ...standingEvents(bob, knownRecord(in_.reader, bob), record, chain)])] });
};

const resolved = (rooms: readonly RoomFixture[], key: string): string | undefined => {
  const results = [rooms, rooms.toReversed()].map((order) => resolveRooms(order).get(key));
  expect(results[0]).toBe(results[1]);
  return results[0];
};

/** Bob's home b1 sets the topic and is revoked beside; alice, who had heard of neither, bans him. */
function banned(): { merged: RoomFixture; thief: RoomFixture; stolen: RoomEvent; carrier: RoomEvent; ban: RoomEvent } {
  const here = room();
  const thief = here.fork();
  const stolen = thief.send({ type: 'm.room.topic', sender: bob, stateKey: '', home: b1, content: { topic: 'stolen' } });
  const heard = here.fork();
  const carrier = brings(here, revoked);
  const ban = heard.member(alice, bob, 'ban');
  return { merged: mergeRooms([here, heard]), thief, stolen, carrier, ban };
}

it('a revocation stays known when a ban with the record from before stands, and what fell by it does not come back', () => {
  const { merged, thief, stolen, carrier, ban } = banned();
  expect(merged.state.get(member(bob))).toBe(ban);
  expect(merged.state.get(knownRecordKey(bob))).toBe(carrier);
  expect(knownRecord(merged.reader, bob)?.seq).toBe(3);
  // Nobody disputes the ban any more.
  merged.send({ type: 'm.room.name', sender: alice, stateKey: '', content: { name: 'x' } });
  const late = mergeRooms([merged, thief]);
  expect(late.state.get(topic)).not.toBe(stolen);
  expect(late.state.get(knownRecordKey(bob))).toBe(carrier);
  expect(resolved([thief, merged], topic)).not.toBe(stolen.eventId);
});

it('the room goes on from what is known: neither a kick nor a return brings the record from before back', () => {
  const { merged } = banned();
  const unban = { type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'leave' } };
  expect(merged.try({ ...unban, record: both })).toBe('p3');
  const copied = merged.send({ ...unban, record: revoked });
  expect(recordOf(copied)?.seq).toBe(3);
  expect(merged.state.has(knownRecordKey(bob))).toBe(false);
  const back = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' } };
  expect(merged.try({ ...back, record: both, home: b1 })).toContain('p3');
  expect(merged.try({ ...back, record: revoked, home: b2 })).toBe('allowed');
});

it('no event can say what a state knows', () => {
  const made = room();
  expect(made.try({ type: 'io.partyline.known_record', sender: alice, stateKey: alice, content: {} })).toBe('p3');
});

it('a list of events gives the state that it was made of', () => {
  const { merged } = banned();
  for (const events of [[...merged.state.values()], [...merged.state.values()].reverse()]) {
    expect(new Map([...entriesOf(events, (event) => event, rules)])).toEqual(new Map(merged.state));
  }
});

it('a ban that was made beside the doing of a revoked home stands on what that had replaced', () => {
  const here = room();
  const there = here.fork();
  brings(here, revoked);
  there.send({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join', displayname: 'thief' }, home: b1 });
  const ban = there.member(alice, bob, 'ban');
  expect(resolved([here, there], member(bob))).toBe(ban.eventId);
});

it('a kick that a revoked home repeated beside its revocation stands beside another change of the member', () => {
  const here = room();
  here.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'invite' } });
  const there = here.fork();
  const kick = there.member(alice, carol, 'leave');
  there.send({ type: 'm.room.member', sender: bob, stateKey: carol, content: { membership: 'leave' }, home: b1 });
  brings(here, revoked);
  here.send({ type: 'm.room.member', sender: carol, stateKey: carol, content: { membership: 'join', displayname: 'C' } });
  expect(resolved([here, there], member(carol))).toBe(kick.eventId);
});

it('a leave after a revocation that was lost to a kick cites it, and with it what stood when it was made', () => {
  const here = room();
  const kicked = here.fork();
  const set = here.send({ type: 'm.room.topic', sender: bob, stateKey: '', home: b1, content: { topic: 'good' } });
  const lagging = here.fork();
  const first = brings(here, revoked);
  expect(first.pdu.auth_events).toContain(set.eventId);
  kicked.member(alice, bob, 'leave');
  const merged = mergeRooms([here, kicked]);
  expect(merged.state.get(knownRecordKey(bob))).toBe(first);
  const leave = brings(merged, revoked, 'leave');
  expect(leave.pdu.auth_events).toContain(first.eventId);
  expect(merged.state.get(knownRecordKey(bob))).toBeUndefined();
  lagging.send({ type: 'x', sender: alice, stateKey: '' });
  expect(resolved([merged, lagging], topic)).toBe(resolved([here, kicked, lagging], topic));
});

it('who copies a record cites who brought it, so that no told state brings back what a home did that only a kick shows as revoked', () => {
  const { merged, carrier, stolen } = banned();
  const copied = merged.send({ type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'leave' }, record: revoked });
  expect(copied.pdu.auth_events).toContain(carrier.eventId);
  const again = merged.send({ type: 'm.room.member', sender: alice, stateKey: bob, content: { membership: 'ban' }, record: revoked });
  expect(again.pdu.auth_events).not.toContain(carrier.eventId);
  const told = (line: RoomFixture): Map<string, string> => withoutRevoked(line.stateIds(), (id) => line.events.get(id));
  expect(told(merged)).toEqual(merged.stateIds());
  const lie = merged.fork();
  lie.add(stolen);
  expect(told(lie)).toEqual(merged.stateIds());
});
