import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { addressKey, RateLimits } from './rate-limits.js';

class SetClock extends Clock {
  time = 1_000_000;
  override steady(): number {
    return this.time;
  }
}

function limitsWith(rateLimits: boolean): { limits: RateLimits; clock: SetClock } {
  const clock = new SetClock();
  return { limits: new RateLimits(Object.assign(new Config(), { rateLimits }), clock), clock };
}

function refusal(call: () => void): MatrixError {
  try {
    call();
  } catch (error) {
    if (error instanceof MatrixError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('rate limits', () => {
  it('let a burst through, then as many as time refills', () => {
    const { limits, clock } = limitsWith(true);
    for (let i = 0; i < 10; i++) limits.take('login', 'x');
    const error = refusal(() => limits.take('login', 'x'));
    expect([error.status, error.errcode, error.fields['retry_after_ms']]).toEqual([429, 'M_LIMIT_EXCEEDED', 5000]);
    clock.time += 5000;
    limits.take('login', 'x');
    refusal(() => limits.take('login', 'x'));
  });

  it('take several at once for what costs more, and let what is larger than a burst through when the bucket is full', () => {
    const { limits, clock } = limitsWith(true);
    limits.take('operations', 'x', 15_000);
    const error = refusal(() => limits.take('operations', 'x', 6_000));
    expect(error.fields['retry_after_ms']).toBe(5_000);
    limits.take('operations', 'x', 5_000);
    refusal(() => limits.take('operations', 'x'));
    clock.time += 100_000;
    limits.take('operations', 'x', 1_000_000);
    refusal(() => limits.take('operations', 'x'));
    limits.take('operations', 'y');
  });

  it('count callers and kinds apart', () => {
    const { limits } = limitsWith(true);
    for (let i = 0; i < 10; i++) limits.take('login', 'x');
    limits.take('login', 'y');
    limits.take('registration', 'x');
  });

  it('do not refill beyond the burst, nor suffer from a clock that goes back', () => {
    const { limits, clock } = limitsWith(true);
    for (let i = 0; i < 10; i++) limits.take('login', 'x');
    clock.time -= 60_000;
    refusal(() => limits.take('login', 'x'));
    clock.time += 24 * 3600 * 1000;
    for (let i = 0; i < 10; i++) limits.take('login', 'x');
    refusal(() => limits.take('login', 'x'));
  });

  it('are off when the operator says so', () => {
    const { limits } = limitsWith(false);
    for (let i = 0; i < 1000; i++) limits.take('login', 'x');
  });
});

describe('the key of an address', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('of %s is %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
});
