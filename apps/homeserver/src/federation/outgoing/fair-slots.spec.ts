import { jest } from '@jest/globals';
import { FairSlots, fairLimits } from './fair-slots.js';
import { RemoteError } from './remote-error.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const forMs = (ms: number) => () => new Promise<void>((resolve) => setTimeout(resolve, ms));

describe('FairSlots', () => {
  it('lets work with a good server begin at once beside 100 silent and 100 slow ones', async () => {
    const slots = new FairSlots(fairLimits(16));
    await slots.run({ destination: 'good' }, async () => undefined);
    for (let i = 0; i < 100; i++) {
      for (const [name, ms] of [['silent', 20_000], ['slow', 14_000]] as const) {
        const again = async (): Promise<void> => {
          for (;;) await slots.run({ account: `@${name}${i}`, destination: `${name}${i}` }, forMs(ms));
        };
        void again();
      }
    }
    const begun: number[] = [];
    for (let i = 0; i < 60; i++) {
      await jest.advanceTimersByTimeAsync(700);
      const start = Date.now();
      void slots.run({ account: '@alice', destination: 'good' }, async () => void begun.push(Date.now() - start));
      await jest.advanceTimersByTimeAsync(0);
    }
    expect(begun).toEqual(Array.from({ length: 60 }, () => 0));
  });

  it('gives slow servers their turns', async () => {
    const slots = new FairSlots(fairLimits(8));
    const done = new Map<string, number>();
    for (let i = 0; i < 10; i++) {
      const again = async (): Promise<void> => {
        for (;;) {
          await slots.run({ account: `@a${i}`, destination: `slow${i}` }, forMs(14_000));
          done.set(`slow${i}`, (done.get(`slow${i}`) ?? 0) + 1);
        }
      };
      void again();
    }
    await jest.advanceTimersByTimeAsync(10 * 60_000);
    const counts = [...done.values()];
    expect(counts).toHaveLength(10);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it('does not take a failure for an answer, but a refusal', async () => {
    const slots = new FairSlots(fairLimits(8, { all: { quick: 8, fresh: 1, slow: 2, overdue: 8 } }));
    const fails = (error: Error) => slots.run({ destination: 'x' }, () => Promise.reject(error)).catch(() => undefined);
    void slots.run({ destination: 'unknown' }, forMs(500));
    const begun: string[] = [];
    const next = (): void => void slots.run({ destination: 'x' }, async () => void begun.push('x'));
    const first = fails(new Error('refused connection'));
    next();
    await jest.advanceTimersByTimeAsync(100);
    expect(begun).toEqual([]);
    await jest.advanceTimersByTimeAsync(400);
    await first;
    expect(begun).toEqual(['x']);
    void slots.run({ destination: 'unknown2' }, forMs(500));
    void slots.run({ destination: 'y' }, async () => void begun.push('y'));
    await jest.advanceTimersByTimeAsync(0);
    next();
    await jest.advanceTimersByTimeAsync(0);
    expect(begun).toEqual(['x', 'x']);
    await jest.advanceTimersByTimeAsync(500);
    await slots.run({ destination: 'z' }, () => Promise.reject(new RemoteError('z', 403, 'M_FORBIDDEN', {}))).catch(() => undefined);
    void slots.run({ destination: 'unknown3' }, forMs(500));
    void slots.run({ destination: 'z' }, async () => void begun.push('z'));
    await jest.advanceTimersByTimeAsync(0);
    expect(begun).toContain('z');
  });

  it('frees the slot of work that fails', async () => {
    const slots = new FairSlots(fairLimits(1));
    await expect(slots.run({}, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await slots.run({}, async () => 1)).toBe(1);
  });
});
