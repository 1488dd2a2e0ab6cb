import { keyOf, genesisOf, recordFor, RoomFixture } from '../event-auth/room-fixture.js';
import { admittedInput, contentHash, readAdmitted, readPdu, withAdmitted, type Admitted, type JsonObject, type RoomEvent } from '../events/index.js';
import { redactPdu } from '../redaction/index.js';
import { roomVersion } from '../room-versions/index.js';
import { signJson } from '../signing/index.js';
import { endorsementInput, genesisHash, verifyAdmitted } from './index.js';

// Portable rooms, protocol §2: a resident that saw a name proven says so in the event, for those who cannot ask the domain.

const rules = roomVersion('io.partyline.1')!;
const bob = '@bob:b.example';
const domainKey = keyOf('b.example');
const attesterKey = keyOf('r.example');
const keyAnswer = (key = domainKey, domain = 'b.example'): JsonObject => signJson({
  server_name: domain, valid_until_ts: 1, verify_keys: { [key.keyId]: { key: key.publicKey } }, old_verify_keys: {},
}, domain, key) as unknown as JsonObject;

function join(): RoomEvent {
  const endorsement = { [domainKey.keyId]: domainKey.sign(endorsementInput(genesisOf(bob))) };
  const room = RoomFixture.founded(rules, '@alice:a.example');
  return room.build({
    type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join' }, record: recordFor(bob, 0, ['b.example'], { endorsement }),
  });
}

function attested(event: RoomEvent, change: Partial<Admitted> = {}, genesis = genesisHash(genesisOf(bob))): Admitted {
  const unsigned = { server_name: 'r.example', ts: 5, keys: keyAnswer(), ...change };
  const signature = attesterKey.sign(admittedInput(event, genesis, unsigned));
  return { ...unsigned, signatures: { 'r.example': { [attesterKey.keyId]: signature } } };
}

const keys = { [attesterKey.keyId]: attesterKey.publicKey };

it('changes neither the id nor the hash, and stays over reading and redaction', () => {
  const event = join();
  const with1 = withAdmitted(event, attested(event), rules);
  expect(contentHash(with1.pdu, rules)).toBe(event.pdu.hashes.sha256);
  const read = readPdu(JSON.parse(with1.json), rules);
  expect(read).toMatchObject({ eventId: event.eventId, hashMatched: true, json: with1.json });
  expect(readAdmitted(read.pdu)).toEqual([attested(event)]);
  expect(readAdmitted(redactPdu(read.pdu, rules))).toEqual([attested(event)]);
  expect(readPdu(redactPdu(read.pdu, rules), rules).eventId).toBe(event.eventId);
  expect(readPdu(JSON.parse(event.json), rules).pdu).not.toHaveProperty(['io.partyline.admitted']);
});

it('holds one per server, four at most', () => {
  let event = join();
  for (const name of ['r.example', 's.example', 't.example', 'u.example', 'v.example', 'v.example']) event = withAdmitted(event, attested(event, { server_name: name }), rules);
  expect(readAdmitted(event.pdu).map((one) => one.server_name)).toEqual(['r.example', 's.example', 't.example', 'v.example']);
});

it.each<[string, unknown]>([
  ['no list', {}], ['nothing in it', []], ['no objects', ['x']], ['no keys', [{ server_name: 'r.example', ts: 1, signatures: {} }]],
  ['too much', [{ server_name: 'r.example', ts: 1, keys: { padding: 'x'.repeat(5000) }, signatures: {} }]],
  ['what canonical JSON cannot hold', [{ server_name: 'r.example', ts: 1, keys: { n: 0.5 }, signatures: {} }]],
])('leaves out what is malformed, and keeps the event: %s', (_what, value) => {
  const event = join();
  const read = readPdu({ ...JSON.parse(event.json), 'io.partyline.admitted': value }, rules);
  expect(read).toMatchObject({ eventId: event.eventId, hashMatched: true, json: event.json });
});

it('does not make an event too large for others', () => {
  const room = RoomFixture.founded(rules, '@alice:a.example');
  const padded = (n: number): RoomEvent => room.build({ type: 'm.room.member', sender: bob, stateKey: bob, content: { membership: 'join', padding: 'x'.repeat(n) } });
  const event = padded(65_522 - Buffer.byteLength(padded(0).json));
  expect(Buffer.byteLength(event.json)).toBe(65_522);
  expect(readPdu(JSON.parse(withAdmitted(event, attested(event), rules).json), rules).hashMatched).toBe(true);
});

it('is a member of its own that is hashed in Matrix\'s versions', () => {
  const v12 = roomVersion('12')!;
  const room = RoomFixture.founded(v12, '@alice:a.example');
  const { pdu } = room.last;
  expect(contentHash({ ...pdu, 'io.partyline.admitted': [] }, v12)).not.toBe(pdu.hashes.sha256);
  expect(() => withAdmitted(room.last, attested(room.last), v12)).toThrow(TypeError);
});

describe('verifying', () => {
  const event = join();
  it('takes the attester\'s signature, the domain\'s signed keys and the endorsement', () => {
    expect(verifyAdmitted(event, attested(event), keys)).toBe(true);
    expect(verifyAdmitted(event, attested(event), {})).toBe(false);
    expect(verifyAdmitted(event, attested(event), { [attesterKey.keyId]: domainKey.publicKey })).toBe(false);
  });
  it.each<[string, Admitted]>([
    ['of another event', attested({ ...event, eventId: '$other' })],
    ['of another room', attested({ ...event, roomId: '!other' })],
    ['of another genesis', attested(event, {}, genesisHash(genesisOf(bob, 'second')))],
    ['with keys of another domain', attested(event, { keys: keyAnswer(domainKey, 'c.example') })],
    ['with other keys', attested(event, { keys: keyAnswer(keyOf('evil')) })],
    ['with keys that the domain did not sign', attested(event, { keys: { ...keyAnswer(), valid_until_ts: 2 } })],
    ['changed afterwards', { ...attested(event), ts: 6 }],
  ])('refuses one %s', (_what, admitted) => {
    expect(verifyAdmitted(event, admitted, keys)).toBe(false);
  });
});
