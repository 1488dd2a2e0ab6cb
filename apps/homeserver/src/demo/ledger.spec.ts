import { Ledger } from './ledger.js';

function conversation(): Ledger {
  const ledger = new Ledger(['alice', 'bob']);
  for (let count = 1; count <= 3; count++) ledger.acknowledged('alice', count, `$${count}`, count * 100);
  return ledger;
}
let place = 0;
const show = (ledger: Ledger, reader: string, count: number, at = count * 100): void => {
  ledger.shown(reader, { author: 'alice', count, eventId: `$${count}`, place: ++place, at });
};

describe('the ledger', () => {
  it('finds nothing wrong where everybody saw everything once and in order', () => {
    const ledger = conversation();
    for (const reader of ['alice', 'bob']) for (const count of [1, 2, 3]) show(ledger, reader, count);
    expect(ledger.isSettled()).toBe(true);
    expect(ledger.figures()).toMatchObject({ acknowledged: 3, lost: 0, duplicated: 0, outOfOrder: 0, longestPauseMs: 100 });
  });

  it('counts per reader what is missing', () => {
    const ledger = conversation();
    for (const count of [1, 2, 3]) show(ledger, 'alice', count);
    show(ledger, 'bob', 2);
    expect(ledger.isSettled()).toBe(false);
    expect(ledger.missing('bob')).toEqual([{ name: 'alice 1', eventId: '$1' }, { name: 'alice 3', eventId: '$3' }]);
    expect(ledger.figures()).toMatchObject({ lost: 2, readers: { alice: { lost: 0, seen: 3 }, bob: { lost: 2, seen: 1 } } });
  });

  it('counts a message that comes up twice, also under another event id', () => {
    const ledger = conversation();
    for (const count of [1, 2, 2, 3]) show(ledger, 'bob', count);
    expect(ledger.figures()).toMatchObject({ duplicated: 1, readers: { bob: { seen: 3, outOfOrder: 0 } } });
  });

  it('does not count what was moved within the timeline', () => {
    const ledger = conversation();
    for (const count of [1, 2, 3]) show(ledger, 'bob', count);
    ledger.removed('bob', '$2');
    expect(ledger.figures()).toMatchObject({ readers: { bob: { lost: 1 } } });
    show(ledger, 'bob', 2);
    expect(ledger.figures()).toMatchObject({ duplicated: 0, readers: { bob: { lost: 0, outOfOrder: 1 } } });
  });

  it('counts what comes up after a later message of the same author, by its place and not by its time', () => {
    const ledger = conversation();
    for (const count of [1, 3, 2]) show(ledger, 'bob', count);
    expect(ledger.figures().readers['bob']).toMatchObject({ outOfOrder: 1, lost: 0 });
  });

  it('measures the longest pause of senders and readers, without those that are excused', () => {
    const ledger = conversation();
    show(ledger, 'bob', 1, 100);
    show(ledger, 'bob', 2, 900);
    show(ledger, 'bob', 3, 5_000);
    expect(ledger.figures()).toMatchObject({ longestPauseMs: 4_100, longestSendingPauseMs: 100 });
    ledger.excuse(1_000, 4_000);
    expect(ledger.figures()).toMatchObject({ longestPauseMs: 800 });
  });
});
