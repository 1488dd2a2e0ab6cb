import fc from 'fast-check';
import { RoomFixture, recordFor, type Sent } from '../event-auth/room-fixture.js';
import { stateKeyOf } from '../events/index.js';
import { recordOf } from '../home-record/index.js';
import { roomVersion, roomVersions, type RoomVersionRules } from '../room-versions/index.js';
import { mergeRooms, resolveRooms } from './resolve-rooms.js';
import { resolveState } from './resolve-state.js';

const people = ['@alice:a.example', '@bob:b.example', '@carol:c.example', '@dave:d.example'] as const;
const alice = people[0];

/** One step of a random history: on a line, somebody does something to somebody, at a time of their choice. */
const step = fc.record({
  line: fc.nat(3), who: fc.constantFrom(...people), whom: fc.constantFrom(...people), ts: fc.nat(20), level: fc.constantFrom(0, 50, 100),
  what: fc.constantFrom('fork', 'merge', 'join', 'leave', 'ban', 'invite', 'levels', 'topic', 'public', 'closed', 'topic', 'levels'),
});
const history = fc.array(step, { maxLength: 25 });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function describeStep({ what, who, whom, level, ts }: Step, rules: RoomVersionRules): Sent {
  const common = { sender: who, stateKey: '', ts };
  switch (what) {
    case 'levels': {
      const users = Object.fromEntries([['@alice:a.example', 100], ['@bob:b.example', 50], [whom, level]]);
      if (rules.privilegedCreators) delete users[alice];
      return { ...common, type: 'm.room.power_levels', content: { users, state_default: 0 } };
    }
    case 'topic': return { ...common, type: 'm.room.topic', content: { topic: `${who} ${ts}` } };
    case 'public': return { ...common, type: 'm.room.join_rules', content: { join_rule: 'public' } };
    case 'closed': return { ...common, type: 'm.room.join_rules', content: { join_rule: 'invite' } };
    default: return { ...common, type: 'm.room.member', stateKey: what === 'join' ? who : whom, content: { membership: what } };
  }
}

/** Plays a history: what the rules refuse on a line does not happen. At most four lines. */
function play(steps: Step[], rules: RoomVersionRules): RoomFixture[] {
  const start = RoomFixture.founded(rules, alice);
  start.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  for (const person of people.slice(1)) start.join(person);
  const lines = [start];
  for (const one of steps) {
    const at = one.line % lines.length;
    const line = lines[at]!;
    if (one.what === 'fork') {
      if (lines.length < 4) lines.push(line.fork());
    } else if (one.what === 'merge') {
      lines[at] = mergeRooms([line, lines[(at + 1) % lines.length]!]);
    } else {
      const event = line.build(describeStep(one, rules));
      if (line.verdict(event) === 'allowed') line.add(event);
    }
  }
  return lines;
}

describe.each(roomVersions.filter((rules) => rules.stateResolution !== 'v1').map((rules) => [rules.id, rules] as const))('random rooms of version %s', (_id, rules) => {
  it('resolve to the same state whatever the order of the sets, and however often each occurs', () => {
    fc.assert(fc.property(history, fc.infiniteStream(fc.nat()), (steps, random) => {
      const lines = play(steps, rules);
      const expected = resolveRooms(lines);
      const shuffled = [...lines, lines[0]!, lines.at(-1)!].map((line) => [random.next().value, line] as const)
        .sort(([x], [y]) => x - y).map(([, line]) => line);
      expect(resolveRooms(shuffled)).toEqual(expected);
    }), { numRuns: 60 });
  });

  it('resolve to the same state whatever the order of entries in the sets', () => {
    fc.assert(fc.property(history, (steps) => {
      const lines = play(steps, rules);
      const { create, events, ctx } = lines[0]!;
      const reversed = lines.map((line) => new Map([...line.stateIds()].reverse()));
      const result = resolveState({
        rules, roomId: create.roomId, stateSets: reversed, event: (id) => events.get(id), isRejected: () => false, ctx,
      });
      expect(result).toEqual(resolveRooms(lines));
    }), { numRuns: 40 });
  });

  it('hold only what some line holds, and all that every line holds', () => {
    fc.assert(fc.property(history, (steps) => {
      const lines = play(steps, rules);
      const result = resolveRooms(lines);
      const chainOrState = new Set(lines[0]!.events.keys());
      for (const id of result.values()) expect(chainOrState.has(id)).toBe(true);
      for (const [key, id] of lines[0]!.stateIds()) {
        if (lines.every((line) => line.stateIds().get(key) === id)) expect(result.get(key)).toBe(id);
      }
      expect(resolveRooms([mergeRooms(lines)])).toEqual(result);
    }), { numRuns: 40 });
  });
});

it('end with the highest record of a member, whatever the lines and the clocks', () => {
  const rules = roomVersion('io.partyline.1')!;
  const bob = '@bob:b.example';
  const raise = fc.record({ line: fc.nat(2), seq: fc.integer({ min: 1, max: 6 }), ts: fc.nat(20), fork: fc.boolean() });
  fc.assert(fc.property(fc.array(raise, { minLength: 1, maxLength: 8 }), (raises) => {
    const lines = play([], rules);
    let highest = 0;
    for (const { line: pick, seq, ts, fork } of raises) {
      if (fork && lines.length < 3) lines.push(lines[pick % lines.length]!.fork());
      const line = lines[pick % lines.length]!;
      line.records.set(bob, recordFor(bob, seq, ['b.example', `b${seq}.example`]));
      const event = line.build({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' }, ts });
      if (line.verdict(event) !== 'allowed') continue;
      line.add(event);
      highest = Math.max(highest, seq);
    }
    for (const order of [lines, lines.toReversed()]) {
      const id = resolveRooms(order).get(stateKeyOf('m.room.member', bob))!;
      expect(recordOf(lines[0]!.events.get(id))?.seq).toBe(highest);
    }
  }), { numRuns: 60 });
});
