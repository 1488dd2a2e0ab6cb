import fc from 'fast-check';
import { endsUpTo, independent, readPart, walk, type ReadNode } from './read-part.js';

/** A graph of which each event builds on some of those before it; two servers have it in different orders. */
const graph = fc.array(fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 25 }).map((steps) =>
  steps.map((back, i): Omit<ReadNode, 'pos'> => ({ eventId: `$${i}`, prev: [...new Set(back.flatMap((n) => (i - 1 - n >= 0 ? [`$${i - 1 - n}`] : [])))] })));

/** Any order in which an event comes after what it builds on. */
function ordered(events: readonly Omit<ReadNode, 'pos'>[], seed: readonly number[]): Map<string, ReadNode> {
  const placed = new Map<string, ReadNode>();
  for (let left = [...events], i = 0; left.length > 0; i++) {
    const ready = left.filter((event) => event.prev.every((id) => placed.has(id)));
    const next = ready[(seed[i % Math.max(1, seed.length)] ?? 0) % ready.length]!;
    placed.set(next.eventId, { ...next, pos: placed.size + 1 });
    left = left.filter((event) => event !== next);
  }
  return placed;
}

const unread = (nodes: ReadonlyMap<string, ReadNode>, members: readonly string[], here: number | null = null): string[] => {
  const part = readPart(nodes, members, here);
  return [...nodes.values()].filter((node) => node.pos! > part.floor && !part.above.includes(node.pos!)).map((node) => node.eventId).toSorted();
};

describe('what is read', () => {
  it('is the same at two homes that have the events in different orders, when a person read up to somewhere at one of them', () => {
    fc.assert(fc.property(graph, fc.array(fc.nat(), { minLength: 1 }), fc.array(fc.nat(), { minLength: 1 }), fc.nat(), (events, one, other, at) => {
      const [a, b] = [ordered(events, one), ordered(events, other)];
      const pos = (at % a.size) + 1;
      const heads = [...a.keys()].filter((id) => ![...a.values()].some((node) => node.prev.includes(id)));
      const read = endsUpTo([...a.values()], heads, pos);
      const expected = [...a.values()].filter((node) => node.pos! > pos).map((node) => node.eventId).toSorted();
      expect(unread(a, [], pos)).toEqual(expected);
      expect(unread(a, read)).toEqual(expected);
      expect(unread(b, read)).toEqual(expected);
    }));
  });

  it('is the union of what was read at both, and what leads nowhere else keeps saying so', () => {
    fc.assert(fc.property(graph, fc.array(fc.nat()), fc.array(fc.nat({ max: 24 })), fc.array(fc.nat({ max: 24 })), (events, seed, x, y) => {
      const nodes = ordered(events, seed);
      const ids = (list: number[]) => list.map((n) => `$${n % nodes.size}`);
      const [one, other] = [ids(x), ids(y)];
      const both = unread(nodes, [...one, ...other]);
      expect(both).toEqual(unread(nodes, one).filter((id) => unread(nodes, other).includes(id)));
      expect(unread(nodes, independent(nodes, [...one, ...other]))).toEqual(both);
      expect(independent(nodes, readPart(nodes, one, null).members)).toEqual(readPart(nodes, one, null).members);
    }));
  });

  it('knows where it left what is here', () => {
    const nodes = new Map([['$b', { eventId: '$b', pos: 2, prev: ['$a'] }]]);
    expect(walk(nodes, ['$b', '$c']).edge.toSorted()).toEqual(['$a', '$c']);
    expect(readPart(nodes, ['$c'], null)).toEqual({ floor: 1, above: [], members: ['$c'] });
  });
});
