import { jest } from '@jest/globals';
import { RoomArrivals } from './room-arrivals.js';

describe('RoomArrivals', () => {
  let arrivals: RoomArrivals;
  beforeEach(() => {
    arrivals = new RoomArrivals();
  });

  it('brings a room once at a time, whatever became of the one before', async () => {
    const done: string[] = [];
    const first = arrivals.run('!a', async () => {
      await new Promise(setImmediate);
      done.push('first');
      throw new Error('refused');
    });
    const second = arrivals.run('!a', async () => void done.push('second'));
    await expect(first).rejects.toThrow('refused');
    await second;
    expect(done).toEqual(['first', 'second']);
  });

  it('lets the next one go on while one waits long for a server, and that one in again when it has been answered', async () => {
    jest.useFakeTimers();
    try {
      const done: string[] = [];
      let answer = (_text: string): void => undefined;
      const slow = arrivals.run('!a', async (turn) => {
        done.push(`slow, ${await turn.waitFor(new Promise<string>((resolve) => (answer = resolve)))}`);
      });
      let end = (): void => undefined;
      const next = arrivals.run('!a', async () => {
        done.push('next begins');
        await new Promise<void>((resolve) => (end = resolve));
        done.push('next ends');
      });
      await jest.advanceTimersByTimeAsync(9_999);
      expect(done).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      answer('answered');
      await jest.advanceTimersByTimeAsync(1);
      expect(done).toEqual(['next begins']);
      end();
      await Promise.all([slow, next]);
      expect(done).toEqual(['next begins', 'next ends', 'slow, answered']);
      await expect(arrivals.run('!a', (turn) => turn.waitFor(Promise.reject(new Error('refused'))))).rejects.toThrow('refused');
      expect(await arrivals.settled('!a')).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });

  it('has those wait who need the room, for 25 s at most', async () => {
    jest.useFakeTimers();
    try {
      expect(await arrivals.settled('!a')).toBe(true);
      let end = (): void => undefined;
      const run = arrivals.run('!a', () => new Promise<void>((resolve) => (end = resolve)));
      const results: boolean[] = [];
      const tooLate = arrivals.settled('!a').then((result) => results.push(result));
      await jest.advanceTimersByTimeAsync(24_999);
      expect(results).toEqual([]);
      await jest.advanceTimersByTimeAsync(1);
      await tooLate;
      expect(results).toEqual([false]);
      const inTime = arrivals.settled('!a');
      end();
      await run;
      expect(await inTime).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});
