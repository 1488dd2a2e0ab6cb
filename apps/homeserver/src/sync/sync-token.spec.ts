import { formatResumeToken, formatSyncToken, parseSyncToken } from './sync-token.js';

const positions = { events: 1, account: 2, receipts: 3, to_device: 4, device_lists: 5, typing: 6 };

describe('sync tokens', () => {
  it('hold a position of every stream', () => {
    expect(formatSyncToken(positions)).toBe('s1_1_2_3_4_5_6');
    expect(parseSyncToken('s1_1_2_3_4_5_6')).toEqual({ positions });
  });

  it('name resume points', () => {
    expect(parseSyncToken(formatResumeToken('a-B_9'))).toEqual({ resumeId: 'a-B_9' });
  });

  it.each(['', 's1', 's1_1_2_3_4_5', 's1_1_2_3_4_5_6_7', 's1_1_2_3_4_5_-6', 's2_1_2_3_4_5_6', 's1_9999999999999999_0_0_0_0_0', 'r1_', 'r1_a b'])(
    'refuses %j', (token) => {
      expect(() => parseSyncToken(token)).toThrow(expect.objectContaining({ status: 400, errcode: 'M_INVALID_PARAM' }));
    },
  );
});
