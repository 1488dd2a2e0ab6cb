import fc from 'fast-check';
import { genesisOf, keyOf, recordFor } from '../event-auth/room-fixture.js';
import type { RoomEvent } from '../events/index.js';
import {
  acceptedInput, compareRecords, endorsementInput, genesisHash, HomeRecordError, isEquivocation, isSelfCertifying, mayFollow,
  readHomeRecord, recordOf, selfCertifyingLocalpart, signAccountKeyCert, signHomeRecord, verifyHomeRecord, type HomeRecord,
} from './index.js';

const alice = '@alice:a.example';
const homes = ['a.example', 'b.example'];
const record = recordFor(alice, 3, homes);
const accountKey = keyOf(`${alice} account first`);
const recoveryKey = keyOf(`${alice} recovery first`);
const signed = (change: Partial<HomeRecord>, by = accountKey): HomeRecord => signHomeRecord({ ...record, ...change }, by.sign);
const check = (value: unknown): void => verifyHomeRecord(readHomeRecord(value));

describe('reading', () => {
  const entry = record.homes[0]!;
  it('takes a good record as it is, with members that it does not know', () => {
    const later = signed({ endorsement: { 'ed25519:srv': record.signature }, newer: { a: 1 } } as Partial<HomeRecord>);
    expect(readHomeRecord(later)).toBe(later);
    expect(() => check(later)).not.toThrow();
    expect(() => check({ ...later, newer: { a: 2 } })).toThrow(HomeRecordError);
  });

  it.each<[string, unknown]>([
    ['no object', 'x'], ['a list', []], ['null', null],
    ['a bad user id', { ...record, user_id: 'alice' }],
    ['no genesis', { ...record, genesis: null }],
    ['an empty label', { ...record, genesis: { ...record.genesis, label: '' } }],
    ['a short key', { ...record, genesis: { ...record.genesis, account_key: 'AAAA' } }],
    ['a missing certificate', { ...record, account_key_cert: undefined }],
    ['a malformed certificate', { ...record, account_key_cert: { account_key: entry.key, epoch: 1 } }],
    ['a negative seq', { ...record, seq: -1 }],
    ['a seq that is no integer', { ...record, seq: 1.5 }],
    ['a seq beyond safe integers', { ...record, seq: 2 ** 53 }],
    ['an epoch that is a string', { ...record, epoch: '0' }],
    ['a master key that is none', { ...record, master_key: 'x' }],
    ['homes that are no list', { ...record, homes: {} }],
    ['six homes', { ...record, homes: [1, 2, 3, 4, 5, 6].map((n) => ({ ...entry, server_name: `h${n}` })) }],
    ['one home twice', { ...record, homes: [entry, { ...entry, key_id: 'ed25519:2' }] }],
    ['a bad server name', { ...record, homes: [{ ...entry, server_name: 'a b' }] }],
    ['a bad key id', { ...record, homes: [{ ...entry, key_id: 'rsa:1' }] }],
    ['a negative priority', { ...record, homes: [{ ...entry, priority: -1 }] }],
    ['a consent that is no signature', { ...record, homes: [{ ...entry, accepted: { 'ed25519:1': 'x' } }] }],
    ['too many signatures', { ...record, endorsement: Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [`ed25519:${n}`, record.signature])) }],
    ['no signature', { ...record, signature: undefined }],
    ['more than 8192 bytes', { ...record, padding: 'x'.repeat(8192) }],
    ['what canonical JSON cannot hold', { ...record, padding: 0.5 }],
  ])('refuses %s', (_what, value) => {
    expect(() => readHomeRecord(value)).toThrow(HomeRecordError);
  });

  it('takes one spelling of a signature, so that nobody else can make a second record of it', () => {
    expect(() => readHomeRecord({ ...record, signature: `${record.signature}==` })).toThrow(HomeRecordError);
    const last = record.signature.at(-1)!;
    const spare = String.fromCharCode(last.charCodeAt(0) + 1); // the same bytes: only unused bits differ
    expect(() => readHomeRecord({ ...record, signature: record.signature.slice(0, -1) + spare })).toThrow(HomeRecordError);
  });

  it('has room for five homes with long names and consents', () => {
    const long = (n: number): string => `h${n}.${'x'.repeat(200)}.example`;
    const accepted = { 'ed25519:1': record.signature, 'ed25519:2': record.signature };
    const full = signed({ homes: [1, 2, 3, 4, 5].map((n) => ({ ...entry, server_name: long(n), accepted })), endorsement: accepted });
    expect(() => check(full)).not.toThrow();
  });
});

describe('verifying', () => {
  const newKey = keyOf('new');
  const cert = signAccountKeyCert({ account_key: newKey.publicKey, epoch: 1 }, recoveryKey.sign);

  it('follows the account key, and a certificate of the recovery key', () => {
    expect(() => check(record)).not.toThrow();
    expect(() => check(signed({ epoch: 1, account_key_cert: cert }, newKey))).not.toThrow();
  });

  it.each<[string, HomeRecord]>([
    ['a change after signing', { ...record, seq: 4 }],
    ['another key', signed({}, newKey)],
    ['the recovery key instead of the account key', signed({}, recoveryKey)],
    ['the old account key beside a certificate', signed({ epoch: 1, account_key_cert: cert })],
    ['an epoch without certificate', signed({ epoch: 1 })],
    ['another epoch than the certificate\'s', signed({ epoch: 2, account_key_cert: cert }, newKey)],
    ['a certificate for epoch 0', signed({ account_key_cert: signAccountKeyCert({ account_key: newKey.publicKey, epoch: 0 }, recoveryKey.sign) }, newKey)],
    ['a certificate that the account key made', signed({ epoch: 1, account_key_cert: signAccountKeyCert({ account_key: newKey.publicKey, epoch: 1 }, accountKey.sign) }, newKey)],
    ['another server than the genesis\'', signed({ user_id: '@alice:b.example' })],
    ['another name than the genesis\'', signed({ user_id: '@bob:a.example' })],
  ])('refuses %s', (_what, value) => {
    expect(() => check(value)).toThrow(HomeRecordError);
  });
});

describe('names', () => {
  const genesis = genesisOf(alice);
  const localpart = selfCertifyingLocalpart(genesis);
  const certifying = `@${localpart}:a.example`;

  it('certify themselves', () => {
    expect(localpart).toMatch(/^alice\.[a-z2-7]{24}$/);
    expect(isSelfCertifying(certifying)).toBe(true);
    expect(isSelfCertifying(alice)).toBe(false);
    expect(() => check(signed({ user_id: certifying }))).not.toThrow();
  });

  it('spell the hash as RFC 4648 does', () => {
    // sha256('{"account_key":"k","created_ts":0,"label":"l","recovery_key":"r","server_name":"s"}'), by coreutils
    const small = { label: 'l', server_name: 's', recovery_key: 'r', account_key: 'k', created_ts: 0 };
    expect(genesisHash(small)).toBe('Ov3AQ3g+RAEAcIJp43FqbSWDhlfXap8xYQhdI97wong');
    expect(selfCertifyingLocalpart(small)).toBe('l.hl64aq3yhzcacadqqju6g4lk');
  });

  it('cannot be claimed with another genesis, nor as a named account', () => {
    const other = { ...genesis, created_ts: 1 };
    expect(() => check(signed({ user_id: certifying, genesis: other }))).toThrow(HomeRecordError);
    expect(() => check(signed({ user_id: certifying, genesis: { ...other, label: localpart } }))).toThrow(HomeRecordError);
  });

  it('are endorsed and accepted over canonical JSON', () => {
    expect(endorsementInput(genesis)).toBe(`{"genesis_sha256":"${genesisHash(genesis)}"}`);
    expect(acceptedInput(alice, 'KEY', 'b.example')).toBe(`{"key":"KEY","server_name":"b.example","user_id":"${alice}"}`);
  });
});

describe('ordering', () => {
  const versions = [recordFor(alice, 0, homes), recordFor(alice, 1, homes), recordFor(alice, 1, ['a.example']), recordFor(alice, 2, homes)];
  const byRecovery = signHomeRecord({
    ...versions[0]!, epoch: 1, account_key_cert: signAccountKeyCert({ account_key: accountKey.publicKey, epoch: 1 }, recoveryKey.sign),
  }, accountKey.sign);
  const all = [...versions, byRecovery];

  it('is by epoch, then seq', () => {
    expect(compareRecords(versions[1]!, versions[0]!)).toBeGreaterThan(0);
    expect(compareRecords(versions[3]!, byRecovery)).toBeLessThan(0);
    expect(compareRecords(versions[0]!, structuredClone(versions[0]!))).toBe(0);
  });

  it('finds equivocation and keeps the same one of both everywhere', () => {
    const [, a, b] = versions;
    expect(isEquivocation(a!, b!)).toBe(true);
    expect(isEquivocation(a!, structuredClone(a!))).toBe(false);
    expect(isEquivocation(a!, versions[3]!)).toBe(false);
    expect(isEquivocation(a!, recordFor('@bob:a.example', 1, homes))).toBe(false);
    expect(Math.sign(compareRecords(a!, b!))).toBe(-Math.sign(compareRecords(b!, a!)));
    expect(compareRecords(a!, b!)).not.toBe(0);
  });

  it('ends with the same record, in whatever order they arrive', () => {
    const best = all.reduce((kept, next) => (compareRecords(next, kept) > 0 ? next : kept));
    expect(best).toBe(byRecovery);
    fc.assert(fc.property(fc.shuffledSubarray(all, { minLength: 1 }), (arrived) => {
      const keep = (list: HomeRecord[]): HomeRecord => list.reduce((kept, next) => (compareRecords(next, kept) > 0 ? next : kept));
      expect(keep(arrived)).toBe(keep([...arrived].sort((x, y) => all.indexOf(x) - all.indexOf(y))));
    }));
  });

  it('only goes forward, within one genesis', () => {
    const [first, a, b, later] = versions;
    expect(mayFollow(undefined, a!)).toBe(true);
    expect(mayFollow(a, structuredClone(a!))).toBe(true);
    expect(mayFollow(first, later!)).toBe(true);
    expect(mayFollow(later, byRecovery)).toBe(true);
    // Two devices that signed apart lock nobody in: one of the two follows the other.
    expect([mayFollow(a, b!), mayFollow(b, a!)].filter(Boolean)).toHaveLength(1);
    for (const [current, next] of [[later, a], [byRecovery, later]]) expect(mayFollow(current, next!)).toBe(false);
    expect(mayFollow(first, recordFor(alice, 9, homes, {}, 'second'))).toBe(false);
    expect(mayFollow(first, recordFor('@bob:a.example', 9, homes))).toBe(false);
  });
});

it('finds the record of a member or create event only', () => {
  const event = (type: string, value: unknown): RoomEvent =>
    ({ eventId: '$x', roomId: '!x', json: '', pdu: { type, content: { home_record: value } } }) as unknown as RoomEvent;
  expect(recordOf(event('m.room.member', record))).toBe(record);
  expect(recordOf(event('m.room.create', record))).toBe(record);
  expect(recordOf(event('m.room.message', record))).toBeUndefined();
  expect(recordOf(event('m.room.member', undefined))).toBeUndefined();
  expect(recordOf(event('m.room.member', { ...record, homes: 5 }))).toBeUndefined();
  expect(recordOf(undefined)).toBeUndefined();
});
