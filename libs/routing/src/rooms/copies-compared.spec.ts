import { FakeClock } from '../../test/fake-clock.js';
import { CopiesCompared } from './copies-compared.js';

describe('copies compared', () => {
  let clock: FakeClock;
  let copies: CopiesCompared;
  /** What each home holds; the last event is its frontier. */
  let held: Record<string, string[]>;
  const compare = (): Promise<unknown> => copies.compare(
    '!r',
    Object.entries(held).map(([serverName, events]) => ({ serverName, frontier: events.slice(-1) })),
    async (serverName, eventId) => held[serverName]?.includes(eventId) ?? false,
  );
  beforeEach(() => {
    clock = new FakeClock();
    copies = new CopiesCompared(clock);
  });

  it('are the same when one is merely newer in what both have', async () => {
    held = { a: ['1', '2'], b: ['1', '2'] };
    expect(await compare()).toEqual({ kind: 'same' });
    // B has merged what A still counts as its end.
    held = { a: ['2', '1'], b: ['1', '2'] };
    expect(await compare()).toEqual({ kind: 'same' });
  });

  it('may differ for a minute', async () => {
    held = { a: ['1', '2'], b: ['1'] };
    expect(await compare()).toEqual({ kind: 'settling' });
    await clock.advance(60_000);
    expect(await compare()).toEqual({ kind: 'settling' });
    await clock.advance(1);
    expect(await compare()).toEqual({ kind: 'withheld', by: ['b'] });
    held = { a: ['1', '2'], b: ['1', '2'] };
    expect(await compare()).toEqual({ kind: 'same' });
  });

  it('of a busy room are not accused of anything, though they differ whenever they are asked', async () => {
    held = { a: ['1'], b: [] };
    for (let i = 2; i < 20; i++) {
      expect(await compare()).toEqual({ kind: 'settling' });
      held = { a: [...held['a']!, String(i)], b: held['a']! };
      await clock.advance(30_000);
    }
  });

  it('of a busy room show one event withheld among many', async () => {
    held = { a: ['bad'], b: ['ok'] };
    held['a']!.unshift('ok');
    await compare();
    for (let i = 0; i < 4; i++) {
      await clock.advance(20_000);
      held['a']!.push(String(i));
      held['b']!.push(String(i));
      await compare();
    }
    expect(await compare()).toEqual({ kind: 'withheld', by: ['b'] });
  });

  it('diverge when each lacks something', async () => {
    held = { a: ['1', '2'], b: ['1', '3'] };
    await compare();
    await clock.advance(60_001);
    expect(await compare()).toEqual({ kind: 'diverged', servers: ['a', 'b'] });
  });

  it('can be withheld by several', async () => {
    held = { a: ['1', '2'], b: ['1'], c: ['1'] };
    await compare();
    await clock.advance(60_001);
    expect(await compare()).toEqual({ kind: 'withheld', by: ['b', 'c'] });
  });
});
