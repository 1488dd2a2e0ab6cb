import { RoomFixture, type Sent } from '../event-auth/room-fixture.js';
import type { JsonObject, RoomEvent } from '../events/index.js';
import { stateKeyOf } from '../events/index.js';
import { roomVersions, type RoomVersionRules } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';
import { resolveState } from './resolve-state.js';

const alice = '@alice:a.example';
const bob = '@bob:b.example';
const carol = '@carol:c.example';
const dave = '@dave:d.example';

const state = (type: string, sender: string, content: JsonObject = {}, more: Partial<Sent> = {}): Sent => ({ type, sender, stateKey: '', content, ...more });

describe.each(roomVersions.filter((rules) => rules.stateResolution !== 'v1').map((rules) => [rules.id, rules] as const))('state resolution of room version %s', (_id, rules: RoomVersionRules) => {
  const levels = (sender: string, users: Record<string, number>): Sent => state('m.room.power_levels', sender, {
    users: { ...(rules.privilegedCreators ? {} : { [alice]: 100 }), ...users },
  });
  const topic = (sender: string, text: string): Sent => state('m.room.topic', sender, { topic: text });

  /** Alice's public room with bob and carol. */
  function room(): RoomFixture {
    const made = RoomFixture.founded(rules, alice);
    made.send(levels(alice, {}));
    made.send(state('m.room.join_rules', alice, { join_rule: 'public' }));
    made.join(bob);
    made.join(carol);
    return made;
  }

  const resolved = (rooms: RoomFixture[], type: string, stateKey = ''): RoomEvent | undefined => {
    const results = [rooms, rooms.toReversed()].map((list) => resolveRooms(list).get(stateKeyOf(type, stateKey)));
    expect(results[1]).toBe(results[0]);
    return results[0] === undefined ? undefined : rooms[0]!.events.get(results[0]);
  };
  const membership = (rooms: RoomFixture[], userId: string): unknown => resolved(rooms, 'm.room.member', userId)?.pdu.content['membership'];

  it('keeps states that agree, and what one side added', () => {
    const one = room();
    expect(resolveRooms([one, one.fork(), one.fork()])).toEqual(one.stateIds());
    const other = one.fork();
    const added = other.send(topic(alice, 'new'));
    expect(resolved([one, other], 'm.room.topic')).toBe(added);
    expect(resolveState({ rules, roomId: 'x', stateSets: [], event: () => undefined, isRejected: () => false, ctx: one.ctx }).size).toBe(0);
  });

  it('lets a ban win over what the banned one changed meanwhile', () => {
    const one = room();
    one.send(levels(alice, { [bob]: 50 }));
    const other = one.fork();
    const byBob = other.send(levels(bob, { [bob]: 50, [carol]: 50 }));
    one.send({ type: 'm.room.message', sender: alice });
    one.member(alice, bob, 'ban');
    expect(membership([one, other], bob)).toBe('ban');
    expect(resolved([one, other], 'm.room.power_levels')).not.toBe(byBob);
    expect(resolved([one, other], 'm.room.power_levels')).toBe(one.state.get(stateKeyOf('m.room.power_levels', '')));
  });

  it('does not let a join slip past a change of the join rule', () => {
    const one = room();
    const other = one.fork();
    one.send(state('m.room.join_rules', alice, { join_rule: 'invite' }));
    other.join(dave);
    expect(membership([one, other], dave)).toBeUndefined();
  });

  it('goes along with power levels that build on each other', () => {
    const one = room();
    one.send(levels(alice, { [bob]: 50 }));
    const other = one.fork();
    other.send(levels(bob, { [bob]: 50, [carol]: 50 }));
    const last = other.send(levels(carol, { [bob]: 50, [carol]: 0 }));
    expect(resolved([one, other], 'm.room.power_levels')).toBe(last);
  });

  it('takes the topic of the side whose power levels stand', () => {
    const one = room();
    one.send(topic(alice, '1'));
    one.send(levels(alice, { [bob]: 50 }));
    const other = one.fork();
    const second = one.send(topic(alice, '2'));
    const demoted = one.send(levels(alice, { [bob]: 0 }));
    other.send(levels(bob, { [bob]: 50, [carol]: 0 }));
    other.send(topic(bob, '3'));
    expect(resolved([one, other], 'm.room.power_levels')).toBe(demoted);
    expect(resolved([one, other], 'm.room.topic')).toBe(second);
  });

  it('goes back to the topic from before somebody who is banned', () => {
    const one = room();
    const first = one.send(topic(alice, '1'));
    const other = one.fork();
    one.send(levels(alice, { [bob]: 50 }));
    one.send(topic(bob, '2'));
    one.member(alice, bob, 'ban');
    expect(resolved([one, other], 'm.room.topic')).toBe(first);
    expect(membership([one, other], bob)).toBe('ban');
  });

  it('continues from a merge', () => {
    const one = room();
    one.send(topic(alice, '1'));
    one.send(levels(alice, { [bob]: 50 }));
    const other = one.fork();
    one.send(topic(alice, '2'));
    const demoted = one.send(levels(alice, { [bob]: 0 }));
    other.send(levels(bob, { [bob]: 50, [carol]: 0 }));
    other.send(topic(bob, '3'));
    const merged = mergeRooms([one, other]);
    const fourth = merged.send(topic(alice, '4'));
    expect(resolved([merged, other], 'm.room.topic')).toBe(fourth);
    expect(resolved([merged, other, one], 'm.room.power_levels')).toBe(demoted);
  });

  it('orders what has equal rank by time, then by event id', () => {
    const one = room();
    const other = one.fork();
    other.send({ ...topic(alice, 'later'), ts: 200 });
    one.send({ ...topic(alice, 'earlier'), ts: 100 });
    expect(resolved([one, other], 'm.room.topic')?.pdu.content['topic']).toBe('later');
    const [x, y] = [one.fork(), one.fork()];
    const both = [x.send({ ...topic(alice, 'x'), ts: 300 }), y.send({ ...topic(alice, 'y'), ts: 300 })];
    expect(resolved([x, y], 'm.room.topic')?.eventId).toBe(both.map(({ eventId }) => eventId).sort()[1]);
  });

  it('does not lean on rejected auth events', () => {
    const one = room();
    const other = one.fork();
    other.join(dave);
    const joinRules = one.state.get(stateKeyOf('m.room.join_rules', ''))!;
    const key = stateKeyOf('m.room.member', dave);
    const result = (rejected: string[]): Map<string, string> => {
      const sets = [one, other].map((line) => line.stateIds());
      for (const set of sets) set.delete(stateKeyOf('m.room.join_rules', ''));
      return resolveState({
        rules, roomId: one.create.roomId, stateSets: sets, event: (id) => one.events.get(id),
        isRejected: (id) => rejected.includes(id), ctx: one.ctx,
      });
    };
    expect(result([]).has(key)).toBe(true);
    expect(result([joinRules.eventId]).has(key)).toBe(false);
  });

  it('loses nobody to state that nobody contests, from version 2.1 on', () => {
    const one = room();
    one.join(dave);
    one.send(state('m.room.join_rules', alice, { join_rule: 'invite' }));
    const other = one.fork();
    other.state.delete(stateKeyOf('m.room.member', dave)); // a server that never saw the join
    expect(membership([one, other], dave)).toBe(rules.stateResolution === 'v2.1' ? 'join' : undefined);
  });
});
