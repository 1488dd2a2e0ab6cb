import fc from 'fast-check';
import { roomVersion } from '../room-versions/index.js';
import { signingKeyFromSeed } from '../signing/index.js';
import { buildEvent, contentHash, PduFormatError, readPdu, roomEventFromJson, type JsonObject, type Pdu } from './index.js';

const v11 = roomVersion('11')!;
const v12 = roomVersion('12')!;
const portable = roomVersion('io.partyline.1')!;
const key = signingKeyFromSeed('ed25519:1', new Uint8Array(32).fill(1));

const base = buildEvent({
  type: 'm.room.member', sender: '@u:a.example', state_key: '@u:a.example', room_id: '!r:a.example',
  content: { membership: 'join', displayname: 'U' }, origin_server_ts: 5, depth: 7,
  prev_events: ['$p'], auth_events: ['$a'],
}, v11, { name: 'a.example', key });

/** The event as another server would send it with some members changed and its content hash made anew. */
function wire(changes: { [k: string]: unknown } = {}): JsonObject {
  const pdu = JSON.parse(JSON.stringify({ ...base.pdu, ...changes })) as Pdu;
  if (!('hashes' in changes)) {
    try {
      pdu.hashes = { sha256: contentHash(pdu, v11) };
    } catch { /* what has no hash must fail for that reason */ }
  }
  return pdu as unknown as JsonObject;
}

describe('readPdu', () => {
  it('keeps unknown members, and drops unsigned from the text only', () => {
    const read = readPdu(wire({ 'org.example.extra': { a: [1] }, unsigned: { age: 1.5 } }), v11);
    expect(read.hashMatched).toBe(true);
    expect(read.pdu['org.example.extra']).toEqual({ a: [1] });
    expect(read.pdu.unsigned).toEqual({ age: 1.5 });
    expect(JSON.parse(read.json)).toHaveProperty(['org.example.extra', 'a']);
    expect(JSON.parse(read.json)).not.toHaveProperty('unsigned');
  });

  it('does not let a member called __proto__ escape the hash', () => {
    const text = base.json.replace('"membership"', '"__proto__":{"x":1},"membership"');
    expect(readPdu(JSON.parse(text), v11).hashMatched).toBe(false);
    expect(readPdu(JSON.parse(`{"__proto__":{"x":1},${base.json.slice(1)}`), v11).hashMatched).toBe(false);
  });

  it('redacts an event whose content hash does not match, under the same id', () => {
    const altered = { ...(JSON.parse(base.json) as Pdu), content: { membership: 'join', displayname: 'Mallory' }, extra: 1 };
    const read = readPdu(altered, v11);
    expect(read).toMatchObject({ hashMatched: false, eventId: base.eventId, roomId: '!r:a.example' });
    expect(read.pdu.content).toEqual({ membership: 'join' });
    expect(read.pdu).not.toHaveProperty('extra');
    expect(JSON.parse(read.json)).toEqual(read.pdu);
    expect(read.pdu.signatures).toEqual(base.pdu.signatures);
  });

  it('takes the content hash in other Base64 forms, and redacts when it is none', () => {
    const { sha256 } = base.pdu.hashes;
    const urlSafe = sha256.replaceAll('+', '-').replaceAll('/', '_');
    for (const given of [`${sha256}=`, urlSafe]) expect(readPdu(wire({ hashes: { sha256: given } }), v11).hashMatched).toBe(true);
    expect(readPdu(wire({ hashes: { sha256: 'not Base64!' } }), v11).hashMatched).toBe(false);
  });

  it('drops malformed signatures and keeps the others', () => {
    const signatures = { ...base.pdu.signatures, b: 'text', c: { 'ed25519:1': 5, 'ed25519:2': 'ok' } };
    expect(readPdu(wire({ signatures }), v11).pdu.signatures).toEqual({ ...base.pdu.signatures, c: { 'ed25519:2': 'ok' } });
  });

  const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `$${i}`);
  it.each<[string, { [k: string]: unknown }]>([
    ['20 prev_events', { prev_events: ids(20) }],
    ['10 auth_events', { auth_events: ids(10) }],
    ['no prev_events', { prev_events: [] }],
    ['a depth of 2^53 - 1', { depth: 2 ** 53 - 1 }],
    ['a type of 255 bytes', { type: 'x'.repeat(255) }],
    ['a type of 255 bytes in 85 characters', { type: '語'.repeat(85) }],
    ['a state key of 255 bytes', { state_key: 'x'.repeat(255) }],
    ['a sender of 255 bytes', { sender: `@${'x'.repeat(254)}` }],
    ['a historical sender', { sender: '@Ünïcode Name:a.example' }],
    ['a message', { state_key: undefined, type: 'm.room.message' }],
  ])('takes %s', (_, changes) => {
    expect(readPdu(wire(changes), v11).hashMatched).toBe(true);
  });

  it.each<[string, { [k: string]: unknown }]>([
    ['21 prev_events', { prev_events: ids(21) }],
    ['11 auth_events', { auth_events: ids(11) }],
    ['the lists of room version 1', { prev_events: [['$p', { sha256: 'x' }]] }],
    ['a prev_event that is no event id', { prev_events: ['p'] }],
    ['an auth_event beyond 255 bytes', { auth_events: [`$${'x'.repeat(255)}`] }],
    ['a depth of 2^53', { depth: 2 ** 53 }],
    ['a negative depth', { depth: -1 }],
    ['a depth that is text', { depth: '7' }],
    ['a float in the content', { content: { membership: 'join', x: 0.5 } }],
    ['2^53 in the content', { content: { membership: 'join', x: 2 ** 53 } }],
    ['a timestamp that is no integer', { origin_server_ts: 1.5 }],
    ['a type of 256 bytes', { type: 'x'.repeat(256) }],
    ['a type of 256 bytes in 86 characters', { type: `${'語'.repeat(85)}x` }],
    ['a state key of 256 bytes', { state_key: 'x'.repeat(256) }],
    ['a state key that is null', { state_key: null }],
    ['a NUL in the type', { type: 'a\u0000b' }],
    ['a sender without sigil', { sender: 'u:a.example' }],
    ['a sender of 256 bytes', { sender: `@${'x'.repeat(255)}` }],
    ['no room id', { room_id: undefined }],
    ['content that is a list', { content: [] }],
    ['no hashes', { hashes: {} }],
    ['no signatures', { signatures: undefined }],
  ])('refuses %s', (_, changes) => {
    expect(() => readPdu(wire(changes), v11)).toThrow(PduFormatError);
  });

  it('counts code points of the type and the state key in versions before 11, as others do', () => {
    const v10 = roomVersion('10')!;
    for (const field of ['type', 'state_key']) {
      const long = wire({ [field]: '💥'.repeat(255) });
      expect(readPdu(long, v10).pdu).toMatchObject({ [field]: '💥'.repeat(255) });
      expect(() => readPdu(long, v11)).toThrow(PduFormatError);
      for (const longer of ['💥'.repeat(256), `${'💥'.repeat(255)}x`]) expect(() => readPdu(wire({ [field]: longer }), v10)).toThrow(PduFormatError);
    }
  });

  it.each([[null], [undefined], ['text'], [7], [[]], [{}]])('refuses %j', (value) => {
    expect(() => readPdu(value, v11)).toThrow(PduFormatError);
  });

  it('counts bytes at the limit of 65,536 with signatures and without unsigned', () => {
    const room = 65_536 - Buffer.byteLength(base.json);
    // The content hash is as long for every content, so padding by n bytes makes the event n bytes longer.
    const padded = (bytes: number): JsonObject => wire({ content: { membership: 'join', displayname: 'U' + 'x'.repeat(bytes) } });
    const full = readPdu({ ...padded(room), unsigned: { much: 'y'.repeat(500) } }, v11);
    expect(Buffer.byteLength(full.json)).toBe(65_536);
    expect(() => readPdu(padded(room + 1), v11)).toThrow(PduFormatError);
  });

  it('takes 126 levels in a member, and refuses one more, where other servers\' parsers end', () => {
    const nested = (levels: number): JsonObject => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`);
    expect(readPdu(wire({ content: nested(126) }), v11).pdu.content).toEqual(nested(126));
    expect(() => readPdu(wire({ content: nested(127) }), v11)).toThrow(PduFormatError);
    expect(() => readPdu(wire({ extra: nested(127) }), v11)).toThrow(PduFormatError);
  });

  it('refuses endless nesting as a format error', () => {
    const text = `{"content":{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}},${base.json.slice(1).replace(/"content":\{[^}]*\},/, '')}`;
    expect(() => readPdu(JSON.parse(text), v11)).toThrow(PduFormatError);
  });

  it('takes a create event without room id in version 12 only', () => {
    const create = wire({ type: 'm.room.create', state_key: '', room_id: undefined });
    const read = readPdu(create, v12);
    expect(read.roomId).toBe('!' + read.eventId.slice(1));
    expect(() => readPdu(create, v11)).toThrow(PduFormatError);
    expect(readPdu(wire({ type: 'm.room.create', state_key: '' }), v12).roomId).toBe('!r:a.example');
    expect(() => readPdu(wire({ type: 'm.room.create', state_key: 'x', room_id: undefined }), v12)).toThrow(PduFormatError);
  });

  it('checks home and txn in portable rooms only', () => {
    expect(() => readPdu(wire({ home: 5 }), portable)).toThrow(PduFormatError);
    expect(() => readPdu(wire({ txn: 'x'.repeat(256) }), portable)).toThrow(PduFormatError);
    expect(readPdu(wire({ home: 5 }), v12).hashMatched).toBe(true);
  });

  it('gives every event one text and one id, however it was written', () => {
    fc.assert(fc.property(fc.shuffledSubarray(Object.keys(base.pdu), { minLength: Object.keys(base.pdu).length }), (keys) => {
      const shuffled = Object.fromEntries(keys.map((k) => [k, base.pdu[k]]));
      expect(readPdu(JSON.parse(JSON.stringify(shuffled, null, 2)), v11)).toEqual({ ...base, hashMatched: true });
    }));
  });

  it('never fails with anything but a format error', () => {
    fc.assert(fc.property(fc.constantFrom(...Object.keys(base.pdu)), fc.jsonValue(), (member, value) => {
      try {
        readPdu({ ...(JSON.parse(base.json) as JsonObject), [member]: value }, portable);
      } catch (error) {
        expect(error).toBeInstanceOf(PduFormatError);
      }
    }), { numRuns: 500 });
  });
});

it('reads a stored event back', () => {
  expect(roomEventFromJson(base.json, base.eventId, base.roomId)).toEqual(base);
});
