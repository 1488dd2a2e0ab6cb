import fc from 'fast-check';
import { byteRange } from './byte-range.js';

it.each([
  [undefined, undefined], ['bytes=0-4', { start: 0, end: 4 }], ['bytes=5-', { start: 5, end: 9 }], ['bytes=-3', { start: 7, end: 9 }],
  ['bytes=8-100', { start: 8, end: 9 }], ['bytes=-100', { start: 0, end: 9 }], ['bytes=10-', 'none'], ['bytes=-0', 'none'],
  // Several, or nonsense: the whole file.
  ['bytes=0-1,3-4', undefined], ['bytes=5-3', undefined], ['lines=1-2', undefined], ['bytes=-', undefined], ['bytes=a-b', undefined],
])('reads %s of ten bytes as %j', (header, range) => {
  expect(byteRange(header, 10)).toEqual(range);
});

it('never leaves the file', () => {
  fc.assert(fc.property(fc.nat(), fc.option(fc.nat()), fc.option(fc.nat()), (bytes, first, last) => {
    const range = byteRange(`bytes=${first ?? ''}-${last ?? ''}`, bytes);
    if (typeof range !== 'object') return;
    expect(range.start).toBeGreaterThanOrEqual(0);
    expect(range.end).toBeLessThan(bytes);
    expect(range.start).toBeLessThanOrEqual(range.end);
  }));
});
