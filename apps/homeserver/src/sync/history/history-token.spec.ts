import { formatHistoryToken, parseHistoryToken } from './history-token.js';

describe('history tokens', () => {
  it.each([0, 5, -1, -9_007_199_254_740_991, 9_007_199_254_740_991])('keep position %s', (pos) => {
    expect(parseHistoryToken(formatHistoryToken(pos))).toEqual({ pos, attempt: 0 });
    expect(parseHistoryToken(formatHistoryToken(pos, 3))).toEqual({ pos, attempt: 3 });
  });

  it('differ from attempt to attempt', () => {
    expect(formatHistoryToken(7, 1)).not.toBe(formatHistoryToken(7));
  });

  it('are read from tokens of /sync', () => {
    expect(parseHistoryToken('s1_42_1_2_3_4_5').pos).toBe(42);
  });

  it.each(['', 't', 't1.5.1', 't--1', 't99999999999999999', 'x1', 's1_1', 'r1_abc', 't1 '])('refuse %p', (text) => {
    expect(() => parseHistoryToken(text)).toThrow(expect.objectContaining({ status: 400, errcode: 'M_INVALID_PARAM' }));
  });
});
