import { FakeClock } from '../../test/fake-clock.js';
import { HomeHealth } from './home-health.js';

const home = 'a.example';

function start(): { clock: FakeClock; health: HomeHealth; states: string[] } {
  const clock = new FakeClock();
  const states: string[] = [];
  return { clock, states, health: new HomeHealth(clock, (_name, view) => states.push(view.state)) };
}

describe('home health', () => {
  it('is down after two failures in a row, of whatever kind', () => {
    for (const [first, second] of [['silent', 'silent'], ['failed', 'failed'], ['silent', 'failed'], ['failed', 'silent']] as const) {
      const { health } = start();
      health[first](home);
      expect(health.view(home).state).toBe('unknown');
      health[second](home);
      expect(health.view(home).state).toBe('down');
    }
  });

  it('counts anew after an answer', () => {
    const { health, states } = start();
    for (let i = 0; i < 5; i++) {
      health.silent(home);
      health.answered(home, 10);
      health.failed(home);
      health.answered(home, 10);
    }
    expect(states).toEqual(['healthy']);
  });

  it('does not take an answered probe for a working server', () => {
    const { health } = start();
    health.failed(home);
    health.probed(home, 5);
    health.failed(home);
    expect(health.view(home).state).toBe('down');
  });

  it('takes an answered probe for a reachable server', () => {
    const { health } = start();
    health.silent(home);
    health.probed(home, 5);
    health.silent(home);
    expect(health.view(home).state).toBe('healthy');
  });

  it('knows since when it is healthy, and starts anew after being down', async () => {
    const { health, clock } = start();
    health.answered(home, 7);
    const first = clock.now();
    await clock.advance(60_000);
    health.answered(home, 9);
    expect(health.view(home)).toMatchObject({ state: 'healthy', since: first, lastContact: first + 60_000, latencyMs: 9 });
    health.failed(home);
    health.failed(home);
    health.probed(home, 3);
    expect(health.view(home)).toMatchObject({ state: 'healthy', since: first + 60_000 });
    // What brought it down is forgiven once it is back.
    health.failed(home);
    expect(health.view(home).state).toBe('healthy');
  });

  it('does not come back by itself after it has been left', () => {
    const { health, states } = start();
    health.leave(home, 'suspended');
    health.answered(home, 1);
    health.silent(home);
    health.silent(home);
    expect(health.view(home)).toMatchObject({ state: 'left', reason: 'suspended' });
    health.rejoin(home);
    expect(health.view(home)).toMatchObject({ state: 'unknown', reason: undefined });
    expect(states).toEqual(['left', 'unknown']);
  });

  it('gives a refused login another chance after five minutes, each time', async () => {
    const { health, clock } = start();
    for (let i = 0; i < 2; i++) {
      health.leave(home, 'login_refused');
      await clock.advance(5 * 60_000 - 1);
      expect(health.view(home).state).toBe('left');
      await clock.advance(1);
      expect(health.view(home).state).toBe('unknown');
    }
  });
});
