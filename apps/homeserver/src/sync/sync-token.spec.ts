import { awaitEvents, formatResumeToken, formatSyncToken, parseSyncToken } from './sync-token.js';

const positions = { events: 1, account: 2, receipts: 3, to_device: 4, device_lists: 5, typing: 6 };

describe('sync tokens', () => {
  it('hold a position of every stream', () => {
    expect(formatSyncToken(positions)).toBe('s1_1_2_3_4_5_6');
    expect(parseSyncToken('s1_1_2_3_4_5_6')).toEqual({ positions });
  });

  it('can name events that are still to come', () => {
    const ids = ['a', 'b'].map((letter) => `$${letter.repeat(43)}`);
    const awaited = awaitEvents([...ids, '$short:old.room'], 1_700_000_030_000)!;
    expect(parseSyncToken(formatSyncToken(positions, awaited))).toEqual({ positions, awaited: { ids: new Set(ids), until: 1_699_999_980_000 } });
    expect(formatSyncToken(positions, awaitEvents([], 1))).toBe('s1_1_2_3_4_5_6');
    const many = awaitEvents(Array.from({ length: 100 }, (_, i) => `$${String(i).padStart(43, '0')}`), 60_000)!;
    expect(parseSyncToken(formatSyncToken(positions, many))).toEqual({ positions, awaited: many });
  });

  it('name resume points', () => {
    expect(parseSyncToken(formatResumeToken('a-B_9'))).toEqual({ resumeId: 'a-B_9' });
  });

  it.each([
    '', 's1', 's1_1_2_3_4_5', 's1_1_2_3_4_5_6_7', 's1_1_2_3_4_5_-6', 's2_1_2_3_4_5_6', 's1_9999999999999999_0_0_0_0_0',
    'r1_', 'r1_a b', 's1_1_2_3_4_5_6~', 's1_1_2_3_4_5_6~a', 's1_1_2_3_4_5_6~a.short',
  ])(
    'refuses %j', (token) => {
      expect(() => parseSyncToken(token)).toThrow(expect.objectContaining({ status: 400, errcode: 'M_INVALID_PARAM' }));
    },
  );
});
