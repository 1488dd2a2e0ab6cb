import { resultsOf } from './send-answer.js';

describe('the answer to a transaction', () => {
  it('says of each event whether it is shown, and if not, why', () => {
    expect(resultsOf({
      pdus: { $taken: {}, $twin: {}, $soft: {}, $rejected: {}, $bad: { error: 'no' }, $later: { error: 'wait' } },
      'io.partyline.taken': ['$taken'], 'io.partyline.twins': { $twin: '$other' }, 'io.partyline.soft_failed': { $soft: 'kicked' },
      'io.partyline.rejected': { $rejected: 'never' }, 'io.partyline.later': ['$later'],
    })).toEqual({
      $taken: { taken: true }, $twin: { twin: '$other' }, $soft: { softFailed: 'kicked' }, $rejected: { rejected: 'never' },
      $bad: { error: 'no' }, $later: { error: 'wait', later: true },
    });
  });

  it('of a server that does not say what it shows counts for nothing', () => {
    expect(resultsOf({ pdus: { $e: {} } })).toEqual({ $e: {} });
  });

  it('may be anything', () => {
    expect(resultsOf({ pdus: 'x', 'io.partyline.taken': { a: 1 }, 'io.partyline.twins': [1], 'io.partyline.soft_failed': null, 'io.partyline.later': 3 })).toEqual({});
    expect(resultsOf({ pdus: { $e: { error: 'x'.repeat(100_000) } } })['$e']!.error).toHaveLength(200);
  });
});
