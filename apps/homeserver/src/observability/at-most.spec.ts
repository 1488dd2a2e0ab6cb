import { atMost } from './at-most.js';

it('gives what comes in time', async () => {
  expect(await atMost(Promise.resolve('done'), 10_000, 'late')).toBe('done');
});

it('does not wait for what does not come', async () => {
  expect(await atMost(new Promise<string>(() => undefined), 1, 'late')).toBe('late');
});

it('passes on a failure', async () => {
  await expect(atMost(Promise.reject(new Error('no')), 10_000, 'late')).rejects.toThrow('no');
});
