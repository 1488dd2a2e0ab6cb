import { recordFor, RoomFixture } from '../event-auth/room-fixture.js';
import { knownRecord, standingEvents } from '../event-auth/index.js';
import { stateKeyOf, type JsonObject, type RoomEvent } from '../events/index.js';
import { compareRecords, type HomeRecord } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';

// Portable rooms, protocol §3, "What events cite", "What stands": stories that random histories have found. Bob revokes or closes the home b1.

const rules = roomVersion('io.partyline.1')!;
const [alice, bob, carol, dave] = ['@alice:a.example', '@bob:b.example', '@carol:c.example', '@dave:d.example'] as const;
const [b1, b2, b3, b4] = ['b1.example', 'b2.example', 'b3.example', 'b4.example'] as const;
const both = recordFor(bob, 2, [b1, b2]);
const revoked = recordFor(bob, 3, [b2]);
const member = (userId: string): string => stateKeyOf('m.room.member', userId);
const [topic, levels] = [stateKeyOf('m.room.topic', ''), stateKeyOf('m.room.power_levels', '')];

function room(): RoomFixture {
  const made = RoomFixture.founded(rules, alice);
  made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  sets(made, alice, 'm.room.power_levels', { users: { [bob]: 100, [carol]: 50 }, state_default: 0 });
  made.records.set(bob, both);
  made.join(bob, { home: b1 });
  for (const userId of [carol, dave]) made.join(userId);
  made.clock.now = 100;
  return made;
}

function sets(in_: RoomFixture, sender: string, type: string, content: JsonObject, home?: string): RoomEvent {
  return in_.send({ type, sender, stateKey: '', content, ...(home !== undefined && { home }) });
}

/** Bob's home brings a record, citing what stands. */
function brings(in_: RoomFixture, record: HomeRecord, home: string = b2, membership = 'join'): RoomEvent {
  const sent = { type: 'm.room.member', sender: bob, stateKey: bob, content: { membership, 'io.partyline.carries': true }, record, home };
  const usual = in_.build(sent).pdu.auth_events.map((id) => in_.events.get(id)!);
  const chain = new Set([...in_.state.values()]);
  for (const event of chain) for (const id of event.pdu.auth_events) chain.add(in_.events.get(id)!);
  return in_.send({ ...sent, auth: [...new Set([...usual, ...standingEvents(bob, knownRecord(in_.reader, bob), record, chain)])] });
}

const resolved = (rooms: readonly RoomFixture[], key: string): string | undefined => {
  const results = [rooms, rooms.toReversed()].map((order) => resolveRooms(order).get(key));
  expect(results[0]).toBe(results[1]);
  return results[0];
};

it('what somebody else had replaced stands again when that is undone, though its home was closed meanwhile', () => {
  const here = room();
  const good = sets(here, bob, 'm.room.topic', { topic: 'good' }, b1);
  const there = here.fork();
  sets(here, dave, 'm.room.topic', { topic: 'another' });
  expect(brings(here, revoked).pdu.auth_events).toContain(good.eventId);
  there.member(carol, dave, 'ban');
  expect(resolved([here, there], topic)).toBe(good.eventId);
});

it('where a revoked home has set what nobody had set, the state is one without it', () => {
  const here = room();
  const thief = here.fork();
  const old = here.fork();
  sets(thief, bob, 'm.room.topic', { topic: 'stolen' }, b1);
  here.clock.now = 500;
  sets(here, dave, 'm.room.topic', { topic: 'good' });
  here.clock.now = 200;
  here.member(dave, dave, 'leave');
  const before = here.fork();
  brings(here, revoked);
  // As in Matrix, what dave has set is put to the test by a replica that had not heard of it, and dave has left.
  expect(resolved([before, old], topic)).toBeUndefined();
  expect(resolved([here, thief], topic)).toBeUndefined();
});

it('what replaced the doing of a revoked home stays behind what that had replaced, whatever their clocks say', () => {
  const here = room();
  here.clock.now = 200;
  sets(here, alice, 'm.room.topic', { topic: 'first' });
  const there = here.fork();
  brings(here, revoked);
  there.clock.now = 100;
  sets(there, bob, 'm.room.topic', { topic: 'stolen' }, b1);
  const last = sets(there, dave, 'm.room.topic', { topic: 'last' });
  expect(resolved([here, there], topic)).toBe(last.eventId);
});

it('an event stands after what it replaced, whatever their clocks say', () => {
  const here = room();
  const lagging = here.fork();
  here.clock.now = 9_999;
  sets(here, dave, 'm.room.topic', { topic: 'first' });
  const there = here.fork();
  here.clock.now = 100;
  const last = sets(here, carol, 'm.room.topic', { topic: 'last' });
  expect(resolved([here, there], topic)).toBe(last.eventId);
  expect(resolved([here, there, lagging], topic)).toBe(last.eventId);
});

it('what a state holds beside a record without its home goes on to stand where that rests on it, though nothing says so any more', () => {
  const here = room();
  const apart = here.fork();
  const lagging = here.fork();
  sets(here, bob, 'm.room.power_levels', { users: { [bob]: 100, [dave]: 50 } }, b1);
  const granted = sets(here, dave, 'm.room.power_levels', { users: { [bob]: 100, [dave]: 50, [carol]: 25 } });
  const said = brings(here, revoked);
  // Another device brings a later record where neither the grant nor the revocation is known.
  const shown = brings(apart, recordFor(bob, 4, [b2, b3]));
  const merged = mergeRooms([here, apart]);
  expect([merged.state.get(member(bob)), merged.state.get(levels)]).toEqual([shown, granted]);
  expect(shown.pdu.auth_events).not.toContain(said.eventId);
  lagging.send({ type: 'x', sender: alice, stateKey: '' });
  expect(resolved([merged, lagging], levels)).toBe(granted.eventId);
});

it('who brings a later record says that stands what a home had set which only another device had added', () => {
  const here = room();
  const there = here.fork();
  const apart = [[b1, b2, b3], [b1, b2, b4]].map((homes) => recordFor(bob, 3, homes)).sort(compareRecords);
  const [lower, higher] = [apart[0]!, apart[1]!];
  brings(here, higher, b2);
  const twin = lower.homes[2]!.server_name;
  brings(there, lower, twin);
  const good = sets(there, bob, 'm.room.topic', { topic: 'good' }, twin);
  const merged = mergeRooms([here, there]);
  expect(merged.state.get(topic)).toBe(good);
  expect(brings(merged, recordFor(bob, 4, [b2]), b2).pdu.auth_events).toContain(good.eventId);
});

it('what has fallen is not said to stand by others who cite it', () => {
  const here = room();
  const there = here.fork();
  const before = here.state.get(levels)!;
  sets(there, bob, 'm.room.power_levels', { users: { [bob]: 100, [carol]: 60 }, state_default: 0 }, b1);
  const kick = there.member(alice, bob, 'leave');
  const back = there.fork();
  brings(here, revoked);
  const merged = mergeRooms([here, there]);
  expect([merged.state.get(levels), merged.state.get(member(bob))]).toEqual([before, kick]);
  brings(merged, revoked, b2, 'leave');
  back.send({ type: 'x', sender: alice, stateKey: '' });
  expect(resolved([merged, back], levels)).toBe(before.eventId);
});

it('who sets something again at the same home does not cite what he had set, so that no chain grows', () => {
  const here = room();
  const first = sets(here, dave, 'm.room.topic', { topic: '1' });
  const second = sets(here, dave, 'm.room.topic', { topic: '2' });
  const third = sets(here, carol, 'm.room.topic', { topic: '3' });
  expect(second.pdu.auth_events).not.toContain(first.eventId);
  expect(third.pdu.auth_events).toContain(second.eventId);
});
