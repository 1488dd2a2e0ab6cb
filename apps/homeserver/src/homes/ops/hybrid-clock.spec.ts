import { HybridClock, isReading, parseReading } from './hybrid-clock.js';

describe('a hybrid clock', () => {
  it('rises while the wall clock stands still or goes back', () => {
    let now = 1000;
    const clock = new HybridClock(() => now);
    const readings = [clock.tick(), clock.tick()];
    now = 500;
    readings.push(clock.tick());
    now = 2000;
    readings.push(clock.tick());
    expect([...readings].sort()).toEqual(readings);
    expect(new Set(readings).size).toBe(4);
    expect(parseReading(readings[3]!)).toEqual({ ms: 2000, counter: 0 });
  });

  it('is never behind what it has seen', () => {
    const here = new HybridClock(() => 1000);
    const ahead = new HybridClock(() => 90_000).tick();
    here.observe(ahead);
    expect(here.tick() > ahead).toBe(true);
    here.observe(new HybridClock(() => 5).tick());
    expect(here.tick() > ahead).toBe(true);
  });

  it('knows its readings', () => {
    expect(isReading(new HybridClock(() => Date.UTC(2100, 0)).tick())).toBe(true);
    expect(isReading('1.1')).toBe(false);
    expect(() => parseReading('')).toThrow();
  });
});
