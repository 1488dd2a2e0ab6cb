import fc from 'fast-check';
import { keyOf, recordFor } from '../event-auth/room-fixture.js';
import type { HomeRecord } from '../home-record/index.js';
import {
  AccountLog, bucketHash, bucketOf, digestRoot, isLogOf, isOperationSignedBy, itemName, logName, operationHash, readHead, readOperation,
  signHead, signOperation, type AccountOperation, type LogPlaces,
} from './index.js';

const alice = '@alice:a.example';
const names = ['a.example', 'b.example', 'c.example'];
const record = recordFor(alice, 1, names);
const logs = record.homes.map(({ key }) => logName(alice, key, 'beginning0'));

interface Draft { home: number; key?: string; value?: string; ms?: number; after?: LogPlaces; prev?: AccountOperation | null; kind?: string; log?: string }
function write({ home, key = 'k', value = '1', ms = 5, after = {}, prev = null, kind = 'account_data', log = logs[home]! }: Draft): AccountOperation {
  const n = (prev?.n ?? 0) + 1;
  return {
    user_id: alice, log, n, prev: prev && operationHash(prev), after, home: names[home]!, ms, kind, key, value: JSON.stringify(value), signature: '',
  };
}
const place = (op: AccountOperation): [number, string] => [op.n, operationHash(op)];
/** Brings operations again and again, as homes do, until nothing is new. */
function deliver(log: AccountLog, ops: readonly AccountOperation[]): AccountLog {
  for (let isNew = true; isNew;) {
    isNew = false;
    for (const op of ops) {
      if (!['next', 'fork'].includes(log.judge(op).as)) continue;
      log.take(op);
      isNew = true;
    }
  }
  return log;
}
const shown = (log: AccountLog, key = 'k'): unknown => {
  const held = log.shown(itemName({ kind: 'account_data', key }));
  return held && JSON.parse(held.value);
};
const summary = (log: AccountLog): string => JSON.stringify([log.ends(), [...log.items].sort().map((item) => log.newest(item).map(({ hash }) => hash).sort()).filter((hashes) => hashes.length > 0)]);

describe('formats', () => {
  const key = keyOf('home');
  const op = signOperation({ ...write({ home: 0 }), log: logName(alice, key.publicKey, '0123456789') }, key);
  it('bind a log to a key, an operation to its log, a head to both', () => {
    expect(isLogOf(op.log, alice, key.publicKey)).toBe(true);
    expect(isLogOf(op.log, '@bob:a.example', key.publicKey)).toBe(false);
    expect(isOperationSignedBy(op, key.publicKey)).toBe(true);
    expect(isOperationSignedBy({ ...op, value: '2' }, key.publicKey)).toBe(false);
    const head = signHead({ user_id: alice, log: op.log, n: 1, hash: operationHash(op) }, key);
    const { user_id: _user, ...wire } = head;
    expect(readHead(alice, wire)).toEqual(head);
    expect(readHead(alice, { ...wire, n: 2 })).toBeUndefined();
    expect(readHead('@bob:a.example', wire)).toBeUndefined();
    expect(readHead(alice, { ...wire, key: keyOf('other').publicKey })).toBeUndefined();
  });

  it.each<[string, object]>([
    ['number', { n: 0 }], ['prev of the first', { prev: operationHash(op) }], ['log', { log: 'x' }], ['after', { after: { [op.log]: [[1, 'x']] } }],
    ['time', { ms: -1 }], ['NUL', { key: '\0' }], ['a lone surrogate', { key: '\ud800' }], ['no JSON', { value: '{' }], ['signature', { signature: 'x' }],
  ])('refuse a bad %s', (_what, change) => {
    expect(readOperation(alice, op)).toEqual(op);
    expect(readOperation(alice, { ...op, ...change })).toBeUndefined();
  });

  it('hash what is held in buckets, whatever the order', () => {
    expect(bucketHash(['a', 'b'])).toBe(bucketHash(['b', 'a']));
    expect(bucketHash(['a', 'b'])).not.toBe(bucketHash(['a']));
    expect(bucketOf('account_data', 'm.direct')).toBeLessThan(256);
    expect(digestRoot(['a', ''])).not.toBe(digestRoot(['', 'a']));
  });
});

describe('merging', () => {
  it('shows the write that knew of the other, whatever the clocks say', () => {
    const ahead = write({ home: 0, value: 'a year ahead', ms: 9e12 });
    const next = write({ home: 1, value: 'saw it', after: { [logs[0]!]: [place(ahead)] } });
    expect(shown(deliver(new AccountLog(record), [next, ahead]))).toBe('saw it');
  });

  it('lets an operation wait for what it knew of, and nothing else for it', () => {
    const first = write({ home: 0 });
    const second = write({ home: 1, value: 'second', after: { [logs[0]!]: [place(first)] } });
    const log = new AccountLog(record);
    expect(log.judge(second)).toEqual({ as: 'waits', missing: { [logs[0]!]: [place(first)] } });
    expect(log.judge(write({ home: 2 }))).toEqual({ as: 'next' });
    log.take(first);
    expect(log.judge(second)).toEqual({ as: 'next' });
  });

  it('believes nobody who says in a copy that he knew what does not exist', () => {
    const lie = write({ home: 0, value: 'lie', ms: 1, after: { [logs[1]!]: [[9e15, operationHash(write({ home: 2 }))]] } });
    const first = write({ home: 1, value: 'first', ms: 2 });
    const next = write({ home: 1, value: 'saw it', ms: 3, prev: first, after: { [logs[0]!]: [place(lie)] } });
    const shownWith = (...ops: AccountOperation[]): unknown => {
      const log = new AccountLog(record);
      for (const op of ops) log.jump(op.log, place(op));
      for (const op of ops) log.load({ op, hash: operationHash(op), log: op.log, line: 0, n: op.n, home: op.home, ms: op.ms, value: op.value });
      return shown(log);
    };
    expect(shownWith(lie, next)).toBe('saw it');
  });

  it('takes both branches of a log that forked, and of five the four lowest', () => {
    const root = write({ home: 0, key: 'root' });
    const branches = [1, 2, 3, 4, 5].map((ms) => write({ home: 0, key: 'fork', value: `${ms}`, ms, prev: root }));
    const lowest = branches.map(operationHash).sort().slice(0, 4);
    fc.assert(fc.property(fc.shuffledSubarray(branches, { minLength: 5 }), (order) => {
      const log = deliver(new AccountLog(record), [root, ...order]);
      expect(log.endsOf(logs[0]!).map(([, hash]) => hash).sort()).toEqual(lowest);
    }));
  });
});

describe('former homes', () => {
  const ops = [1, 2, 3].reduce<AccountOperation[]>((list, n) => [...list, write({ home: 2, value: `c${n}`, ms: 100 + n, prev: list.at(-1) ?? null })], []);
  const mine = write({ home: 0, value: 'mine', after: { [logs[2]!]: [place(ops[0]!)] } });
  const [a, b, c] = record.homes as [HomeRecord['homes'][0], HomeRecord['homes'][0], HomeRecord['homes'][0]];
  const without = { ...record, seq: 2, homes: [a, b] };

  it('that are revoked count up to the cut, and what they had replaced counts again', () => {
    const late = write({ home: 2, value: 'late', ms: 200, prev: ops[2]!, after: { [logs[0]!]: [place(mine)] } });
    const log = deliver(new AccountLog(record), [...ops, mine, late]);
    expect(shown(log)).toBe('late');
    log.follow({ ...without, cuts: { [logs[2]!]: [place(ops[0]!)] } });
    expect(shown(log)).toBe('mine');
    expect(log.endsOf(logs[2]!)).toEqual([place(ops[0]!)]);
    log.follow({ ...without, cuts: { [logs[2]!]: [place(late)] } });
    expect(shown(log)).toBe('late');
    expect(new AccountLog(without).judge(ops[0]!)).toEqual({ as: 'refused', why: 'revoked' });
  });

  it('that are retired count as far as a home in force says that it holds them; the rest waits until all have said', () => {
    const retiring = { ...without, retired: [c] };
    const log = deliver(new AccountLog(retiring), ops);
    expect(log.endsOf(logs[2]!)).toEqual([]);
    const closed = (home: number, places: [number, string][]) =>
      write({ home, kind: 'closed', key: logs[2]!, value: { log: logs[2]!, key: c.key, places } as unknown as string });
    deliver(log, [closed(0, [place(ops[1]!)])]);
    expect([log.isClosed(logs[2]!), log.endsOf(logs[2]!)]).toEqual([false, [place(ops[1]!)]]);
    const beyond = write({ home: 0, key: 'x', prev: closed(0, [place(ops[1]!)]), after: { [logs[2]!]: [[9, operationHash(mine)]] } });
    expect(log.judge(beyond).as).toBe('waits');
    deliver(log, [closed(1, [])]);
    expect([log.isClosed(logs[2]!), log.judge(beyond).as]).toEqual([true, 'next']);
    // Not by the word of a home that is in force no more.
    log.follow({ ...retiring, homes: [b] });
    expect(log.endsOf(logs[2]!)).toEqual([]);
  });
});

it('depends on what is held, not on the order in which it came', () => {
  const step = fc.record({
    home: fc.nat(2), key: fc.constantFrom('x', 'y'), ms: fc.nat(4), value: fc.constantFrom(null, '1', '2'), forks: fc.nat(6), sees: fc.nat(),
  });
  fc.assert(fc.property(fc.array(step, { minLength: 2, maxLength: 25 }), fc.infiniteStream(fc.nat()), fc.option(fc.nat(24)), (steps, random, cut) => {
    const ops: AccountOperation[] = [];
    for (const { home, key, ms, value, forks, sees } of steps) {
      const own = ops.filter((op) => op.log === logs[home]);
      const prev = forks === 0 ? own[sees % Math.max(1, own.length)] : own.at(-1);
      const others = ops.filter((op) => op.log !== logs[home]);
      const seen = others.length === 0 ? undefined : others[sees % others.length];
      ops.push(write({ home, key, ms, value: value as string, prev: prev ?? null, ...(seen && { after: { ...seen.after, [seen.log]: [place(seen)], [logs[home]!]: undefined } as LogPlaces }) }));
    }
    const clean = ops.map((op) => JSON.parse(JSON.stringify(op)) as AccountOperation);
    const shuffled = clean.map((op) => ({ op, at: random.next().value })).sort((p, q) => p.at - q.at).map(({ op }) => op);
    const last = cut === null ? record : { ...record, seq: 2, homes: record.homes.slice(0, 2), cuts: { [logs[2]!]: clean.filter((op) => op.log === logs[2]).slice(0, cut).slice(-1).map(place) } };
    const early = deliver(new AccountLog(last), clean);
    const before = deliver(new AccountLog(record), shuffled);
    before.follow(last);
    expect(summary(deliver(before, clean))).toBe(summary(deliver(early, clean)));
  }), { numRuns: 400 });
});
