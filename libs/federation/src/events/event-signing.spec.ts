import { createHash } from 'node:crypto';
import { roomVersion } from '../room-versions/index.js';
import { fromBase64, signatureOf, signingKeyFromSeed, verifySignature } from '../signing/index.js';
import {
  addSignature, buildEvent, contentHash, EventTooLargeError, jsonMember, readPdu, referenceHash, signatureInput, stateKeyOf,
  type EventDraft, type JsonObject, type Pdu,
} from './index.js';

const key = signingKeyFromSeed('ed25519:1', fromBase64('YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'));
const signer = { name: 'domain', key };
const [v10, v11, v12, portable] = ['10', '11', '12', 'io.partyline.1'].map((id) => roomVersion(id)!);

function draft(overrides: Partial<EventDraft> = {}): EventDraft {
  return {
    type: 'm.room.message', sender: '@u:domain', room_id: '!r:domain', content: { body: 'Hello' },
    origin_server_ts: 1_000_000, depth: 3, prev_events: ['$p'], auth_events: ['$a'], ...overrides,
  };
}

// The appendices' vectors are events of room version 1, whose hash and signature differ from version 10's in nothing here.
describe('the specification’s event signing vectors', () => {
  it('signs a minimal event', () => {
    const pdu = {
      room_id: '!x:domain', sender: '@a:domain', origin: 'domain', origin_server_ts: 1_000_000, signatures: {},
      hashes: {}, type: 'X', content: {}, prev_events: [], auth_events: [], depth: 3, unsigned: { age_ts: 1_000_000 },
    } as unknown as Pdu;
    const sha256 = contentHash(pdu, v10!);
    expect(sha256).toBe('5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos');
    expect(key.sign(signatureInput({ ...pdu, hashes: { sha256 } }, v10!))).toBe(
      'KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg',
    );
  });

  it('signs an event with content that redaction removes', () => {
    const pdu = {
      content: { body: 'Here is the message content' }, event_id: '$0:domain', origin: 'domain',
      origin_server_ts: 1_000_000, type: 'm.room.message', room_id: '!r:domain', sender: '@u:domain', signatures: {},
      unsigned: { age_ts: 1_000_000 },
    } as unknown as Pdu;
    const sha256 = contentHash(pdu, v10!);
    expect(sha256).toBe('onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g');
    expect(key.sign(signatureInput({ ...pdu, hashes: { sha256 } }, v10!))).toBe(
      'Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA',
    );
  });
});

describe('buildEvent', () => {
  it('hashes all of the event, and signs and names it by what redaction keeps', () => {
    const event = buildEvent(draft(), v11!, signer);
    const hashed = '{"auth_events":["$a"],"content":{"body":"Hello"},"depth":3,"origin_server_ts":1000000,'
      + '"prev_events":["$p"],"room_id":"!r:domain","sender":"@u:domain","type":"m.room.message"}';
    const hash = createHash('sha256').update(hashed).digest('base64').replace(/=+$/, '');
    const signed = `{"auth_events":["$a"],"content":{},"depth":3,"hashes":{"sha256":"${hash}"},`
      + '"origin_server_ts":1000000,"prev_events":["$p"],"room_id":"!r:domain","sender":"@u:domain","type":"m.room.message"}';
    expect(event.pdu.hashes).toEqual({ sha256: hash });
    expect(event.pdu.signatures).toEqual({ domain: { 'ed25519:1': key.sign(signed) } });
    expect(event.eventId).toBe('$' + createHash('sha256').update(signed).digest('base64url'));
    expect(event.roomId).toBe('!r:domain');
    expect(JSON.parse(event.json)).toEqual(event.pdu);
    expect(signatureInput(event.pdu, v11!)).toBe(signed);
    expect('$' + referenceHash(event.pdu, v11!)).toBe(event.eventId);
  });

  it.each(['10', '11', '12', 'io.partyline.1'])('makes events that readPdu takes, in version %s', (id) => {
    const rules = roomVersion(id)!;
    const given = draft({ type: 'm.room.member', state_key: '@u:domain', content: { membership: 'join', n: 'x' }, home: 'h', txn: 't' });
    const event = buildEvent(given, rules, signer);
    const read = readPdu(JSON.parse(event.json), rules);
    expect(read).toEqual({ ...event, hashMatched: true });
  });

  it('names the room after the create event from version 12 on', () => {
    const create = draft({ type: 'm.room.create', state_key: '', content: { room_version: '12' }, prev_events: [], auth_events: [] });
    const event = buildEvent(create, v12!, signer);
    expect(event.pdu).not.toHaveProperty('room_id');
    expect(event.roomId).toBe('!' + event.eventId.slice(1));
    expect(readPdu(JSON.parse(event.json), v12!)).toMatchObject({ eventId: event.eventId, roomId: event.roomId });
    expect(buildEvent(create, v11!, signer)).toMatchObject({ roomId: '!r:domain', pdu: { room_id: '!r:domain' } });
  });

  it('needs a room id otherwise', () => {
    expect(() => buildEvent(draft({ room_id: undefined }), v12!, signer)).toThrow(TypeError);
  });

  it('signs with a home’s name in portable rooms, where home counts and txn is only hashed', () => {
    const event = buildEvent(draft({ home: 'b.example', txn: 'T' }), portable!, { name: 'b.example', key });
    expect(event.pdu).toMatchObject({ home: 'b.example', txn: 'T' });
    const signed = signatureInput(event.pdu, portable!);
    expect(JSON.parse(signed)).toMatchObject({ home: 'b.example' });
    expect(JSON.parse(signed)).not.toHaveProperty('txn');
    expect(verifySignature(key.publicKey, signed, signatureOf(event.pdu.signatures, 'b.example', 'ed25519:1')!)).toBe(true);
    expect(contentHash({ ...event.pdu, txn: 'U' }, portable!)).not.toBe(event.pdu.hashes.sha256);
    expect(contentHash({ ...event.pdu, home: 'c.example' }, portable!)).not.toBe(event.pdu.hashes.sha256);
  });

  it('fills an event to exactly 65,522 bytes, which are 65,536 for who counts an empty unsigned, and refuses one more', () => {
    const empty = Buffer.byteLength(buildEvent(draft({ content: { body: '' } }), v11!, signer).json);
    const fits = buildEvent(draft({ content: { body: 'ä'.repeat(100) + 'x'.repeat(65_522 - empty - 200) } }), v11!, signer);
    expect(Buffer.byteLength(fits.json)).toBe(65_522);
    expect(() => buildEvent(draft({ content: { body: 'x'.repeat(65_522 - empty + 1) } }), v11!, signer)).toThrow(EventTooLargeError);
    expect(() => addSignature(fits, v11!, 'other', key)).toThrow(EventTooLargeError);
  });

  it('refuses a type or state key beyond 255 bytes', () => {
    for (const field of ['type', 'state_key'] as const) {
      expect(() => buildEvent(draft({ [field]: 'x'.repeat(255) }), v11!, signer)).not.toThrow();
      expect(() => buildEvent(draft({ [field]: 'ä'.repeat(128) }), v11!, signer)).toThrow(EventTooLargeError);
    }
  });
});

describe('addSignature', () => {
  it('adds one that verifies, and changes neither the id nor the others', () => {
    const other = signingKeyFromSeed('ed25519:2', new Uint8Array(32).fill(3));
    const event = buildEvent(draft(), v11!, signer);
    const cosigned = addSignature(addSignature(event, v11!, 'b', other), v11!, 'domain', other);
    expect(cosigned.eventId).toBe(event.eventId);
    const own = event.pdu.signatures.domain!['ed25519:1'];
    const added = other.sign(signatureInput(event.pdu, v11!));
    expect(cosigned.pdu.signatures).toEqual({ b: { 'ed25519:2': added }, domain: { 'ed25519:1': own, 'ed25519:2': added } });
    expect(JSON.parse(cosigned.json)).toEqual(cosigned.pdu);
    expect(event.pdu.signatures).toEqual({ domain: { 'ed25519:1': own } });
    expect(readPdu(JSON.parse(cosigned.json) as JsonObject, v11!)).toMatchObject({ eventId: event.eventId, hashMatched: true });
  });
});

it('keeps state keys apart', () => {
  expect(stateKeyOf('a', 'bc')).not.toBe(stateKeyOf('ab', 'c'));
});

it('reads members of their own from untrusted values', () => {
  expect(jsonMember({ a: 1 }, 'a')).toBe(1);
  for (const value of [{}, [1], 'text', null, undefined]) {
    for (const name of ['constructor', 'length', '__proto__', '0']) expect(jsonMember(value, name)).toBeUndefined();
  }
});
