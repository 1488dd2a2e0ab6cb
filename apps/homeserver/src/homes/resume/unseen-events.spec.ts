import fc from 'fast-check';
import { divide, type GraphNode } from './unseen-events.js';

function graph(edges: Record<string, string[]>, txns: Record<string, string> = {}): Map<string, GraphNode> {
  return new Map(Object.entries(edges).map(([eventId, prev]) => [eventId, { eventId, prev, sender: '@a:b', txn: txns[eventId] ?? null }]));
}

describe('what a client has not seen', () => {
  it('is what lies above its frontier', () => {
    const nodes = graph({ d: ['c'], c: ['b'], b: ['a'] });
    expect(divide(nodes, ['d'], ['b'])).toEqual({ unseen: new Set(['d', 'c']), openEdge: [] });
    expect(divide(nodes, ['d'], ['d']).unseen.size).toBe(0);
  });

  it('includes the other arm of a fork, however old', () => {
    const nodes = graph({ merge: ['left2', 'right'], left2: ['left1'], left1: ['root'], right: ['root'] });
    const { unseen, openEdge } = divide(nodes, ['merge'], ['left2']);
    expect(unseen).toEqual(new Set(['merge', 'right']));
    expect(openEdge).toEqual([]);
  });

  it('may begin below the part that was looked at', () => {
    const nodes = graph({ d: ['c', 'x'], c: ['b'] });
    expect(divide(nodes, ['d'], ['c']).openEdge).toEqual(['x']);
  });

  it('leaves out what says the same as something that was seen', () => {
    const nodes = graph({ d: ['ours', 'theirs'], ours: ['a'], theirs: ['a'] }, { ours: 't', theirs: 't' });
    expect(divide(nodes, ['d'], ['theirs']).unseen).toEqual(new Set(['d']));
  });

  it('ends at cycles, which only malformed graphs have', () => {
    expect(divide(graph({ a: ['b'], b: ['a'] }), ['a'], []).unseen.size).toBe(2);
  });

  it('is, in any graph, exactly what no path from the frontier leads to', () => {
    const dag = fc.integer({ min: 1, max: 25 }).chain((size) =>
      fc.tuple(
        fc.tuple(...Array.from({ length: size }, (_, i) => (i === 0 ? fc.constant([]) : fc.uniqueArray(fc.nat(i - 1), { maxLength: 3 })))),
        fc.uniqueArray(fc.nat(size - 1), { maxLength: 4 }),
      ),
    );
    fc.assert(fc.property(dag, ([prevs, frontier]) => {
      const nodes = graph(Object.fromEntries(prevs.map((prev, i) => [`e${i}`, prev.map((p) => `e${p}`)])));
      const referred = new Set(prevs.flat());
      const ends = prevs.flatMap((_, i) => (referred.has(i) ? [] : [`e${i}`]));
      const seen = new Set<number>();
      const visit = (i: number): void => {
        if (seen.has(i)) return;
        seen.add(i);
        prevs[i]!.forEach(visit);
      };
      frontier.forEach(visit);
      const expected = prevs.flatMap((_, i) => (seen.has(i) ? [] : [`e${i}`])).sort();
      const { unseen, openEdge } = divide(nodes, ends, frontier.map((i) => `e${i}`));
      expect([...unseen].sort()).toEqual(expected);
      expect(openEdge).toEqual([]);
    }));
  });
});
