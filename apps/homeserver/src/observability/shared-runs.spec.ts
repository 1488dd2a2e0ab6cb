import { SharedRuns } from './shared-runs.js';

describe('SharedRuns', () => {
  it('runs once for all who ask meanwhile, by key, and again for who asks later, also when it failed', async () => {
    const runs = new SharedRuns<number>();
    let count = 0;
    const work = async (): Promise<number> => {
      const run = ++count;
      await new Promise(setImmediate);
      if (run === 2) throw new Error('failed');
      return run;
    };
    expect(await Promise.all([runs.run('a', work), runs.run('a', work)])).toEqual([1, 1]);
    const failed = await Promise.allSettled([runs.run('a', work), runs.run('a', work), runs.run('b', work)]);
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
    expect(await runs.run('a', work)).toBe(4);
  });
});
