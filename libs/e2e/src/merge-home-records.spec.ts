import fc from 'fast-check';
import * as federation from '#federation';
import type { HomeEntry, HomeRecord } from '#federation';
import { accountKey } from './account-key.js';
import { genesis, namedUserId } from './genesis.js';
import { firstHomeRecord, HomeChangeError, lastHomeRecord, nextHomeRecord, recoveredHomeRecord, type HomeChange } from './home-record.js';
import { mergedHomeRecord } from './merge-home-records.js';
import { compareHomeRecords } from './order-home-records.js';
import { isNewerHomeRecord } from './verify-home-record.js';

const key = accountKey(new Uint8Array(32).fill(1));
const recovery = accountKey(new Uint8Array(32).fill(2));
const start = genesis({ label: 'alice', serverName: 'a.example', recoveryKey: recovery.publicKey, accountKey: key.publicKey, createdTs: 1 });
const home = (name: string, priority = 0): HomeEntry => ({
  server_name: `${name}.example`, key_id: 'ed25519:h1', key: accountKey(new TextEncoder().encode(name.padEnd(32))).publicKey, priority,
});
const first = firstHomeRecord({ userId: namedUserId(start), genesis: start, homes: [home('a'), home('b'), home('c')] }, key);
const next = (change: HomeChange, from = first): HomeRecord => nextHomeRecord(from, change, key);
const names = (record: Pick<HomeRecord, 'homes'>): string[] => record.homes.map((one) => one.server_name[0]!);
const formerOf = (record: HomeRecord): string[] => (record.retired ?? []).map((one) => one.server_name[0]!);
/** The same bytes in either order, and a record that servers take after both. */
function merged(a: HomeRecord, b: HomeRecord, base?: HomeRecord): HomeRecord {
  const record = mergedHomeRecord(a, b, base, key);
  expect(mergedHomeRecord(b, a, base, key)).toEqual(record);
  federation.verifyHomeRecord(federation.readHomeRecord(record));
  for (const one of [a, b]) expect(federation.mayFollow(one, record)).toBe(true);
  return record;
}

describe('two records that were signed apart', () => {
  it('keep what either added, and lose what either dropped', () => {
    const record = merged(next({ add: [home('d')], drop: ['a.example'] }), next({ add: [home('e')], drop: ['b.example'] }), first);
    expect(names(record)).toEqual(['c', 'd', 'e']);
    expect(formerOf(record).sort()).toEqual(['a', 'b']);
    expect(record).toMatchObject({ seq: 2, epoch: 0 });
  });

  it('keep only what both name when nobody knows what they were made from', () => {
    const [one, other] = [next({ add: [home('d')], drop: ['a.example'] }), next({ add: [home('e')] })];
    for (const base of [undefined, next({}), next({}, one)]) {
      const record = merged(one, other, base);
      expect(names(record)).toEqual(['b', 'c']);
      expect(formerOf(record)).toEqual(['a']);
    }
  });

  it('do not bring back a home through a base from before it was added', () => {
    const added = next({ add: [home('d')] });
    const [dropped, kept] = [next({ drop: ['d.example'] }, added), next({ masterKey: key.publicKey }, added)];
    for (const base of [undefined, added, first]) expect(names(merged(dropped, kept, base))).not.toContain('d');
  });

  it('leave revoked what either revoked, also where the other retired it', () => {
    const retired = next({ drop: ['a.example'] });
    for (const [one, other, base] of [[next({ revoke: ['a.example'] }), next({}), first], [next({ revoke: ['a.example'] }), next({ drop: ['a.example'] }), first],
      [next({ close: ['a.example'] }, retired), next({ masterKey: key.publicKey }, retired), retired]] as const) {
      for (const known of [base, undefined]) {
        const record = merged(one, other, known);
        expect([...names(record), ...formerOf(record)]).not.toContain('a');
      }
    }
  });

  it('unite the cuts of each log', () => {
    const place = (n: number): [number, string] => [n, accountKey(new Uint8Array(32).fill(100 + n)).publicKey];
    const record = merged(
      next({ drop: ['a.example'], cuts: { x: [place(1), place(2), place(3)], y: [place(1)] } }), next({ revoke: ['b.example'], cuts: { x: [place(3), place(4), place(5)] } }), first,
    );
    expect(record.cuts!['y']).toEqual([place(1)]);
    expect(record.cuts!['x']).toEqual([1, 2, 3, 4, 5].map(place).sort(([, p], [, q]) => (p < q ? -1 : 1)).slice(0, 4));
  });

  it('take the later one whole where its epoch is higher or the account has ended', () => {
    const fresh = accountKey(new Uint8Array(32).fill(4));
    const recovered = recoveredHomeRecord(first, { revoke: ['a.example'] }, recovery, fresh);
    const ended = lastHomeRecord(first, true, key);
    const other = next({}, next({ add: [home('d')] }));
    expect(mergedHomeRecord(other, recovered, first, fresh)).toBe(recovered);
    expect(mergedHomeRecord(ended, other, first, key)).toBe(ended);
    expect(federation.mayFollow(other, ended)).toBe(true);
    expect(federation.mayFollow(ended, next({}, next({}, other)))).toBe(false);
    expect(federation.mayFollow(ended, recoveredHomeRecord(ended, { add: [home('d')] }, recovery, fresh))).toBe(true);
  });

  it('are not merged where no home would be left, by another key, or of two accounts', () => {
    expect(() => mergedHomeRecord(next({ drop: ['a.example', 'b.example'] }), next({ drop: ['c.example'] }), first, key)).toThrow(HomeChangeError);
    expect(() => mergedHomeRecord(next({}), next({ add: [home('d')] }), first, recovery)).toThrow(HomeChangeError);
    expect(() => mergedHomeRecord(next({}), { ...next({}), genesis: { ...start, created_ts: 2 } }, first, key)).toThrow(HomeChangeError);
  });

  it('need no merging where one was made from the other', () => {
    const later = next({ add: [home('d')] }, next({ drop: ['a.example'] }));
    expect(mergedHomeRecord(next({ drop: ['a.example'] }), later, undefined, key)).toBe(later);
  });
});

const letters = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const change = fc.record({
  drop: fc.subarray(['a.example', 'b.example']), revoke: fc.subarray(['b.example', 'c.example']), add: fc.subarray(letters.slice(3)),
}).map(({ add, ...rest }) => ({ ...rest, add: add.map((name, i) => home(name, i)) }));
const record = change.chain((one) => fc.constantFrom(one)).map((one) => {
  try {
    return next(one);
  } catch {
    return next({});
  }
});

it('property: nobody who was dropped by either is a home, nobody was a home of neither, and the servers meanwhile agree', () => {
  fc.assert(fc.property(record, record, fc.boolean(), (a, b, isKnown) => {
    let result: HomeRecord;
    try {
      result = merged(a, b, isKnown ? first : undefined);
    } catch (error) {
      expect(error).toBeInstanceOf(HomeChangeError);
      return;
    }
    for (const one of result.homes) {
      const wasHome = first.homes.some(({ key: known }) => known === one.key);
      const [inA, inB] = [a, b].map(({ homes }) => homes.some(({ key: known }) => known === one.key));
      expect(wasHome || !isKnown ? inA && inB : inA || inB).toBe(true);
    }
    const heard = (x: HomeRecord, y: HomeRecord) => federation.homesInForce(federation.hearRecord(federation.hearRecord(undefined, x), y));
    const meanwhile = heard(a, b);
    expect(heard(b, a)).toEqual(meanwhile);
    for (const one of meanwhile) expect(result.homes.map(({ key: known }) => known)).toContain(one.key);
  }), { numRuns: 60 });
});

it('property: clients and servers have one order, and the phonebook ends with its last record', () => {
  fc.assert(fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), (records) => {
    for (const a of records) for (const b of records) expect(Math.sign(compareHomeRecords(a, b))).toBe(Math.sign(federation.compareRecords(a, b)));
    const kept = records.reduce((best, one) => (isNewerHomeRecord(best, one) ? one : best));
    expect(kept).toEqual(federation.highestRecord(records));
  }), { numRuns: 40 });
});

it('does not take back the key of a former home', () => {
  const dropped = next({ drop: ['a.example'] });
  expect(() => next({ add: [home('a')] }, dropped)).toThrow(HomeChangeError);
  const revived = { ...dropped, seq: 2, prev_sha256: federation.recordHash(dropped), homes: first.homes, retired: [] };
  expect(federation.mayFollow(dropped, revived)).toBe(false);
  // Of a revoked one too, whose log was cut.
  const log = federation.logName(first.user_id, home('a').key, 'beginning0');
  const cut = next({ revoke: ['a.example'], cuts: { [log]: [[3, key.publicKey]] } });
  expect(() => next({ add: [home('a')] }, cut)).toThrow(HomeChangeError);
  expect(federation.mayFollow(cut, { ...cut, seq: 2, prev_sha256: federation.recordHash(cut), homes: first.homes })).toBe(false);
  expect(federation.mayFollow(cut, next({ add: [home('d')] }, cut))).toBe(true);
  expect(() => federation.readHomeRecord({ ...dropped, homes: first.homes })).toThrow(federation.HomeRecordError);
  // Signed apart, nobody knew of the other's drop: one of the two follows, or two devices would lock their owner out.
  const apart = next({ masterKey: key.publicKey });
  expect([federation.mayFollow(dropped, apart), federation.mayFollow(apart, dropped)].filter(Boolean)).toHaveLength(1);
});
