import fc from 'fast-check';
import { streamNames } from '../bus/bus.js';
import { positionsBy } from '../storage/positions-text.js';
import { awaitEvents, readOldToken, readTokenText, readUpTo, tokenText, type TokenText } from './sync-token.js';
import { TokenSeal } from './token-seal.js';

const stamp = { epoch: 'e'.repeat(22), run: 'r'.repeat(8) };
const positions = positionsBy((name) => streamNames.indexOf(name) + 1);
const eventId = (letter: string): string => `$${letter.repeat(43)}`;

const base64 = (length: number) => fc.stringMatching(new RegExp(`^[A-Za-z0-9_-]{${length}}$`));
const stamps = fc.record({ epoch: base64(22), run: base64(8) });
const position = fc.maxSafeNat();
const awaited = fc.record({
  ids: fc.uniqueArray(base64(43).map((id) => `$${id}`), { minLength: 1, maxLength: 32 }).map((ids) => new Set(ids)),
  until: fc.nat(3e7).map((minutes) => minutes * 60_000),
});
const tokens: fc.Arbitrary<TokenText & { stamp: typeof stamp }> = fc.oneof(
  fc.record({ kind: fc.constant('sync' as const), stamp: stamps, positions: fc.array(position, { minLength: streamNames.length, maxLength: streamNames.length })
    .map((list) => positionsBy((name) => list[streamNames.indexOf(name)]!)) }),
  fc.record({ kind: fc.constant('sync' as const), stamp: stamps, positions: fc.constant(positions), awaited }),
  fc.record({
    kind: fc.constant('sync' as const), stamp: stamps, positions: fc.constant(positions), awaited: awaited,
    behind: fc.array(fc.record({ upTo: position, pos: fc.option(position) }), { minLength: 1, maxLength: 8 }),
  }),
  fc.record({ kind: fc.constant('resume' as const), stamp: stamps, resumeId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/) }),
  fc.record({ kind: fc.constant('place' as const), stamp: stamps, pos: fc.maxSafeInteger(), attempt: fc.nat(9_999) }),
);

describe('tokens', () => {
  it('are read as they were written, with their seal', () => {
    const seal = new TokenSeal('secret');
    fc.assert(fc.property(tokens, (token) => {
      const opened = seal.open(seal.seal(tokenText(token)))!;
      expect(opened.isOwn).toBe(true);
      expect(readTokenText(opened.text)).toEqual(token.kind === 'place' && Object.is(token.pos, -0) ? { ...token, pos: 0 } : token);
    }));
  });

  it('are no longer this server\'s when anything of them is another, or somebody else made them', () => {
    const seal = new TokenSeal('secret');
    fc.assert(fc.property(tokens, fc.nat(), fc.constantFrom(...'aB9_-'), (token, at, letter) => {
      const sealed = seal.seal(tokenText(token));
      const place = at % sealed.length;
      const forged = `${sealed.slice(0, place)}${letter}${sealed.slice(place + 1)}`;
      if (forged !== sealed) expect(seal.open(forged)?.isOwn ?? false).toBe(false);
      expect(new TokenSeal('another').open(sealed)!.isOwn).toBe(false);
    }));
  });

  it('can name events that are still to come, as many as fit', () => {
    expect(awaitEvents([eventId('a'), '$short:old.room'], 1_700_000_030_000)).toEqual({ ids: new Set([eventId('a')]), until: 1_699_999_980_000 });
    expect(awaitEvents([], 1)).toBeUndefined();
    const many = awaitEvents(Array.from({ length: 100 }, (_, i) => `$${String(i).padStart(43, '0')}`), 60_000)!;
    expect(readTokenText(tokenText({ kind: 'sync', stamp, positions, awaited: many }))).toEqual({ kind: 'sync', stamp, positions, awaited: many });
  });

  it('say of rooms how far they were read, the last entry that fits a room', () => {
    const behind = [{ upTo: 30, pos: 5 }, { upTo: 20, pos: null }, { upTo: 10, pos: 3 }];
    expect([31, 30, 21, 20, 11, 10, 1].map((nid) => readUpTo({ positions, behind }, nid))).toEqual([positions.events, 5, 5, null, null, 3, 3]);
    expect(readUpTo({ positions }, 1)).toBe(positions.events);
  });

  it('differ from attempt to attempt at one place', () => {
    expect(tokenText({ kind: 'place', stamp, pos: 7, attempt: 1 })).not.toBe(tokenText({ kind: 'place', stamp, pos: 7, attempt: 0 }));
  });

  it('of the first version are still read', () => {
    const old = { ...positions, presence: 0 };
    expect(readOldToken('s1_1_2_3_4_5_6')).toEqual({ kind: 'sync', stamp: null, positions: old });
    // Of the second one that names no stream that came later.
    expect(readTokenText(`s2_${stamp.epoch}${stamp.run}_1_2_3_4_5_6`)).toEqual({ kind: 'sync', stamp, positions: old });
    expect(readOldToken(`s1_1_2_3_4_5_6~5yc.${'a'.repeat(43)}`)).toEqual({
      kind: 'sync', stamp: null, positions: old, awaited: { ids: new Set([eventId('a')]), until: Number.parseInt('5yc', 36) * 60_000 },
    });
    expect(readOldToken('t-5.3')).toEqual({ kind: 'place', stamp: null, pos: -5, attempt: 3 });
    expect(readOldToken('r1_a-B_9')).toEqual({ kind: 'resume', stamp: null, resumeId: 'a-B_9' });
  });

  it.each([
    '', 's1', 's1_1_2_3_4_5', 's1_1_2_3_4_5_6_7', 's1_1_2_3_4_5_-6', 's2_1_2_3_4_5_6', 's1_9999999999999999_0_0_0_0_0', 'r1_', 'r1_a b',
    's1_1_2_3_4_5_6~', 's1_1_2_3_4_5_6~a', 's1_1_2_3_4_5_6~a.short', 't', 't1.5.1', 't--1', 't99999999999999999', 'x1', 't1 ',
    `s2_${'e'.repeat(30)}_zzzzzzzzzzz_0_0_0_0_0`, `t2_${'e'.repeat(29)}_1`, `r2_${'e'.repeat(30)}_`,
  ])('of no server are none: %j', (text) => {
    expect(readOldToken(text) ?? readTokenText(text)).toBeUndefined();
  });
});
