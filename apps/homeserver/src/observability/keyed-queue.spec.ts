import fc from 'fast-check';
import { KeyedQueue } from './keyed-queue.js';

describe('KeyedQueue', () => {
  it('runs at most so many jobs of a key at once, each once and in order, whichever of them fail', async () => {
    const jobs = fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), turns: fc.nat(4), fails: fc.boolean() }), { maxLength: 40 });
    await fc.assert(fc.asyncProperty(jobs, fc.integer({ min: 1, max: 3 }), async (list, atOnce) => {
      const queue = new KeyedQueue(atOnce);
      const begun: Record<string, number[]> = {};
      const running: Record<string, number> = {};
      const results = await Promise.allSettled(list.map(({ key, turns, fails }, i) => queue.run(key, async () => {
        (begun[key] ??= []).push(i);
        running[key] = (running[key] ?? 0) + 1;
        expect(running[key]).toBeLessThanOrEqual(atOnce);
        for (let t = 0; t < turns; t++) await Promise.resolve();
        running[key]--;
        if (fails) throw new Error('failed');
        return i;
      })));
      for (const [i, { fails }] of list.entries()) expect(results[i]).toMatchObject(fails ? { status: 'rejected' } : { status: 'fulfilled', value: i });
      for (const order of Object.values(begun)) expect(order).toEqual([...order].sort((x, y) => x - y));
      expect(Object.values(begun).flat()).toHaveLength(list.length);
      expect(queue.keys).toBe(0);
    }), { numRuns: 200 });
  });

  it('counts what runs and waits, and holds nothing of a key that is done', async () => {
    const queue = new KeyedQueue();
    // Of the jobs as they begin: a, b, and a's second.
    const ends: (() => void)[] = [];
    const job = () => new Promise<void>((resolve) => ends.push(resolve));
    const all = [queue.run('a', job), queue.run('a', job), queue.run('b', job)];
    expect([queue.size('a'), queue.size('b'), queue.size('c'), queue.keys]).toEqual([2, 1, 0, 2]);
    ends[0]!();
    await all[0];
    expect([queue.size('a'), queue.keys]).toEqual([1, 2]);
    ends[2]!();
    await all[1];
    expect([queue.size('a'), queue.keys]).toEqual([0, 1]);
    ends[1]!();
    await all[2];
    expect(queue.keys).toBe(0);
  });
});
