import fc from 'fast-check';
import { positionsBy } from '../../storage/positions-text.js';
import { type ConnectionState, newState, readStates, type RoomMoment, type RoomTold, statesText } from './connection-state.js';
import { RequiredState, type StateRule } from './required-state.js';
import { type LookedAt, MAX_REMEMBERED, nextRooms, rememberedChars } from './told-rooms.js';

const pos = fc.nat(1_000);
const moment: fc.Arbitrary<RoomMoment> = fc.record({
  events: pos, account: fc.option(pos), receipts: fc.option(pos), typing: fc.option(pos),
});
const element = fc.record({ type: fc.constantFrom('a', 'm.room.member'), stateKey: fc.constantFrom('', '@a:b') }, { requiredKeys: [] });
const rule: fc.Arbitrary<StateRule> = fc.record({ include: fc.array(element), exclude: fc.array(element), lazy: fc.boolean() });
const required = fc.array(rule, { maxLength: 3 }).map((rules) => new RequiredState(rules));
const told: fc.Arbitrary<RoomTold> = fc.record(
  { at: fc.option(moment), limit: pos, state: fc.option(required), isDirect: fc.boolean(), exclude: fc.array(fc.string()).map((ids) => new Set(ids)) },
  { requiredKeys: ['at', 'limit', 'state', 'isDirect'] },
);
const rooms = fc.array(fc.tuple(fc.nat(20), told)).map((entries) => new Map(entries));
const state: fc.Arbitrary<ConnectionState> = fc.tuple(moment, rooms, pos).map(([at, of, n]) => ({
  ...newState(positionsBy((name) => n + name.length)), moment: at, rooms: of, account: n, toDevice: n,
  awaited: { ids: new Set([`$${'a'.repeat(43)}`]), until: 60_000 },
}));

/** Everything of a state as plain data. */
const plain = ({ rooms: of, ...rest }: ConnectionState): unknown => ({
  ...rest, rooms: [...of].map(([nid, { state: wanted, ...room }]) => [nid, room, wanted?.text]).toSorted(),
});

describe('what a client has', () => {
  it('is the same when it was stored', () => {
    fc.assert(fc.property(fc.array(fc.tuple(pos, state)), (states) => {
      expect(readStates(statesText(states)).map(([number, one]) => [number, plain(one)])).toEqual(states.map(([number, one]) => [number, plain(one)]));
    }));
  });
});

describe('what it has after an answer', () => {
  const lookedAt: fc.Arbitrary<LookedAt> = fc.record({
    config: fc.record({ limit: pos, state: required }),
    isDirect: fc.boolean(),
    shown: fc.option(fc.record({ limit: pos, isWhole: fc.boolean() }), { nil: undefined }),
    missed: fc.subarray(['account', 'receipts', 'typing'] as const),
  });
  const looks = fc.array(fc.tuple(fc.nat(20), lookedAt)).map((entries) => new Map(entries));

  it('is what the answer has looked at as of the answer, and the rest as it was', () => {
    fc.assert(fc.property(rooms, moment, looks, moment, (before, old, looked, next) => {
      const after = nextRooms({ rooms: before, moment: old }, looked, next);
      expect([...after.keys()].toSorted()).toEqual([...new Set([...before.keys(), ...looked.keys()])].toSorted());
      for (const [nid, room] of after) {
        const at = room.at ?? next;
        const was = before.get(nid);
        const look = looked.get(nid);
        if (!look) {
          expect({ ...room, at }).toEqual({ ...was, at: was!.at ?? old });
          continue;
        }
        expect(at.events).toBe(next.events);
        for (const kind of ['account', 'receipts', 'typing'] as const) {
          expect(at[kind]).toBe(look.missed.includes(kind) ? (was ? (was.at ?? old)[kind] : null) : next[kind]);
        }
        expect(room.state!.text).toBe(look.config.state.text);
        expect(room.isDirect).toBe(look.isDirect);
        expect(room.exclude).toBeUndefined();
      }
    }));
  });

  it('is the same object where only time went by', () => {
    fc.assert(fc.property(rooms, looks, moment, moment, (before, looked, old, next) => {
      const quiet = new Map([...looked].map(([nid, look]) => [nid, { ...look, shown: undefined, missed: [] }]));
      const once = nextRooms({ rooms: before, moment: old }, quiet, next);
      expect(nextRooms({ rooms: once, moment: next }, quiet, { ...next, events: next.events + 1 })).toBe(once);
    }));
  });
});

describe('what is remembered of a connection', () => {
  const config = (name: string) => ({ limit: 1, state: new RequiredState([{ include: [{ type: name.padEnd(1_000, 'x') }], exclude: [], lazy: false }]) });
  const look = (name: string): LookedAt => ({ config: config(name), isDirect: false, shown: undefined, missed: [] });

  it('has its bound, whatever was asked of how many rooms, and what was asked last is remembered first', () => {
    let before: Pick<ConnectionState, 'rooms' | 'moment'> = newState(positionsBy(() => 0));
    for (let nid = 0; nid < 1_000; nid++) {
      const { moment: at } = before;
      before = { rooms: nextRooms(before, new Map([[nid, look(`${nid}`)]]), at), moment: at };
      expect(before.rooms.get(nid)!.state!.text).toBe(look(`${nid}`).config.state.text);
    }
    expect(before.rooms.size).toBe(1_000);
    expect(rememberedChars(before.rooms)).toBeLessThanOrEqual(MAX_REMEMBERED + 2);
    expect(rememberedChars(before.rooms)).toBeGreaterThan(MAX_REMEMBERED / 2);
  });
});

describe('required state', () => {
  const keys = fc.tuple(fc.constantFrom('a', 'b', 'm.room.member'), fc.constantFrom('', '@a:b', '@c:d')).map(([type, key]) => `${type}\u0000${key}`);

  it('of several is what any of them wants, whatever their order', () => {
    fc.assert(fc.property(fc.array(rule, { maxLength: 3 }), fc.array(rule, { maxLength: 3 }), keys, (some, others, key) => {
      const both = new RequiredState([...some, ...others]);
      expect(new RequiredState([...others, ...some]).text).toBe(both.text);
      for (const part of [some, others].map((rules) => new RequiredState(rules))) {
        if (part.passesKey(key) && !part.lazyMembers) expect(both.passesKey(key)).toBe(true);
        if (both.lazyMembers === part.lazyMembers) expect(both.covers(part)).toBe(true);
      }
    }));
  });

  it('names members apart with lazy loading', () => {
    const lazy = new RequiredState([{ include: [{}, { type: 'm.room.member', stateKey: '@a:b' }], exclude: [{ type: 'a' }], lazy: true }]);
    expect(lazy.members).toEqual(new Set(['@a:b']));
    expect(['a\u0000x', 'b\u0000x', 'm.room.member\u0000@c:d'].map((key) => lazy.passesKey(key))).toEqual([false, true, true]);
    expect(new RequiredState([{ include: [{}], exclude: [], lazy: false }, ...lazy.rules])).toMatchObject({ lazyMembers: false, members: 'all' });
  });
});
