import fc from 'fast-check';
import { connectedEnds, type ReplicaEnds } from './connected-ends.js';

const replica = (ends: string[], prev: Record<string, string[]>, held: string[] = []): ReplicaEnds => ({
  ends, prev: new Map(Object.entries(prev)), held: new Set(held),
});

describe('the ends that a new home builds upon', () => {
  it('are those of all replicas, each once', () => {
    expect(connectedEnds([replica(['x'], { x: ['w'] }), replica(['x'], { x: ['w'] })])).toEqual(['x']);
    expect(connectedEnds([replica(['x'], { x: ['w'], w: [] }), replica(['y'], { y: ['w'], w: [] })])).toEqual(['x', 'y']);
  });

  it('are those of the only one', () => {
    expect(connectedEnds([replica(['x', 'y'], {})])).toEqual(['x', 'y']);
  });

  it('lead to what another replica has', () => {
    const honest = replica(['x'], { x: ['w'], w: [] }, ['state']);
    expect(connectedEnds([replica(['made up'], { 'made up': ['nothing'] }), honest, replica(['x'], { x: ['w'] })])).toEqual(['x']);
    expect(connectedEnds([replica(['old'], { old: ['state'] }), honest, replica(['x'], { x: ['w'] })])).toEqual(['old', 'x']);
  });

  it('are taken in turn, so that many of one replica do not push out those of another', () => {
    const many = Array.from({ length: 50 }, (_, i) => `m${i}`);
    const greedy = replica(many, Object.fromEntries(many.map((id) => [id, ['w']])), ['w']);
    expect(connectedEnds([greedy, replica(['x'], { x: ['w'] }, ['w'])]).slice(0, 4)).toEqual(['m0', 'x', 'm1', 'm2']);
  });

  it('hold every end of honest replicas, whatever a liar gives beside them', () => {
    const graph = fc.array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 20 });
    fc.assert(fc.property(graph, fc.array(fc.nat(), { minLength: 2, maxLength: 4 }), fc.array(fc.string(), { maxLength: 5 }), (drawn, cutoffs, lies) => {
      // Each replica has a beginning of one list of events, of which each names earlier ones.
      const all = new Map(drawn.map((prevs, i) => [`e${i}`, i === 0 ? [] : [...new Set(prevs.map((p) => `e${p % i}`))]]));
      const honest = cutoffs.map((cut) => {
        const own = new Map([...all].slice(0, 1 + (cut % all.size)));
        const named = new Set([...own.values()].flat());
        return { ends: [...own.keys()].filter((id) => !named.has(id)), prev: own, held: new Set(own.keys()) };
      });
      const liar = { ends: lies.map((lie) => `lie ${lie}`), prev: new Map(lies.map((lie) => [`lie ${lie}`, [`before ${lie}`]])), held: new Set<string>() };
      const chosen = connectedEnds([liar, ...honest]);
      for (const { ends } of honest) for (const end of ends) expect(chosen).toContain(end);
      for (const end of liar.ends) expect(chosen).not.toContain(end);
    }));
  });
});
