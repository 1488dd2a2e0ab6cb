import { FakeClock } from '../../test/fake-clock.js';
import { HomeChoice } from './home-choice.js';
import { HomeHealth } from './home-health.js';

const minute = 60_000;
const homes = [{ serverName: 'b', priority: 10 }, { serverName: 'a', priority: 0 }, { serverName: 'c', priority: 10 }];

function start(): { clock: FakeClock; health: HomeHealth; choice: HomeChoice; moves: string[]; down(name: string): void } {
  const clock = new FakeClock();
  const health = new HomeHealth(clock);
  const moves: string[] = [];
  const choice = new HomeChoice(clock, (name) => health.view(name), (to, from) => moves.push(`${from} ${to}`));
  const down = (name: string): void => {
    health.silent(name);
    health.silent(name);
  };
  return { clock, health, choice, moves, down };
}

describe('home choice', () => {
  it('takes the best priority, and of equals the first', () => {
    const { choice, down } = start();
    expect(choice.choose(homes)).toBe('a');
    down('a');
    expect(choice.choose(homes)).toBe('b');
    expect(choice.choose([])).toBeUndefined();
  });

  it.each([
    ['too short a stay', 9, 9, 'b'],
    ['too short a health', 30, 4, 'b'],
    ['both long enough', 10, 5, 'a'],
  ])('goes back or not: %s', async (_what, stayed, healthy, expected) => {
    const { choice, clock, health, down } = start();
    down('a');
    expect(choice.choose(homes)).toBe('b');
    await clock.advance((stayed - healthy) * minute);
    health.answered('a', 1);
    await clock.advance(healthy * minute);
    expect(choice.choose(homes)).toBe(expected);
  });

  it('does not go back to a home of which it knows nothing', async () => {
    const { choice, clock } = start();
    expect(choice.choose([homes[0]!])).toBe('b');
    await clock.advance(60 * minute);
    expect(choice.choose(homes)).toBe('b');
  });

  it('does not leave a home for one of the same priority', async () => {
    const { choice, clock, health } = start();
    choice.choose([homes[2]!]);
    health.answered('b', 1);
    await clock.advance(60 * minute);
    expect(choice.choose([homes[0]!, homes[2]!])).toBe('c');
  });

  it('does not move because one request failed', () => {
    const { choice, moves } = start();
    choice.choose(homes);
    expect(choice.choose(homes, { exclude: new Set(['a']) })).toBe('b');
    expect(choice.choose(homes)).toBe('a');
    expect(moves).toEqual(['undefined a']);
    expect(choice.choose(homes, { exclude: new Set(['a', 'b', 'c']) })).toBeUndefined();
  });

  it('tries even homes that are down when there is no other, but none that it has left', () => {
    const { choice, health, down } = start();
    for (const { serverName } of homes) down(serverName);
    expect(choice.choose(homes)).toBe('a');
    health.leave('a', 'deactivated');
    expect(choice.choose(homes)).toBe('b');
  });

  it('takes the picked home as long as it lives', () => {
    const { choice, down } = start();
    expect(choice.choose(homes, { picked: 'c' })).toBe('c');
    down('c');
    expect(choice.choose(homes, { picked: 'c' })).toBe('a');
    expect(choice.choose(homes, { picked: 'unknown' })).toBe('a');
  });
});
