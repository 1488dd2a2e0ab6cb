import { Slots } from './slots.js';

/** Work that ends when it is told to. */
function held() {
  let end!: () => void;
  const done = new Promise<void>((resolve) => (end = resolve));
  return { end, run: () => done };
}

describe('Slots', () => {
  it('runs as many at once as there are slots, the others in order', async () => {
    const slots = new Slots(2);
    const started: number[] = [];
    const works = Array.from({ length: 4 }, held);
    const all = works.map((work, i) => slots.run(() => (started.push(i), work.run())));
    await new Promise(setImmediate);
    expect(started).toEqual([0, 1]);
    works[1]!.end();
    await all[1];
    expect(started).toEqual([0, 1, 2]);
    for (const work of works) work.end();
    await Promise.all(all);
    expect(started).toEqual([0, 1, 2, 3]);
  });

  it('frees the slot of work that fails', async () => {
    const slots = new Slots(1);
    await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await slots.run(async () => 1)).toBe(1);
  });

  it('refuses work when too much waits', async () => {
    const slots = new Slots(1, 1);
    const first = held();
    const running = slots.run(first.run);
    const waiting = slots.run(async () => 2);
    await expect(slots.run(async () => 3)).rejects.toThrow('too much is waiting');
    first.end();
    await running;
    expect(await waiting).toBe(2);
  });
});
