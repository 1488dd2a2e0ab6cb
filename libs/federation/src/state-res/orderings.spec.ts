import fc from 'fast-check';
import type { RoomEvent } from '../events/index.js';
import { roomVersion } from '../room-versions/index.js';
import { authChain, type EventLookup } from './event-graph.js';
import { fullConflictedSet } from './full-conflicted-set.js';
import { mainlineOrdering } from './mainline-ordering.js';
import { powerOrdering } from './power-ordering.js';
import { SmallestFirst } from './smallest-first.js';
import { splitStates } from './split-states.js';

// The algorithms against the definitions, written down word for word, on random graphs.

const v11 = roomVersion('11')!;
const v12 = roomVersion('12')!;

interface Drawn { parents: number[]; level: number; ts: number; levels: boolean }
const graph = fc.array(fc.record({
  parents: fc.array(fc.nat(30), { maxLength: 4 }), level: fc.nat(2), ts: fc.nat(3), levels: fc.boolean(),
}), { minLength: 1, maxLength: 30 });

/** Events 0, 1, 2 …; each cites earlier ones. A power levels event gives its drawn level to everybody. */
function eventsOf(drawn: Drawn[]): RoomEvent[] {
  return drawn.map(({ parents, level, ts, levels }, i) => ({
    eventId: `$${String((i * 7) % 31).padStart(2, '0')}-${i}`, roomId: '!r', json: '',
    pdu: {
      type: levels ? 'm.room.power_levels' : 'x', state_key: levels ? '' : String(i), sender: '@a:b', origin_server_ts: ts, depth: i,
      content: { users_default: level }, prev_events: [], hashes: { sha256: '' }, signatures: {}, index: i,
      auth_events: i === 0 ? [] : [...new Set(parents.map((p) => p % i))].map((p) => `$${String((p * 7) % 31).padStart(2, '0')}-${p}`),
    },
  }));
}
const lookupIn = (events: RoomEvent[]): EventLookup => {
  const byId = new Map(events.map((event) => [event.eventId, event]));
  return (id) => byId.get(id);
};
const reaches = (from: RoomEvent, id: string, lookup: EventLookup): boolean =>
  from.pdu.auth_events.some((parent) => parent === id || reaches(lookup(parent)!, id, lookup));
const levelOf = (event: RoomEvent, lookup: EventLookup): number => {
  const cited = event.pdu.auth_events.map((id) => lookup(id)!).filter(({ pdu }) => pdu.type === 'm.room.power_levels');
  return (cited.at(-1)?.pdu.content['users_default'] as number | undefined) ?? 0;
};
const byTime = (x: RoomEvent, y: RoomEvent): number =>
  x.pdu.origin_server_ts - y.pdu.origin_server_ts || (x.eventId < y.eventId ? -1 : 1);

it('walks auth chains', () => {
  fc.assert(fc.property(graph, fc.nat(), (drawn, pick) => {
    const events = eventsOf(drawn);
    const lookup = lookupIn(events);
    const from = events[pick % events.length]!;
    const expected = events.filter(({ eventId }) => reaches(from, eventId, lookup)).map(({ eventId }) => eventId);
    expect([...authChain([from.eventId], lookup)].sort()).toEqual(expected.sort());
  }));
});

it('sorts in reverse topological power order', () => {
  fc.assert(fc.property(graph, fc.array(fc.nat(), { maxLength: 30 }), (drawn, picks) => {
    const events = eventsOf(drawn);
    const lookup = lookupIn(events);
    const ids = new Set(picks.map((pick) => events[pick % events.length]!.eventId));
    const left = events.filter(({ eventId }) => ids.has(eventId));
    const expected: string[] = [];
    while (left.length > 0) {
      const free = left.filter((event) => !event.pdu.auth_events.some((id) => left.some(({ eventId }) => eventId === id)));
      const [next] = free.sort((x, y) => levelOf(y, lookup) - levelOf(x, lookup) || byTime(x, y));
      left.splice(left.indexOf(next!), 1);
      expected.push(next!.eventId);
    }
    expect(powerOrdering(ids, v11, lookup, undefined).map(({ eventId }) => eventId)).toEqual(expected);
  }));
});

it('sorts along the mainline', () => {
  fc.assert(fc.property(graph, fc.nat(), (drawn, pick) => {
    const events = eventsOf(drawn);
    const lookup = lookupIn(events);
    const previous = (event: RoomEvent): RoomEvent | undefined =>
      event.pdu.auth_events.map((id) => lookup(id)!).find(({ pdu }) => pdu.type === 'm.room.power_levels');
    const listFrom = (event: RoomEvent): RoomEvent[] => {
      const list: RoomEvent[] = [];
      for (let at = previous(event); at; at = previous(at)) list.push(at);
      return list;
    };
    const start = events.filter(({ pdu }) => pdu.type === 'm.room.power_levels')[pick % events.length];
    const mainline = start ? [start, ...listFrom(start)] : [];
    const position = (event: RoomEvent): number => {
      const closest = listFrom(event).find((at) => mainline.includes(at));
      return closest ? mainline.indexOf(closest) : 1e9;
    };
    const expected = events.toSorted((x, y) => position(y) - position(x) || byTime(x, y));
    expect(mainlineOrdering(events, start, lookup)).toEqual(expected);
  }));
});

it('finds the full conflicted set', () => {
  const picks = fc.array(fc.array(fc.nat(), { maxLength: 6 }), { minLength: 2, maxLength: 4 });
  fc.assert(fc.property(graph, picks, fc.array(fc.nat(), { maxLength: 4 }), (drawn, sides, common) => {
    const events = eventsOf(drawn);
    const lookup = lookupIn(events);
    const sets = sides.map((side) => new Map([
      ...side.map((pick, at) => [`side ${at % 3}`, events[pick % events.length]!.eventId] as const),
      ...common.map((pick, at) => [`common ${at}`, events[pick % events.length]!.eventId] as const),
    ]));
    const split = splitStates(sets);
    // The auth difference, over chains that hold the states' own events.
    const chains = sets.map((set) => new Set([...set.values(), ...authChain(set.values(), lookup)]));
    const ids = events.map(({ eventId }) => eventId);
    const difference = ids.filter((id) => chains.some((chain) => chain.has(id)) && !chains.every((chain) => chain.has(id)));
    const conflicted = [...split.conflicted];
    const v2 = new Set([...conflicted, ...difference]);
    const between = ids.filter((id) => conflicted.some((from) => from === id || reaches(lookup(from)!, id, lookup))
      && conflicted.some((to) => to === id || reaches(lookup(id)!, to, lookup)));
    expect([...fullConflictedSet(sets, split, lookup, v11)].sort()).toEqual([...v2].sort());
    expect([...fullConflictedSet(sets, split, lookup, v12)].sort()).toEqual([...new Set([...v2, ...between])].sort());
  }), { numRuns: 300 });
});

it('splits states into what is the same everywhere and the rest', () => {
  const value = fc.constantFrom('a', 'b');
  const set = fc.dictionary(fc.constantFrom('x', 'y', 'z'), value).map((entries) => new Map(Object.entries(entries)));
  fc.assert(fc.property(fc.array(set, { minLength: 1, maxLength: 4 }), (sets) => {
    const { unconflicted, conflicted } = splitStates(sets);
    for (const key of ['x', 'y', 'z']) {
      const values = new Set(sets.map((one) => one.get(key)));
      const [only] = values;
      if (values.size === 1 && only !== undefined) expect(unconflicted.get(key)).toBe(only);
      else for (const one of values) expect(one === undefined || conflicted.has(one)).toBe(true);
      expect(unconflicted.has(key)).toBe(values.size === 1 && only !== undefined);
    }
  }));
});

it('gives the smallest first', () => {
  fc.assert(fc.property(fc.array(fc.integer()), (numbers) => {
    const heap = new SmallestFirst<number>((x, y) => x - y);
    for (const number of numbers) heap.push(number);
    expect(numbers.map(() => heap.pop())).toEqual(numbers.toSorted((x, y) => x - y));
    expect(heap.pop()).toBeUndefined();
  }));
});
