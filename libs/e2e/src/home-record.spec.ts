import * as federation from '#federation';
import type { HomeEntry } from '#federation';
import { accountKey } from './account-key.js';
import { genesis, namedUserId, selfCertifyingUserId } from './genesis.js';
import { firstHomeRecord, HomeChangeError, nextHomeRecord, recoveredHomeRecord } from './home-record.js';
import { isHomeRecordOf, isNewerHomeRecord } from './verify-home-record.js';

const key = accountKey(new Uint8Array(32).fill(1));
const recovery = accountKey(new Uint8Array(32).fill(2));
const thief = accountKey(new Uint8Array(32).fill(3));
const start = genesis({
  label: 'alice', serverName: 'a.example', recoveryKey: recovery.publicKey, accountKey: key.publicKey, createdTs: 1_700_000_000_000,
});
const alice = namedUserId(start);
const home = (name: string, priority = 0): HomeEntry => ({
  server_name: name, key_id: 'ed25519:h1', key: accountKey(new TextEncoder().encode(name.padEnd(32))).publicKey, priority,
});
const first = firstHomeRecord({ userId: alice, genesis: start, homes: [home('a.example')] }, key);

describe('genesis', () => {
  it('gives a name of its own to a self-certifying account, and the servers compute the same', () => {
    const userId = selfCertifyingUserId(start);
    expect(userId).toMatch(/^@alice\.[a-z2-7]{24}:a\.example$/);
    expect(userId).toBe(`@${federation.selfCertifyingLocalpart(start)}:a.example`);
    expect(selfCertifyingUserId({ ...start, created_ts: 1 })).not.toBe(userId);
  });

  it.each(['', 'Alice', 'a b', 'a:b', 'x'.repeat(65), `eve.${'a'.repeat(24)}`])('refuses the label %p', (label) => {
    expect(() => genesis({ label, serverName: 'a', recoveryKey: '', accountKey: '', createdTs: 0 })).toThrow('label');
  });
});

describe('home record', () => {
  it('is accepted by the servers, first and next, named and self-certifying', () => {
    const certifying = firstHomeRecord({ userId: selfCertifyingUserId(start), genesis: start, homes: [home('a.example')] }, key);
    const second = nextHomeRecord(first, { add: [home('b.example', 10)], masterKey: thief.publicKey }, key);
    for (const record of [first, second, certifying]) {
      expect(() => federation.verifyHomeRecord(federation.readHomeRecord(record))).not.toThrow();
      expect(isHomeRecordOf(record.user_id, record)).toBe(true);
    }
    expect(federation.mayFollow(first, second)).toBe(true);
  });

  it('adds, replaces, drops and reorders homes, and counts up', () => {
    const both = nextHomeRecord(first, { add: [home('b.example', 10)] }, key);
    const swapped = nextHomeRecord(both, { priorities: { 'a.example': 20 } }, key);
    const onlyB = nextHomeRecord(swapped, { drop: ['a.example'] }, key);
    const newKey = nextHomeRecord(onlyB, { add: [{ ...home('b.example', 10), key_id: 'ed25519:h2' }] }, key);
    expect([both.seq, swapped.seq, onlyB.seq, newKey.seq]).toEqual([1, 2, 3, 4]);
    expect(swapped.homes.map((h) => [h.server_name, h.priority])).toEqual([['a.example', 20], ['b.example', 10]]);
    expect(newKey.homes.map((h) => [h.server_name, h.key_id])).toEqual([['b.example', 'ed25519:h2']]);
    expect(newKey.genesis).toEqual(start);
  });

  it('has one to five homes', () => {
    const names = ['b', 'c', 'd', 'e'].map((name) => home(`${name}.example`));
    const five = nextHomeRecord(first, { add: names }, key);
    expect(five.homes).toHaveLength(5);
    expect(() => nextHomeRecord(five, { add: [home('f.example')] }, key)).toThrow(HomeChangeError);
    expect(() => nextHomeRecord(first, { drop: ['a.example'] }, key)).toThrow(HomeChangeError);
  });

  it('is signed by the account key only', () => {
    expect(() => nextHomeRecord(first, {}, thief)).toThrow(HomeChangeError);
    expect(() => recoveredHomeRecord(first, {}, thief, thief)).toThrow(HomeChangeError);
  });

  it('lets the recovery key replace a stolen account key', () => {
    const stolen = nextHomeRecord(nextHomeRecord(first, {}, key), { add: [home('evil.example')], drop: ['a.example'] }, key);
    const fresh = accountKey(new Uint8Array(32).fill(4));
    const recovered = recoveredHomeRecord(first, {}, recovery, fresh);
    expect(isHomeRecordOf(alice, recovered)).toBe(true);
    expect(() => federation.verifyHomeRecord(federation.readHomeRecord(recovered))).not.toThrow();
    expect(isNewerHomeRecord(stolen, recovered)).toBe(true);
    expect(isNewerHomeRecord(recovered, stolen)).toBe(false);
    expect(() => nextHomeRecord(recovered, {}, key)).toThrow(HomeChangeError);
    expect(isHomeRecordOf(alice, nextHomeRecord(recovered, {}, fresh))).toBe(true);
  });
});

describe('checking a record that a server handed out', () => {
  const forged = { ...first, homes: [home('evil.example')] };
  it.each<[string, unknown]>([
    ['nothing', null],
    ['another type', 'x'],
    ['a changed list of homes', forged],
    ['a list signed by another key', { ...nextHomeRecord({ ...forged, genesis: { ...start, account_key: thief.publicKey } }, {}, thief), genesis: start }],
    ['a raised epoch without certificate', { ...first, epoch: 1 }],
    ['a certificate by the wrong key', { ...first, epoch: 1, account_key_cert: { account_key: thief.publicKey, epoch: 1, signature: thief.sign('x') } }],
    ['no homes', { ...first, homes: null }],
  ])('refuses %s', (_what, record) => {
    expect(isHomeRecordOf(alice, record)).toBe(false);
  });

  it('refuses another account, and a self-certifying name of another genesis', () => {
    expect(isHomeRecordOf('@bob:a.example', first)).toBe(false);
    const other = genesis({ label: 'alice', serverName: 'a.example', recoveryKey: thief.publicKey, accountKey: thief.publicKey, createdTs: 5 });
    const userId = selfCertifyingUserId(start);
    expect(isHomeRecordOf(userId, firstHomeRecord({ userId, genesis: other, homes: [home('a.example')] }, thief))).toBe(false);
    expect(isNewerHomeRecord(first, nextHomeRecord(firstHomeRecord({ userId: alice, genesis: other, homes: [home('a.example')] }, thief), {}, thief))).toBe(false);
  });
});
