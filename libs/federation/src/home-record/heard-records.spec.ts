import fc from 'fast-check';
import { accountKey, firstHomeRecord, genesis, lastHomeRecord, mergedHomeRecord, namedUserId, nextHomeRecord, recoveredHomeRecord, signRecord, type HomeChange } from '#e2e';
import { compareRecords } from './compare-records.js';
import { hearRecord, homesInForce, type HeardRecords } from './heard-records.js';
import type { HomeEntry, HomeRecord } from './home-record.js';

const key = accountKey(new Uint8Array(32).fill(1));
const recovery = accountKey(new Uint8Array(32).fill(2));
const start = genesis({ label: 'alice', serverName: 'a.example', recoveryKey: recovery.publicKey, accountKey: key.publicKey, createdTs: 1 });
const home = (name: string): HomeEntry => ({
  server_name: `${name}.example`, key_id: 'ed25519:h1', key: accountKey(new TextEncoder().encode(name.padEnd(32))).publicKey, priority: 0,
});
const first = firstHomeRecord({ userId: namedUserId(start), genesis: start, homes: [home('a'), home('b'), home('c')] }, key);
const next = (from: HomeRecord, change: HomeChange = {}): HomeRecord => nextHomeRecord(from, change, key);
const hear = (...records: HomeRecord[]): HeardRecords => records.reduce<HeardRecords | undefined>(hearRecord, undefined)!;
const believed = (heard: HeardRecords): string => homesInForce(heard).map(({ server_name: name }) => name[0]).sort().join('');

describe('two records signed apart', () => {
  const renamed = next(first, { priorities: { 'a.example': 3 } });
  const dropped = next(first, { drop: ['c.example'] });
  const added = next(first, { add: [home('d')] });

  it('leave the homes that both name, whichever comes last', () => {
    expect(believed(hear(first, renamed, dropped))).toBe('ab');
    expect(believed(hear(first, dropped, renamed))).toBe('ab');
    expect(believed(hear(added, dropped))).toBe('ab');
  });

  it('are both kept until a later one takes back nothing that either dropped', () => {
    const pair = hear(first, dropped, added);
    expect([pair.record, ...pair.rivals].map((one) => one!.signature).sort()).toEqual([dropped, added].map((one) => one.signature).sort());
    const merged = mergedHomeRecord(dropped, added, first, key);
    expect(hearRecord(pair, merged)).toMatchObject({ record: merged, rivals: [] });
    expect(believed(hearRecord(pair, merged))).toBe('abd');
  });

  it('leave a home out that one dropped, though the other device has signed more since', () => {
    const later = next(next(renamed), { add: [home('e')] });
    expect(believed(hear(first, dropped, later))).toBe('abe');
    expect(hear(first, dropped, later).rivals).toEqual([dropped]);
    expect(believed(hear(first, later, dropped))).toBe('abe');
    expect(believed(hear(first, dropped, later, next(later)))).toBe('abe');
  });

  it('leave it out where only a list of former homes tells that it was one', () => {
    expect(believed(hear(next(next(renamed)), dropped))).toBe('ab');
  });

  it('are kept as long as the record names whom they dropped, one for each', () => {
    const later = next(renamed);
    const [without, again] = [next(later, { drop: ['b.example'] }), next(later, { priorities: { 'c.example': 9 } })];
    const heard = hear(first, dropped, renamed, later, without, again);
    expect(believed(heard)).toBe('a');
    expect(heard.rivals).toContainEqual(dropped);
    // Who hears only what is told goes by the same.
    expect(believed(hear(heard.record, ...heard.rivals))).toBe('a');
    expect(believed(hear(...heard.rivals, heard.record))).toBe('a');
  });

  it('end with a later one that was made from both, with an epoch, and with the account', () => {
    const pair = hear(first, dropped, renamed);
    expect(hearRecord(pair, next(next(dropped))).rivals).toEqual([]);
    expect(believed(hearRecord(pair, recoveredHomeRecord(first, {}, recovery, accountKey(new Uint8Array(32).fill(3)))))).toBe('abc');
    expect(hearRecord(pair, lastHomeRecord(first, true, key))).toMatchObject({ rivals: [] });
  });

  it('are no news when they are heard again', () => {
    const pair = hear(first, dropped, renamed);
    for (const one of [first, dropped, renamed]) expect(hearRecord(pair, one)).toBe(pair);
  });
});

it('takes older records of one line for what they are', () => {
  const grown = next(first, { add: [home('d')] });
  const last = next(next(grown), { drop: ['a.example'] });
  for (const records of [[last, grown, first], [first, last, grown], [grown, first, last]]) {
    expect(hear(...records)).toMatchObject({ record: last, rivals: [] });
    expect(believed(hear(...records))).toBe('bcd');
  }
});

it('holds no record of version 1, which names none before it, against a key that came back', () => {
  const old = (seq: number, names: string[], from = first): HomeRecord => {
    const { prev_sha256: _prev, retired: _retired, ...record } = from;
    return signRecord({ ...record, seq, homes: names.map(home) }, key);
  };
  const [without, back] = [old(1, ['a']), old(2, ['a', 'b'])];
  for (const records of [[first, without, back], [back, without, first], [next(back), first, without]]) expect(believed(hear(...records))).toBe('ab');
});

const change = fc.record({
  drop: fc.subarray(['a.example', 'b.example', 'c.example'], { maxLength: 1 }), revoke: fc.boolean(), isAdded: fc.boolean(),
});
const line = fc.array(change, { minLength: 1, maxLength: 4 });

it('property: whoever hears of two lines of records, in whatever order, believes no home that either has dropped', () => {
  fc.assert(fc.property(line, line, fc.infiniteStream(fc.nat()), (one, other, choices) => {
    const signed = [one, other].map((changes, device) => {
      const records = [first];
      changes.forEach(({ drop, revoke, isAdded }, i) => {
        try {
          records.push(next(records.at(-1)!, { [revoke ? 'revoke' : 'drop']: drop, ...(isAdded && { add: [home(`x${device}${i}`)] }) }));
        } catch {
          records.push(next(records.at(-1)!));
        }
      });
      return records;
    });
    const [mine, theirs] = signed.map((records) => records.slice(1)) as [HomeRecord[], HomeRecord[]];
    let heard = hear(first);
    while (mine.length + theirs.length > 0) {
      const from = (choices.next().value % 2 === 0 && mine.length > 0) || theirs.length === 0 ? mine : theirs;
      heard = hearRecord(heard, from.shift()!);
    }
    const out = first.homes.filter(({ key: known }) => signed.some((records) => !records.at(-1)!.homes.some((entry) => entry.key === known)));
    for (const { key: known } of homesInForce(heard)) expect(out.map((entry) => entry.key)).not.toContain(known);
    const last = signed.flat().reduce((best, record) => (compareRecords(record, best) > 0 ? record : best));
    expect(heard.record).toEqual(last);
  }), { numRuns: 200 });
});
