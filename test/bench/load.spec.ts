import { perSecond, runLoad } from './load.ts';

describe('runLoad', () => {
  it('does exactly the asked number of operations, each client one at a time', async () => {
    const busy = new Map<number, number>();
    const sequences: number[] = [];
    let most = 0;
    const result = await runLoad(4, { operations: 50 }, async (client, sequence) => {
      busy.set(client, (busy.get(client) ?? 0) + 1);
      most = Math.max(most, busy.get(client) ?? 0);
      await new Promise((resolve) => setImmediate(resolve));
      busy.set(client, (busy.get(client) ?? 0) - 1);
      sequences.push(sequence);
    });
    expect(most).toBe(1);
    expect(sequences.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, index) => index));
    expect(result.operations).toBe(50);
    expect(result.latencies).toHaveLength(50);
  });

  it('ends a timed window and counts what was done in it', async () => {
    let done = 0;
    const result = await runLoad(2, { durationMs: 30 }, async () => {
      await new Promise((resolve) => setImmediate(resolve));
      done += 1;
    });
    expect(result.operations).toBe(done);
    expect(result.elapsedMs).toBeGreaterThanOrEqual(29);
    expect(perSecond({ operations: 30, elapsedMs: 500, latencies: [] })).toBe(60);
  });

  it('fails with the first error and starts nothing after it', async () => {
    let started = 0;
    await expect(runLoad(3, { operations: 1_000 }, async (_client, sequence) => {
      started += 1;
      await new Promise((resolve) => setImmediate(resolve));
      if (sequence === 5) throw new Error('refused');
    })).rejects.toThrow('refused');
    expect(started).toBeLessThan(20);
  });
});
