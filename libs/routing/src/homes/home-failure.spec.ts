import { failedBeforeSending } from './home-failure.js';

const withCode = (code: string): Error => Object.assign(new Error(code), { code });
const fetchFailed = (cause: unknown): Error => new TypeError('fetch failed', { cause });

describe('failed before sending', () => {
  it.each([
    ['a refused connection', fetchFailed(withCode('ECONNREFUSED')), true],
    ['an unknown name', fetchFailed(withCode('ENOTFOUND')), true],
    ['a wrong certificate', fetchFailed(withCode('CERT_HAS_EXPIRED')), true],
    ['both address families refused', fetchFailed(new AggregateError([withCode('ECONNREFUSED'), withCode('EHOSTUNREACH')])), true],
    ['one of two connections broken later', fetchFailed(new AggregateError([withCode('ECONNREFUSED'), withCode('ECONNRESET')])), false],
    ['a broken connection', fetchFailed(withCode('UND_ERR_SOCKET')), false],
    ['a browser, which does not tell', new TypeError('Failed to fetch'), false],
    ['no error at all', undefined, false],
  ])('%s', (_what, error, expected) => {
    expect(failedBeforeSending(error)).toBe(expected);
  });

  it('is not caught in a circle of causes', () => {
    const error = new Error('x') as Error & { cause: unknown };
    error.cause = error;
    expect(failedBeforeSending(error)).toBe(false);
  });
});
