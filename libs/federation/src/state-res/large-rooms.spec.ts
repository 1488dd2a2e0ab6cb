import type { JsonObject, RoomEvent } from '../events/index.js';
import { stateKeyOf } from '../events/index.js';
import { roomVersion, type RoomVersionRules } from '../room-versions/index.js';
import { resolveState } from './resolve-state.js';

// Sizes at which recursion overflows the stack and a quadratic loop does not end. Unsigned events: nothing here looks at them.

const creator = '@creator:a';
const version = (id: string): RoomVersionRules => roomVersion(id)!;

class LargeRoom {
  readonly events = new Map<string, RoomEvent>();
  readonly state = new Map<string, string>();
  readonly roomId: string;

  constructor(readonly rules: RoomVersionRules) {
    this.roomId = rules.roomIdIsCreateHash ? '!create' : '!room:a';
    this.add('create', 'm.room.create', creator, '', {}, []);
  }

  add(id: string, type: string, sender: string, stateKey: string, content: JsonObject, auth: string[]): string {
    const eventId = `$${id}`;
    const withCreate = this.rules.roomIdIsCreateHash || type === 'm.room.create' ? auth : ['$create', ...auth];
    this.events.set(eventId, { eventId, roomId: this.roomId, json: '', pdu: {
      type, sender, state_key: stateKey, content, origin_server_ts: this.events.size, depth: 1, prev_events: auth.slice(-1),
      auth_events: withCreate, hashes: { sha256: '' }, signatures: {},
    } });
    this.state.set(stateKeyOf(type, stateKey), eventId);
    return eventId;
  }

  resolve(...stateSets: Array<Map<string, string>>): Map<string, string> {
    return resolveState({
      rules: this.rules, roomId: this.roomId, stateSets, event: (id) => this.events.get(id), isRejected: () => false,
      ctx: { verifyHomeSignature: () => false },
    });
  }
}

it('a large room of version 1: resolves 4,000 members who differ among 100,000 who do not', () => {
  const room = new LargeRoom(version('1'));
  const own = room.add('own', 'm.room.member', creator, creator, { membership: 'join' }, ['$create']);
  const levels = room.add('levels', 'm.room.power_levels', creator, '', { users: { [creator]: 100 } }, [own]);
  const rule = room.add('rule', 'm.room.join_rules', creator, '', { join_rule: 'public' }, [levels, own]);
  const join = (id: string, user: string, more: JsonObject = {}): string => room.add(id, 'm.room.member', user, user, { membership: 'join', ...more }, [levels, rule]);
  for (let i = 0; i < 100_000; i++) join(`join${i}`, `@user${i}:b`);
  const [left, right] = [new Map(room.state), new Map(room.state)];
  for (let i = 0; i < 4_000; i++) {
    const key = stateKeyOf('m.room.member', `@split${i}:b`);
    left.set(key, join(`left${i}`, `@split${i}:b`));
    right.set(key, join(`right${i}`, `@split${i}:b`, { displayname: 'x' }));
  }
  const began = process.cpuUsage();
  const resolved = room.resolve(left, right);
  // With a copy of the state for each conflict these are minutes of the processor; nothing ends a test that does not wait.
  expect(process.cpuUsage(began).user / 1_000).toBeLessThan(60_000);
  expect(resolved.size).toBe(left.size);
  expect([...resolved].every(([key, event]) => left.get(key) === event || right.get(key) === event)).toBe(true);
});

describe.each(['11', '12'])('a large room of version %s', (id) => {
  it('resolves 20,000 members who joined on both sides of a split', () => {
    const room = new LargeRoom(version(id));
    const own = room.add('own', 'm.room.member', creator, creator, { membership: 'join' }, ['$create']);
    const levels = room.add('levels', 'm.room.power_levels', creator, '', {}, [own]);
    const rule = room.add('rule', 'm.room.join_rules', creator, '', { join_rule: 'public' }, [levels, own]);
    const [left, right] = [new Map(room.state), new Map(room.state)];
    for (let i = 0; i < 20_000; i++) {
      const user = `@user${i}:b`;
      const join = room.add(`join${i}`, 'm.room.member', user, user, { membership: 'join' }, [levels, rule]);
      const again = room.add(`again${i}`, 'm.room.member', user, user, { membership: 'join', displayname: 'x' }, [levels, rule, join]);
      const key = stateKeyOf('m.room.member', user);
      left.set(key, again);
      if (i % 2 === 0) right.set(key, join);
    }
    const resolved = room.resolve(left, right);
    expect(resolved.size).toBe(left.size);
    expect([...resolved].every(([key, event]) => left.get(key) === event)).toBe(true);
  });

  it('resolves power levels that changed 20,000 times on one side', () => {
    const room = new LargeRoom(version(id));
    const own = room.add('own', 'm.room.member', creator, creator, { membership: 'join' }, ['$create']);
    const users: JsonObject = version(id).privilegedCreators ? {} : { [creator]: 100 };
    let levels = room.add('levels', 'm.room.power_levels', creator, '', { users }, [own]);
    const before = new Map(room.state);
    for (let i = 0; i < 20_000; i++) {
      levels = room.add(`levels${i}`, 'm.room.power_levels', creator, '', { users, ban: i % 50 }, [levels, own]);
      if (i % 10 === 0) room.add(`topic${i}`, `topic${i % 1000}`, creator, '', { i }, [levels, own]);
    }
    const resolved = room.resolve(before, room.state);
    expect(resolved).toEqual(room.state);
  });
});
