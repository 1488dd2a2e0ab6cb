import { firstDiscoveryStep, readWellKnown, stepAfterWellKnown, targetsOfSrv, wellKnownErrorLifetime, type SrvRecord } from './index.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('firstDiscoveryStep', () => {
  it.each([
    ['1.2.3.4', { host: '1.2.3.4', port: 8448, hostHeader: '1.2.3.4', certificateName: '1.2.3.4', isIpLiteral: true }],
    ['[::1]:80', { host: '::1', port: 80, hostHeader: '[::1]:80', certificateName: '::1', isIpLiteral: true }],
    ['a.example:80', { host: 'a.example', port: 80, hostHeader: 'a.example:80', certificateName: 'a.example', isIpLiteral: false }],
  ])('connects to %s at once', (name, target) => {
    expect(firstDiscoveryStep(name)).toEqual({ kind: 'connect', target });
  });

  it('asks a plain name for its well-known file, and refuses what is no name', () => {
    expect(firstDiscoveryStep('a.example')).toEqual({ kind: 'well-known', hostname: 'a.example' });
    expect(firstDiscoveryStep('a example')).toBeUndefined();
  });
});

describe('stepAfterWellKnown', () => {
  it('follows a delegation with a port or to an address', () => {
    expect(stepAfterWellKnown('a.example', 'm.a.example:443')).toEqual({ kind: 'connect', target: {
      host: 'm.a.example', port: 443, hostHeader: 'm.a.example:443', certificateName: 'm.a.example', isIpLiteral: false,
    } });
    expect(stepAfterWellKnown('a.example', '1.2.3.4')).toEqual({ kind: 'connect', target: {
      host: '1.2.3.4', port: 8448, hostHeader: '1.2.3.4', certificateName: '1.2.3.4', isIpLiteral: true,
    } });
  });

  it('looks up SRV for the delegated name, or without one for the name itself', () => {
    expect(stepAfterWellKnown('a.example', 'm.example')).toEqual({
      kind: 'srv', hostname: 'm.example', names: ['_matrix-fed._tcp.m.example', '_matrix._tcp.m.example'],
    });
    expect(stepAfterWellKnown('a.example', undefined)).toMatchObject({ hostname: 'a.example' });
  });
});

describe('targetsOfSrv', () => {
  const record = (name: string, priority: number, weight: number, port = 1): SrvRecord => ({ name, port, priority, weight });
  const order = (records: SrvRecord[], random: () => number) => targetsOfSrv('a.example', records, random).map(({ host }) => host);

  it('keeps Host and certificate of the name that was looked up', () => {
    expect(targetsOfSrv('a.example', [record('b.example.', 1, 1, 443)], () => 0)).toEqual([
      { host: 'b.example', port: 443, hostHeader: 'a.example', certificateName: 'a.example', isIpLiteral: false },
    ]);
  });

  it('falls back to the name on port 8448 without usable records', () => {
    const fallback = [{ host: 'a.example', port: 8448, hostHeader: 'a.example', certificateName: 'a.example', isIpLiteral: false }];
    for (const records of [[], [record('.', 0, 0)], [record('', 0, 0)], [record('b c', 0, 0)], [record('b', 0, 0, 0)]]) {
      expect(targetsOfSrv('a.example', records, () => 0)).toEqual(fallback);
    }
  });

  it('tries lower priorities first, whatever their weight', () => {
    const records = [record('third', 30, 900), record('first', 10, 0), record('second', 20, 5)];
    for (const random of [0, 0.5, 0.999]) expect(order(records, () => random)).toEqual(['first', 'second', 'third']);
  });

  it('draws among equals by weight', () => {
    const records = [record('heavy', 0, 3), record('light', 0, 1), record('none', 0, 0)];
    expect(order(records, () => 0)).toEqual(['none', 'heavy', 'light']);
    expect(order(records, () => 0.999)).toEqual(['light', 'heavy', 'none']);
    let heavyFirst = 0;
    for (let i = 0; i < 1_000; i++) {
      // Evenly spread draws in place of random ones; the share is then exact.
      if (order(records.slice(0, 2), () => i / 1_000)[0] === 'heavy') heavyFirst++;
    }
    expect(heavyFirst).toBe(800); // draws 0 to 3 of 0 to 4
  });

  it('bounds the attempts', () => {
    expect(order(Array.from({ length: 100 }, (_, i) => record(`h${i}`, i, 0)), () => 0)).toHaveLength(16);
  });
});

describe('readWellKnown', () => {
  const NOW = Date.UTC(2026, 0, 1);
  const read = (headers: Record<string, string> = {}, body = '{"m.server":"b.example:443"}', status = 200) =>
    readWellKnown({ status, headers, body }, NOW);

  it.each<[string, Record<string, string>, number]>([
    ['a day without headers', {}, 24 * HOUR],
    ['as long as max-age says', { 'cache-control': 'public, max-age=7200' }, 2 * HOUR],
    ['at most two days', { 'cache-control': 'max-age=9999999' }, 48 * HOUR],
    ['at least five minutes', { 'cache-control': 'max-age=1' }, 5 * MINUTE],
    ['five minutes where it must not be cached', { 'cache-control': 'No-Store', expires: 'Thu, 01 Jan 2026 06:00:00 GMT' }, 5 * MINUTE],
    ['until it expires', { expires: 'Thu, 01 Jan 2026 06:00:00 GMT' }, 6 * HOUR],
    ['five minutes after it expired', { expires: 'Wed, 31 Dec 2025 06:00:00 GMT' }, 5 * MINUTE],
    ['five minutes when Expires is nonsense', { expires: '0x' }, 5 * MINUTE],
    ['by max-age rather than Expires', { 'cache-control': 'max-age=3600', expires: 'Thu, 01 Jan 2026 06:00:00 GMT' }, HOUR],
  ])('holds %s', (_, headers, lifetime) => {
    expect(read(headers)).toEqual({ server: 'b.example:443', lifetime });
  });

  it.each([
    '', '{', 'null', '[]', '{}', '{"m.server":5}', '{"m.server":""}', '{"m.server":"b/c"}', '{"m.server":"b:99999"}',
    `{"m.server":"b","x":"${'y'.repeat(65_536)}"}`,
  ])('does not count the body %#', (body) => {
    expect(read({}, body)).toBeUndefined();
  });

  it('counts status 200 only', () => {
    for (const status of [404, 500, 204, 302]) expect(read({}, '{"m.server":"b"}', status)).toBeUndefined();
  });
});

it('backs off from a minute to an hour', () => {
  expect([0, 1, 2, 3, 6, 7, 2_000].map(wellKnownErrorLifetime)).toEqual([1, 1, 2, 4, 32, 60, 60].map((m) => m * MINUTE));
});
